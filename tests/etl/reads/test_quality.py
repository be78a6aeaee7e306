"""Quality of cuts against counting it cut by cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.cli.etl.inputs.signal_picture import draw_quality
from factornet.etl.reads.cuts import CutCollection, count_runs
from factornet.etl.reads.quality import TSS_REACH, CutQuality, KnownPlaces, measure_quality, quality_notes
from factornet.etl.reads.read_set import LONGEST_TEMPLATE
from factornet.store.genome.intervals import GenomeCoordinates, Intervals, merge

COORDINATES = GenomeCoordinates(("chr1", "chr2"), (9_000, 5_000))


@pytest.fixture
def cuts(tmp_path):
    rng = np.random.default_rng(1)
    found = CutCollection(tmp_path)
    for chrom, length in enumerate(COORDINATES.lengths):
        for strand in (False, True):
            found.add((0, chrom, strand), rng.integers(0, length, 4_000).astype(np.int32))
    return found


def test_quality_equals_counting_cut_by_cut(cuts):
    rng = np.random.default_rng(2)
    starts = COORDINATES.to_absolute([0, 0, 1], [500, 4_000, 100])
    peaks = merge(Intervals(starts, starts + np.array([600, 50, 900])))
    tss = COORDINATES.to_absolute([0, 0, 1, 1], [10, 6_000, 4_990, 2_000])
    is_reverse = rng.random(4) < 0.5
    found = measure_quality(cuts, COORDINATES, KnownPlaces(peaks, tss, is_reverse))
    profile, in_peaks, times = np.zeros(2 * TSS_REACH + 1, int), 0, {}
    for chrom in (0, 1):
        for strand in (False, True):
            for cut in cuts.sorted((0, chrom, strand)).tolist():
                times[chrom, strand, cut] = times.get((chrom, strand, cut), 0) + 1
                at = int(COORDINATES.to_absolute(chrom, cut))
                in_peaks += sum(a <= at < b for a, b in zip(*peaks, strict=True))
                for start, reverse in zip(tss.tolist(), is_reverse, strict=True):
                    distance = (at - start) * (-1 if reverse else 1)
                    same = COORDINATES.from_absolute(start)[0] == chrom
                    if same and abs(distance) <= TSS_REACH:
                        profile[distance + TSS_REACH] += 1
    np.testing.assert_array_equal(found.tss_profile, profile)
    assert found.in_peaks == in_peaks > 0
    n = list(times.values())
    assert (found.cuts, found.places, found.once, found.twice) == (16_000, len(n), n.count(1), n.count(2))
    assert len(quality_notes({**found.describe(), "cuts": found.cuts})) == 3


def test_quality_without_cuts_has_no_ratios():
    found = CutQuality(0, 0, 0, 0, 0, np.zeros(2 * TSS_REACH + 1, np.int64)).describe()
    assert found["nrf"] is found["pbc1"] is found["pbc2"] is found["tss_enrichment"] is None
    assert quality_notes({**found, "cuts": 0}) == [
        "enrichment at transcription starts: not known, no cut 2,000 bases away"
    ]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_runs_hold_every_cut_once(positions):
    starts, stops, counts = count_runs(np.array(sorted(positions), np.int32))
    found = np.zeros(40, int)
    for start, stop, count in zip(starts, stops, counts, strict=True):
        assert not found[start:stop].any()
        found[start:stop] = count
    np.testing.assert_array_equal(found, np.bincount(positions, minlength=40) if positions else 0)
    # Neighbouring runs differ, so that none could be joined.
    touching = stops[:-1] == starts[1:]
    assert (counts[:-1] != counts[1:])[touching].all()


@pytest.mark.parametrize("is_empty", [False, True])
def test_picture_is_drawn_of_much_and_of_little(tmp_path, is_empty):
    profile = None if is_empty else [1] * (2 * TSS_REACH + 1)
    templates = [0] * (LONGEST_TEMPLATE + 2)
    templates[150] = 0 if is_empty else 7
    found = {
        "files": ["a$b_.bam"] * 5,
        "reads": 9,
        "used": 9,
        "dropped": {} if is_empty else {"un<mapped>": 3},
        "templates": templates,
        "tss_profile": profile,
        "tss_enrichment": None if is_empty else 1.0,
    }
    for ending in ("png", "svg"):
        draw_quality(found, tmp_path / f"q.{ending}")
        assert (tmp_path / f"q.{ending}").stat().st_size > 1_000
