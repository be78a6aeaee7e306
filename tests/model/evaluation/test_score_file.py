"""bigWigs of scores: those of factornet-predict, and of others, of any version."""

import numpy as np
import pyBigWig
import pytest
from support.bigwig_versions import Section, Writer

from factornet.model.evaluation.bin_scores import score_bins
from factornet.model.evaluation.score_file import read_scores, read_scores_in_parts
from factornet.model.prediction.bigwig_writer import write_bigwig
from factornet.model.prediction.bins import Bins
from factornet.model.prediction.writers import write_bedgraph
from factornet.store import GenomeCoordinates, InputError

COORDINATES = GenomeCoordinates(("chr1", "chr2"), (200_000, 50_030))


def bins_every(stride, chroms=(0, 1)):
    starts = [np.arange(0, COORDINATES.lengths[c] - 199, stride, dtype=np.int64) for c in chroms]
    start = np.concatenate(starts)
    return Bins(np.repeat(np.array(chroms, np.int64), [s.size for s in starts]), start, start + 200)


def read(path):
    table = read_scores(path, COORDINATES)
    return score_bins(table.bins, table.scores, COORDINATES)


@pytest.mark.parametrize("stride", [50, 100, 150, 200, 1000])
def test_bigwig_and_bedgraph_of_equal_scores_give_equal_bins(tmp_path, stride):
    """The bedgraph has four digits."""
    bins = bins_every(stride)
    scores = np.random.default_rng(stride).random(len(bins)).astype(np.float32)
    write_bigwig(tmp_path / "x.bw", bins, scores, COORDINATES)
    write_bedgraph(tmp_path / "x.bed", bins, scores, COORDINATES)
    a, b = read(tmp_path / "x.bw"), read(tmp_path / "x.bed")
    np.testing.assert_array_equal(a.scores, scores)
    np.testing.assert_allclose(b.scores, scores, rtol=5.1e-4)
    for found in (a, b):
        assert found.n_missing == len(bins_every(50)) - len(bins)
        for column in ("chrom", "start", "stop"):
            np.testing.assert_array_equal(getattr(found.bins, column), getattr(bins, column))


def test_one_bin_and_scattered_bins(tmp_path):
    for starts in ([1000], [0, 150, 1000, 199_800]):
        bins = Bins(np.zeros(len(starts), np.int64), np.array(starts), np.array(starts) + 200)
        write_bigwig(tmp_path / "x.bw", bins, np.arange(len(starts), dtype=np.float32), COORDINATES)
        assert read(tmp_path / "x.bw").bins.start.tolist() == starts


@pytest.mark.parametrize("case", [{"version": 1}, {"version": 3}, {"order": ">"}, {"compressed": False}])
def test_signal_of_another_program_gives_the_value_at_the_middle(tmp_path, case):
    """Values base by base, in steps, and runs of equal ones, with a gap."""
    sections = [
        Section("chr1", 3, [(i, i + 1, i / 1000) for i in range(1000)]),
        Section("chr1", 2, [(1000 + 25 * i, 1025 + 25 * i, float(i)) for i in range(40)]),
        Section("chr2", 1, [(0, 20_000, 0.5), (30_000, 50_030, 0.25)]),
    ]
    Writer(**case).write(tmp_path / "x.bw", dict(zip(COORDINATES.names, COORDINATES.lengths, strict=True)), sections)
    expected = {}
    for c, chrom in enumerate(COORDINATES.names):
        values = np.full(COORDINATES.lengths[c], np.nan, np.float32)
        for section in sections:
            for start, stop, value in section.items if section.chrom == chrom else ():
                values[start:stop] = value
        starts = range(0, COORDINATES.lengths[c] - 199, 50)
        expected |= {(c, s): values[s + 100] for s in starts if not np.isnan(values[s + 100])}
    found = read(tmp_path / "x.bw")
    keys = zip(found.bins.chrom.tolist(), found.bins.start.tolist(), strict=True)
    assert (found.rule, dict(zip(keys, found.scores, strict=True))) == ("signal", expected)
    assert found.n_missing == len(bins_every(50)) - len(expected)


def write(path, lengths, rows):
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()), maxZooms=0)
        for chrom, start, stop, value in rows:
            file.addEntries([chrom], [start], ends=[stop], values=[value])


def test_what_is_left_out_is_counted(tmp_path):
    lengths = {"chr1": 200_000, "chrY": 9000}
    rows = [("chr1", 75, 125, 0.5), ("chr1", 125, 175, float("nan")), ("chrY", 75, 125, 1.0), ("chrY", 125, 175, 1.0)]
    write(tmp_path / "x.bw", lengths, rows)
    table = read_scores(tmp_path / "x.bw", COORDINATES)
    assert (len(table.bins), table.n_without_score, table.other_chromosomes) == (1, 1, {"chrY": 2})
    renamed = read_scores(tmp_path / "x.bw", GenomeCoordinates(("1",), (200_000,)), {"chr1": "1"})
    assert renamed.bins.start.tolist() == [75]


@pytest.mark.parametrize(
    ("lengths", "rows", "message"),
    [
        (
            {"chr1": 200_001},
            [("chr1", 75, 125, 0.5)],
            "chr1 has 200001 bases, the store's chr1 200000; is it of another",
        ),
        ({"chr1": 200_000}, [("chr1", 75, 125, float("inf"))], "score inf of chr1:75-125; a score is finite"),
    ],
)
def test_bigwig_of_another_assembly_or_with_infinity_is_refused(tmp_path, lengths, rows, message):
    write(tmp_path / "x.bw", lengths, rows)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "x.bw", COORDINATES)


def test_damaged_bigwig_is_refused(tmp_path):
    write_bigwig(tmp_path / "x.bw", bins_every(50), np.zeros(len(bins_every(50)), np.float32), COORDINATES)
    data = (tmp_path / "x.bw").read_bytes()
    (tmp_path / "x.bw").write_bytes(data[:-100])
    with pytest.raises(InputError, match=r"zoom level \d points past the end"):
        read_scores(tmp_path / "x.bw", COORDINATES)


def test_bigwig_is_read_chromosome_by_chromosome(tmp_path):
    """So that no more than the intervals of one are held; all together they are those of the file."""
    bins = bins_every(50)
    write_bigwig(tmp_path / "x.bw", bins, (np.arange(len(bins)) % 97 / 97).astype(np.float32), COORDINATES)
    parts = list(read_scores_in_parts(tmp_path / "x.bw", COORDINATES))
    assert [np.unique(part.bins.chrom).tolist() for part in parts] == [[i] for i in range(len(COORDINATES.names))]
    whole = read_scores(tmp_path / "x.bw", COORDINATES)
    np.testing.assert_array_equal(np.concatenate([part.scores for part in parts]), whole.scores)
    np.testing.assert_array_equal(np.concatenate([part.bins.start for part in parts]), whole.bins.start)
