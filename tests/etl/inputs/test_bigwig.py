"""Signal read from the data blocks of a bigWig, against pyBigWig, which shares no code with the reader."""

import errno
import os

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.etl.inputs import bigwig
from factornet.etl.inputs.bigwig import read_by_pybigwig, read_values
from factornet.store import InputError
from factornet.store.genome import bigwig_format
from factornet.store.genome.bigwig_format import check_structure
from factornet.store.genome.bigwig_header import BinaryFile

LENGTH = 3000
KINDS = ("bedGraph", "variableStep", "fixedStep")


@st.composite
def runs(draw):
    """Entries of one kind in order, (starts, stops, values), touching or with gaps between them."""
    kind = draw(st.sampled_from(KINDS))
    count = draw(st.integers(1, 40))
    value = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))
    values = draw(st.lists(value, min_size=count, max_size=count))
    span = draw(st.integers(1, 9))
    if kind == "fixedStep":
        step = span + draw(st.integers(0, 5))
        starts = draw(st.integers(0, 500)) + step * np.arange(count)
        return kind, starts, starts + span, values, step
    widths = np.full(count, span) if kind == "variableStep" else np.array(draw(_sizes(count, 1)))
    stops = np.cumsum(widths + np.array(draw(_sizes(count, 0))))
    return kind, stops - widths, stops, values, 0


def _sizes(count, smallest):
    return st.lists(st.integers(smallest, 30), min_size=count, max_size=count)


def write(path, kind, starts, stops, values, step):  # noqa: PLR0917
    """A bigWig of two chromosomes with the same runs on both."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chrA", LENGTH), ("chrB", LENGTH)], maxZooms=0)
        for chrom in ("chrA", "chrB"):
            span = int(stops[0] - starts[0])
            if kind == "bedGraph":
                file.addEntries([chrom] * len(starts), starts.tolist(), ends=stops.tolist(), values=values)
            elif kind == "variableStep":
                file.addEntries(chrom, starts.tolist(), values=values, span=span)
            else:
                file.addEntries(chrom, int(starts[0]), values=values, span=span, step=step)


@settings(max_examples=150, deadline=None)
@given(entries=runs(), edges=st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)))
def test_every_kind_of_block_is_read_as_by_pybigwig(entries, edges, tmp_path_factory):
    path = tmp_path_factory.mktemp("bw") / "x.bw"
    write(path, *entries)
    check_structure(path)
    start, stop = min(*edges, LENGTH - 1), max(edges) + 1
    with pyBigWig.open(str(path)) as file:
        expected = file.values("chrB", start, min(stop, LENGTH), numpy=True)
    values, summary = read_values(path, "chrB", start, min(stop, LENGTH))
    np.testing.assert_array_equal(values, np.nan_to_num(expected))
    known = expected[~np.isnan(expected)]
    assert (summary.covered, summary.gaps) == (known.size, expected.size - known.size)
    assert summary.negative == np.count_nonzero(known < 0)
    if known.size:
        assert (summary.low, summary.high) == (known.min(), known.max())
        np.testing.assert_allclose(summary.total, known.sum(dtype=np.float64), rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_summary_leaves_out_gaps_and_nan(tmp_path, kind):
    starts = 10 + 20 * np.arange(5)
    write(tmp_path / "x.bw", kind, starts, starts + 4, [1.0, -2.0, 0.0, float("nan"), 5.0], 20)
    values, summary = read_values(tmp_path / "x.bw", "chrA", 0, 200)
    np.testing.assert_array_equal(values, read_by_pybigwig(tmp_path / "x.bw", "chrA", 0, 200))
    assert (summary.covered, summary.gaps, summary.negative) == (16, 184, 4)
    assert (summary.low, summary.high, summary.total) == (-2, 5, 16)


def test_spans_across_many_blocks_are_read_as_by_pybigwig(tmp_path):
    """More items than pyBigWig puts into one block, and spans that begin and end inside blocks."""
    rng = np.random.default_rng(0)
    stops = np.cumsum(rng.integers(1, 40, 20_000))
    starts = stops - rng.integers(1, 2, stops.size)
    values = rng.random(stops.size).astype(np.float32)
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("chrA", int(stops[-1]) + 10)], maxZooms=0)
        file.addEntries(["chrA"] * stops.size, starts.tolist(), ends=stops.tolist(), values=values.tolist())
    for start, stop in ((0, int(stops[-1]) + 10), (1234, 1235), (77_777, 250_001)):
        with pyBigWig.open(str(tmp_path / "x.bw")) as file:
            expected = file.values("chrA", start, stop, numpy=True)
        np.testing.assert_array_equal(read_values(tmp_path / "x.bw", "chrA", start, stop)[0], np.nan_to_num(expected))


def test_base_with_two_values_is_refused(tmp_path):
    """bedGraphToBigWig does not write such a file; pyBigWig without validation does, and reads the later value."""
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("chrA", LENGTH)], maxZooms=0)
        file.addEntries(["chrA"] * 2, [100, 105], ends=[110, 120], values=[1.0, 2.0], validate=False)
    check_structure(tmp_path / "x.bw")
    with pytest.raises(InputError, match=r"two values for chrA:105; recreate the file"):
        read_values(tmp_path / "x.bw", "chrA", 0, 200)
    assert read_values(tmp_path / "x.bw", "chrA", 0, 105)[1].covered == 5


def test_list_of_chromosomes_is_read_once_in_a_process_and_anew_for_another_file_at_the_same_path(
    tmp_path, monkeypatch
):
    counted = []
    original = bigwig_format.read_chromosomes
    monkeypatch.setattr(bigwig_format, "read_chromosomes", lambda *a: counted.append(a) or original(*a))
    path = tmp_path / "x.bw"
    for names in (["a", "b", "c", "d"], ["d", "c", "b", "a", "e"]):
        with pyBigWig.open(str(path), "w") as file:
            file.addHeader([(name, 100) for name in names], maxZooms=0)
            for i, name in enumerate(names):
                file.addEntries([name], [10], ends=[20], values=[float(i)])
        for i, name in enumerate(names):
            assert read_values(path, name, 0, 100)[0][10] == i
    assert len(counted) == 2


def test_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """A failing disk: the error of pyBigWig is RuntimeError, and the system's own names no file."""
    path = tmp_path / "x.bw"
    write(path, "bedGraph", np.array([10]), np.array([20]), [1.0], 0)

    class Failing:
        def values(self, *_, **__):
            raise RuntimeError("An error occurred while fetching values!")

        def close(self):
            pass

    monkeypatch.setattr(bigwig, "_open", lambda path: Failing())
    with pytest.raises(InputError, match=r"x.bw: pyBigWig cannot read chrA:0-200 \(An error occurred"):
        read_by_pybigwig(path, "chrA", 0, 200)

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with path.open("rb") as raw:
        file = BinaryFile(path, raw)
        monkeypatch.setattr(file, "_file", type("Raw", (), {"seek": fail}))
        with pytest.raises(OSError, match=r"Input/output error: '.*x\.bw'"):
            file.read(0, 64, "the header")


def test_file_that_is_cut_while_it_is_read_is_damaged(tmp_path):
    path = tmp_path / "x.bw"
    write(path, "bedGraph", np.array([10]), np.array([20]), [1.0], 0)
    with path.open("rb", buffering=0) as raw:
        file = BinaryFile(path, raw)
        os.truncate(path, 30)
        with pytest.raises(InputError, match="cut short or damaged: the header should be at byte 0 to 64"):
            file.read(0, 64, "the header")
