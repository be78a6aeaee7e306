"""Single-task sampling of the demo store, compared with bedtools and plain loops over the source files."""

import re

import numpy as np
import pytest
from scipy.stats import chisquare, ttest_1samp
from support.bedtools_oracle import Bedtools, chip_files, read_bed

from factornet.store import Sampler, UsageError, open_store, parse_region, split_genome
from factornet.store.genome.intervals import Intervals, size
from factornet.store.sampling.candidates import draw_negatives
from factornet.store.sampling.plan import make_rng

BIN, LENGTH = 200, 1000
VALID, TEST = ("chr11:200000-900000",), ("chr1", "chr21:0-500000")


def regions(store, texts):
    return [parse_region(t, store.coordinates) for t in texts]


def demo_split(store, valid=VALID, test=TEST):
    return split_genome(store.coordinates, valid=regions(store, valid), test=regions(store, test))


def make_sampler(store, **changes):
    options = {
        "cells": ("K562",),
        "factor": "CTCF",
        "split": demo_split(store),
        "window_length": LENGTH,
        "negatives": 3,
    }
    return Sampler(store, **(options | changes))


@pytest.fixture
def oracle(demo_store, demo_files, tmp_path):
    return Bedtools(open_store(demo_store), demo_files, tmp_path)


def region_masks(store, texts):
    masks = {n: np.zeros(s, bool) for n, s in zip(store.coordinates.names, store.coordinates.lengths, strict=True)}
    for region in regions(store, texts):
        masks[region.chrom][region.start : region.stop] = True
    return masks


def runs(mask, width):
    """Return the starts of `width` bases of the mask that are all true."""
    total = np.concatenate([[0], np.cumsum(mask)])
    return np.flatnonzero(total[width:] - total[:-width] == width)


def train_masks(store, valid=VALID, test=TEST):
    held = region_masks(store, (*valid, *test))
    return {n: ~mask for n, mask in held.items()}


def sequenced_masks(files, masks):
    """Return the masks of chromosomes without runs of at least 200 N in the demo's FASTA."""
    found = {}
    for record in (files / "genome.fa").read_text().split(">")[1:]:
        name, _, lines = record.partition("\n")
        found[name] = masks[name].copy()
        for run in re.finditer("[^ACGT]{200,}", lines.replace("\n", "").upper()):
            found[name][run.start() : run.end()] = False
    return found


@pytest.mark.parametrize(("cell", "factor"), [("K562", "CTCF"), ("HepG2", "REST"), ("K562", "MAX")])
@pytest.mark.parametrize("length", [1000, 501])
def test_allowed_negatives_equal_bedtools_base_for_base(demo_store, oracle, cell, factor, length):
    store = open_store(demo_store)
    sampler = make_sampler(store, cells=(cell,), factor=factor, window_length=length)
    allowed = oracle.allowed(cell, factor, length)
    for found, regions_of_split in (
        (sampler.train_positives[0], sequenced_masks(oracle.files, train_masks(store))),
        (sampler.valid_positives[0], sequenced_masks(oracle.files, region_masks(store, VALID))),
    ):
        drawable, total = found.negative_starts, 0
        for i, name in enumerate(store.coordinates.names):
            starts = runs(allowed[name] & regions_of_split[name], BIN)
            left = starts + BIN // 2 - length // 2  # the whole window must lie in the regions too
            inside = np.isin(left, runs(regions_of_split[name], length))
            expected = store.coordinates.to_absolute(i, starts[inside])
            actual = np.concatenate(
                [np.arange(a, b) for a, b in zip(*drawable, strict=True) if store.coordinates.from_absolute(a)[0] == i]
                or [np.array([], int)]
            )
            np.testing.assert_array_equal(actual, expected)
            total += expected.size
        assert total == size(drawable) > 100_000


def test_negatives_avoid_conservative_peaks_without_a_relaxed_set(demo_store, demo_files, oracle):
    conservative, relaxed = chip_files(demo_files, "K562", "MAX")
    assert relaxed is None
    store = open_store(demo_store)
    plan = make_sampler(store, factor="MAX", negatives=10).epoch(1, 0)
    usable = [line.split("\t")[:3] for line in oracle.usable_peaks(conservative, LENGTH).splitlines()]
    for c, name in enumerate(store.coordinates.names):
        start = plan.start[(plan.chrom == c) & (plan.label[:, 0] == 0)][:, None]
        first, last = (np.array([int(row[k]) for row in usable if row[0] == name]) for k in (1, 2))
        assert ((start + BIN <= first - BIN) | (start >= last + BIN)).all()
    assert (plan.label == 0).sum() > 500


@pytest.mark.parametrize("factor", ["CTCF", "GABPA"])
def test_negatives_avoid_peaks_blacklist_chromosome_ends_and_each_other(demo_store, demo_files, factor):
    store = open_store(demo_store)
    cells = ("GM12878", "HepG2")
    sampler = make_sampler(store, cells=cells, factor=factor, negatives=20)
    plan = sampler.epoch(7, 2)
    blacklist = read_bed(demo_files / "annotation/blacklist.bed.gz")
    relaxed = {c: read_bed(chip_files(demo_files, c, factor)[1]) for c in cells}
    for i, cell in enumerate(cells):
        selected = (plan.cell == i) & (plan.label[:, 0] == 0)
        assert selected.sum() == 20 * sampler.positives_per_epoch[i] > 100
        assert not plan.jitter[selected].any()
        for c, name in enumerate(store.coordinates.names):
            starts = np.sort(plan.start[selected & (plan.chrom == c)])
            assert (np.diff(starts) >= BIN).all()
            far = starts[:, None] + BIN
            for peaks, reach in ((relaxed[cell], BIN), (blacklist, LENGTH)):
                on_chrom = [p for p in peaks if p.chrom == name]
                first = np.array([p.start - reach for p in on_chrom])
                last = np.array([p.stop + reach for p in on_chrom])
                assert ((far <= first) | (starts[:, None] >= last)).all()
            assert (starts >= LENGTH).all()
            assert (starts + BIN <= store.coordinates.lengths[c] - LENGTH).all()


@pytest.mark.parametrize("length", [1000, 501, 1002, 150])
def test_positives_are_middles_of_usable_peaks_with_bounded_jitter(demo_store, demo_files, oracle, length):
    store = open_store(demo_store)
    sampler = make_sampler(store, window_length=length)
    conservative, _ = chip_files(demo_files, "K562", "CTCF")
    usable = [line.split("\t")[:3] for line in oracle.usable_peaks(conservative, length).splitlines()]
    masks = sequenced_masks(demo_files, train_masks(store))
    windows = {n: np.isin(np.arange(m.size), runs(m, max(length, BIN))) for n, m in masks.items()}
    expected = {}
    for chrom, *edges in usable:
        start, stop = map(int, edges)
        first = (start + stop) // 2 - BIN // 2
        jitter = stop - first - 75 - 1
        left = first + BIN // 2 - max(length, BIN) // 2
        if windows[chrom][left - jitter] and windows[chrom][left + jitter]:
            expected.setdefault((chrom, first), []).append((jitter, start, stop))
    seen = {}
    for epoch in range(5):
        plan = sampler.epoch(3, epoch)
        positive = np.flatnonzero(plan.label[:, 0])
        assert positive.size == sum(map(len, expected.values()))
        for i in positive:
            key = store.coordinates.names[plan.chrom[i]], int(plan.start[i])
            assert any(abs(plan.jitter[i]) <= jitter for jitter, *_ in expected[key])
            moved = plan.start[i] + plan.jitter[i]
            kept = max(min(b, moved + BIN) - max(a, moved) for _, a, b in expected[key])
            assert kept >= min(75, *(b - a for _, a, b in expected[key]))
            seen[key] = seen.get(key, 0) + 1
    assert seen == {key: 5 * len(peaks) for key, peaks in expected.items()}


def test_jitter_is_uniform_over_each_peaks_range(demo_store):
    """Draws scaled to [0, 1) by their range fill eleven bins evenly; both ends are reached."""
    sampler = make_sampler(open_store(demo_store), negatives=0)
    max_jitter = sampler.train_positives[0].positives.max_jitter
    drawn = np.concatenate([sampler.epoch(11, e).jitter for e in range(150)])
    max_jitter = np.tile(max_jitter, 150)
    assert (drawn == max_jitter).any()
    assert (drawn == -max_jitter).any()
    spread = (drawn + max_jitter + make_rng(5).random(drawn.size)) / (2 * max_jitter + 1)
    assert chisquare(np.histogram(spread, 11, (0, 1))[0]).pvalue > 1e-3


def test_negatives_are_uniform_over_the_allowed_starts(demo_store):
    sampler = make_sampler(open_store(demo_store), negatives=5)
    allowed = sampler.train_positives[0].negative_starts
    ends = np.cumsum(allowed.stops - allowed.starts)
    plans = [sampler.epoch(13, e) for e in range(60)]
    chrom, start = (np.concatenate([getattr(p, k)[p.label[:, 0] == 0] for p in plans]) for k in ("chrom", "start"))
    at = sampler.store.coordinates.to_absolute(chrom, start)
    which = np.searchsorted(allowed.starts, at, side="right") - 1
    rank = ends[which] - (allowed.stops[which] - at)
    assert rank.size > 40_000
    assert chisquare(np.histogram(rank, 50, (0, ends[-1]))[0]).pvalue > 1e-3
    assert chisquare(np.bincount(at % 50, minlength=50)).pvalue > 1e-3, "starts prefer no grid"


def test_negatives_in_a_crowded_interval_never_overlap():
    allowed = Intervals(np.array([0]), np.array([20_000]))
    for i in range(200):
        starts = np.sort(draw_negatives(allowed, 40, make_rng(19, i)))
        assert starts.size == 40
        assert (np.diff(starts) >= BIN).all(), f"draw {i}: {starts[:-1][np.diff(starts) < BIN]}"


def test_negatives_in_a_crowded_interval_prefer_neither_end():
    """A draw and its mirror image are equally likely, also in an interval that few bins fill."""
    allowed = Intervals(np.array([5000]), np.array([6000]))
    middles = [draw_negatives(allowed, 3, make_rng(17, i)).mean() for i in range(3_000)]
    assert ttest_1samp(middles, 5499.5).pvalue > 1e-4, f"mean of the starts is {np.mean(middles):.1f}, not 5499.5"


def test_windows_at_the_drawn_jitter_lie_in_their_split(demo_store):
    """Regions smaller than chromosomes, window by window."""
    store = open_store(demo_store)
    valid, test = ("chr11:300000-700001", "chr7:1000000-1400000"), ("chr2:500000-900000", "chr21")
    sampler = make_sampler(store, split=demo_split(store, valid, test), cells=("K562", "HepG2"), negatives=10)
    train, held = train_masks(store, valid, test), region_masks(store, valid)
    used = set()
    for plan, regions_of_split in (
        (sampler.epoch(1, 0), train),
        (sampler.epoch(1, 1), train),
        (sampler.validation(1), held),
    ):
        for c, start in zip(plan.chrom, plan.window_starts(LENGTH), strict=True):
            name = store.coordinates.names[c]
            assert regions_of_split[name][start : start + LENGTH].all()
            used.add(name)
    assert used == {"chr2", "chr7", "chr11", "chr1"}


def fields(plan):
    return [getattr(plan, k).tobytes() for k in ("cell", "chrom", "start", "jitter", "label")]


def test_epoch_depends_on_seed_and_number_alone(demo_store):
    store = open_store(demo_store)
    sampler, again = make_sampler(store), make_sampler(store)
    again.epoch(4, 9)
    assert fields(sampler.epoch(4, 2)) == fields(again.epoch(4, 2))
    negatives = [
        p.start[p.label[:, 0] == 0].tolist() for p in (sampler.epoch(4, 2), sampler.epoch(4, 3), sampler.epoch(5, 2))
    ]
    assert len({tuple(n) for n in negatives}) == 3
    assert fields(sampler.epoch(4, 2)) != fields(sampler.epoch(4, 3))


def test_validation_is_the_same_each_time_without_jitter(demo_store):
    sampler = make_sampler(open_store(demo_store), valid_cells=("HepG2",))
    plan = sampler.validation(4)
    assert plan.cells == ("HepG2",)
    assert fields(plan) == fields(sampler.validation(4))
    assert not plan.jitter.any()
    assert (plan.label == 0).sum() == 3 * plan.label.sum() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor": "NANOG"}, "K562 has no factor 'NANOG'; it has CTCF, MAX, REST"),
        ({"factor": "REST", "cells": ("GM12878",)}, "GM12878 has no factor 'REST'; it has CTCF, MAX, GABPA"),
        ({"cells": ("A549",)}, "no cell line 'A549'.*GM12878, HepG2, K562"),
    ],
)
def test_unknown_name_is_refused_with_the_known_ones(demo_store, changes, message):
    with pytest.raises(UsageError, match=message):
        make_sampler(open_store(demo_store), **changes)


def test_regions_without_positives_are_refused_by_name(demo_store):
    store = open_store(demo_store)
    split = demo_split(store, ("chr11:0-9000",), ("chr1",))  # a run of N
    with pytest.raises(UsageError, match=r"CTCF has no usable peak of cell line K562 in the validation regions"):
        make_sampler(store, split=split)


@pytest.mark.parametrize(
    ("valid", "test", "message"),
    [
        (("chr11:0-500000",), ("chr11:499999-600000",), "validation and test regions overlap, first at chr11:499999"),
        (
            ("chr2", "chr7", "chr11"),
            ("chr1", "chr21"),
            "validation and test regions leave nothing of the genome to train on",
        ),
    ],
)
def test_overlapping_or_exhaustive_split_is_refused(demo_store, valid, test, message):
    with pytest.raises(UsageError, match=message):
        demo_split(open_store(demo_store), valid, test)


def test_too_many_negatives_are_refused(demo_store):
    sampler = make_sampler(open_store(demo_store), negatives=500)
    with pytest.raises(UsageError, match=r"no room for \d+ negatives that do not overlap: \d+ bin starts"):
        sampler.epoch(1, 0)
