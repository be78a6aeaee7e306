"""Scores of a genome by place: the same bins come out as went in."""

import numpy as np
import pytest

from factornet.model import Bins
from factornet.model.evaluation import genome_scores
from factornet.model.evaluation.genome_scores import GenomeScores
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.genome.regions import Region

COORDINATES = GenomeCoordinates(("a", "b", "c"), (1000, 5000, 730))


@pytest.fixture
def bins():
    """Seven bins on two of three chromosomes, out of order."""
    chrom, start = np.array([1, 1, 0, 1, 1, 0, 1]), np.array([4800, 0, 800, 50, 3000, 0, 250])
    return Bins(chrom, start, start + 200)


@pytest.fixture
def scores(bins):
    return np.array([0.5, 0.1, 0.9, 0.0, 0.7, 0.9, 0.2], np.float32)


def rows(bins, values):
    return sorted(zip(bins.chrom.tolist(), bins.start.tolist(), np.asarray(values).tolist(), strict=True))


@pytest.mark.parametrize("piece", [3, 2**20])
def test_pieces_have_all_bins_in_genome_order(bins, scores, piece, monkeypatch):
    monkeypatch.setattr(genome_scores, "_PIECE", piece)
    found = GenomeScores.of(bins, scores, COORDINATES)
    pieces = [row for b, s in found.pieces() for row in rows(b, s)]
    assert pieces == rows(bins, scores)
    assert len(found) == 7
    scored = found.rescore(lambda b: {"kb": (b.start / 1000).astype(np.float32), "one": np.ones(len(b), np.float32)})
    assert [len(values) for values in scored.values()] == [7, 7]
    other = scored["kb"]
    assert [row for b, s in other.pieces() for row in rows(b, s)] == rows(bins, (bins.start / 1000).astype(np.float32))


def test_covered_bases_are_those_of_the_bins(bins, scores):
    covered = GenomeScores.of(bins, scores, COORDINATES).covered(COORDINATES)
    assert covered.starts.tolist() == [0, 800, 1001, 4001, 5801]
    assert covered.stops.tolist() == [200, 1000, 1451, 4201, 6001]


def test_best_bin_is_the_first_with_the_highest_score(bins, scores):
    best, value = GenomeScores.of(bins, scores, COORDINATES).best()
    assert (rows(best, value), best.stop.tolist()) == ([(0, 0, pytest.approx(0.9))], [200])


@pytest.mark.parametrize(
    ("start", "stop", "starts"), [(0, 1, [0]), (199, 251, [0, 50, 250]), (250, 300, [250]), (450, 3000, []), (0, 5000, [0, 50, 250, 3000, 4800])]
)  # fmt: skip
def test_bins_within_a_region_share_a_base_with_it(bins, scores, start, stop, starts):
    found, values = GenomeScores.of(bins, scores, COORDINATES).within(Region("b", start, stop), COORDINATES)
    expected = {s: v for c, s, v in rows(bins, scores) if c == 1}
    assert found.start.tolist() == starts
    assert values.tolist() == [expected[s] for s in starts]


def test_chromosome_without_scores_has_no_bins(bins, scores):
    found, values = GenomeScores.of(bins, scores, COORDINATES).within(Region("c", 0, 700), COORDINATES)
    assert (len(found), values.size) == (0, 0)
