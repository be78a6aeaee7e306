"""bigWigs that are written, against pyBigWig, which reads them and shares no code with the writer."""

import errno
import io
import os

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.store.genome.bigwig_encoder import BigwigEncoder
from factornet.store.genome.bigwig_format import check_structure, check_zoom_levels


def write(path, lengths, entries, *, window, step=1000):
    """Write entries (chroms, starts, stops, values), `step` at a time."""
    with path.open("wb") as file:
        encoder = BigwigEncoder(file, lengths, window=window)
        for i in range(0, entries[1].size, step):
            encoder.add(*(column[i : i + step] for column in entries))
        encoder.finish()


def random_entries(rng, lengths, counts):
    """Disjoint entries in order, that often touch, on the chromosomes of which there is a count."""
    found = []
    for chrom, count in counts.items():
        edges = np.sort(rng.choice(list(lengths.values())[chrom] + 1, count + 1, replace=False))
        kept = rng.random(count) < rng.choice([0.5, 1.0])
        values = rng.normal(size=count).astype(np.float32)
        found.append((np.full(count, chrom)[kept], edges[:-1][kept], edges[1:][kept], values[kept]))
    return tuple(np.concatenate(columns) for columns in zip(*found, strict=True))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), window=st.integers(1, 3000), step=st.integers(1, 9000))
def test_file_is_what_pybigwig_reads(seed, window, step, tmp_path_factory):
    """Entries, chromosomes in their order, sums of the header; and zoom levels that add up to the same."""
    path, rng = tmp_path_factory.mktemp("bw") / "x.bw", np.random.default_rng(seed)
    lengths = {f"c{i}": int(rng.integers(10, 20_000)) for i in rng.permutation(rng.integers(1, 12))}
    counts = {i: int(rng.integers(1, size // 2)) for i, size in enumerate(lengths.values()) if rng.random() < 0.8}
    if not counts:
        return
    entries = random_entries(rng, lengths, counts)
    write(path, lengths, entries, window=window, step=step)
    chroms, starts, stops, values = entries
    covered, sizes = int((stops - starts).sum()), (stops - starts)
    check_structure(path)
    check_zoom_levels(path, covered)
    with pyBigWig.open(str(path)) as file:
        assert list(file.chroms().items()) == list(lengths.items())
        header = file.header()
        assert (header["version"], header["nBasesCovered"]) == (4, covered)
        assert header["nLevels"] == sum(window * 4**i <= max(lengths.values()) for i in range(10))
        assert header["sumData"] == pytest.approx(np.dot(values.astype(np.float64), sizes), abs=1)  # cut to an integer
        for i, name in enumerate(lengths):
            here = chroms == i
            wanted = list(zip(*(c[here].tolist() for c in entries[1:]), strict=True))
            assert list(file.intervals(name) or ()) == wanted
            if wanted:
                exact, zoomed = (file.stats(name, type="mean", exact=e)[0] for e in (True, False))
                assert zoomed == pytest.approx(exact, rel=1e-4, abs=1e-5)
                assert file.stats(name, type="max")[0] == values[here].max()
                assert file.stats(name, type="min")[0] == values[here].min()


@pytest.mark.parametrize("n", [255, 256, 257, 512, 66_000])
def test_trees_have_as_many_levels_as_the_chromosomes_need(tmp_path, n):
    """Each has a data block of its own, so that the index has as many leaves."""
    lengths = {f"scaffold_{i * 7919 % n}": 1000 + i for i in range(n)}
    numbers = np.arange(n)
    entries = (numbers, np.full(n, 10), np.full(n, 20), numbers.astype(np.float32))
    write(tmp_path / "x.bw", lengths, entries, window=800)
    assert check_structure(tmp_path / "x.bw").lengths == lengths
    check_zoom_levels(tmp_path / "x.bw", 10 * n)
    with pyBigWig.open(str(tmp_path / "x.bw")) as file:
        assert list(file.chroms().items()) == list(lengths.items())
        for i in (*range(0, n, 997), 254, n - 1):
            assert file.intervals(list(lengths)[i]) == ((10, 20, float(i)),)


def test_chromosomes_are_listed_by_name_as_ucscs_tools_search_them(tmp_path):
    entries = (np.array([0, 2]), np.array([1, 1]), np.array([2, 2]), np.ones(2, np.float32))
    write(tmp_path / "x.bw", {"chr2": 100, "chr10": 90, "chr1": 80}, entries, window=800)
    data = (tmp_path / "x.bw").read_bytes()
    assert 0 < data.index(b"chr1\0") < data.index(b"chr10") < data.index(b"chr2\0")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, 10, 20), (0, 19, 30)),
        ((0, 10, 20), (0, 5, 8)),
        ((1, 10, 20), (0, 30, 40)),
        ((0, 10, 20), (0, 20, 20)),
        ((0, 10, 10), (0, 20, 30)),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_entries_out_of_order_are_refused(first, second, together):
    encoder = BigwigEncoder(io.BytesIO(), {"a": 100, "b": 100}, window=10)
    columns = [np.array(pair) for pair in zip(first, second, strict=True)] + [np.ones(2, np.float32)]

    def add():
        for rows in [slice(0, 2)] if together else [slice(0, 1), slice(1, 2)]:
            encoder.add(*(c[rows] for c in columns))

    with pytest.raises(ValueError, match="sorted, disjoint and not empty"):
        add()


def test_every_failed_write_is_an_error():
    """The k-th write, for every k."""

    class Full(io.BytesIO):
        left = 0

        def write(self, data):
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    entries = random_entries(np.random.default_rng(1), {"a": 20_000, "b": 9000}, {0: 8000, 1: 10})
    for k in range(1, 100):
        file = Full()
        file.left = k
        try:
            encoder = BigwigEncoder(file, {"a": 20_000, "b": 9000}, window=80)
            encoder.add(*entries)
            encoder.finish()
        except OSError:
            continue
        assert file.left > 0
        break
    assert 15 < k < 99


@pytest.mark.parametrize("lengths", [{}, {"": 100}, {"chr1": 0}, {"chr1": 2**32}])
def test_chromosomes_that_a_bigwig_cannot_have_are_refused(lengths):
    with pytest.raises(ValueError, match="needs chromosomes, each with a name and 1 to"):
        BigwigEncoder(io.BytesIO(), lengths, window=10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_values_that_crash_readers_or_overflow_sums_are_refused(value):
    encoder = BigwigEncoder(io.BytesIO(), {"chr1": 100}, window=10)
    with pytest.raises(ValueError, match="must be finite and at most 1e"):
        encoder.add(np.array([0]), np.array([5]), np.array([6]), np.array([value], np.float32))


@pytest.mark.parametrize(("start", "stop"), [(50, 101), (-1, 5)])
def test_entries_outside_their_chromosome_are_refused(start, stop):
    encoder = BigwigEncoder(io.BytesIO(), {"chr0": 500, "chr1": 100}, window=10)
    with pytest.raises(ValueError, match="must lie inside their chromosomes"):
        encoder.add(np.array([1]), np.array([start]), np.array([stop]), np.ones(1, np.float32))
