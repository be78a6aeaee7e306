"""Multi-task sampling, compared with FactorNet's recipe in bedtools on the demo and on real peaks."""

import gzip
import subprocess

import numpy as np
import pytest
from scipy.stats import chisquare

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.store import Sampler, UsageError, open_store, parse_region, split_genome
from factornet.store.genome import intervals
from factornet.store.genome.intervals import Intervals
from factornet.store.sampling.candidates import BIN_JITTER, positives_of_bins
from factornet.store.sampling.splits import widened_blacklist

BIN, LENGTH = 200, 1000


def bedtools(*arguments, stdin=None):
    words = ["bedtools", *map(str, arguments)]
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=True).stdout


def chip_rows(cell_folder):
    """Return the conservative file, factor and relaxed file (or None) of each row of chip.txt."""
    rows = [line.split() for line in (cell_folder / "chip.txt").read_text().splitlines() if line.strip()]
    return [(cell_folder / r[0], r[1], cell_folder / r[2] if len(r) > 2 else None) for r in rows]


class Recipe:
    """FactorNet's recipe by bedtools, on the input files."""

    def __init__(self, store, blacklist_file, work):
        self.coordinates, self.work = store.coordinates, work
        self.sizes = work / "sizes.txt"
        pairs = sorted(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
        self.sizes.write_text("".join(f"{n}\t{s}\n" for n, s in pairs))
        self.blacklist_file = blacklist_file

    def sorted_bed(self, path):
        """Return chrom, start, stop of a peak or BED file on the store's chromosomes, sorted."""
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
        rows = [line.split("\t")[:3] for line in text.splitlines() if line.split("\t")[0] in self.coordinates.names]
        return bedtools("sort", "-i", "-", stdin="".join("\t".join(r) + "\n" for r in rows))

    def save(self, name, text):
        (self.work / name).write_text(text)
        return self.work / name

    def merged(self, *texts):
        return bedtools("merge", "-i", "-", stdin=bedtools("sort", "-i", "-", stdin="".join(texts)))

    def blacklist(self, length=LENGTH):
        pairs = list(zip(self.coordinates.names, self.coordinates.lengths, strict=True))
        ends = "".join(f"{n}\t0\t{length}\n{n}\t{s - length}\t{s}\n" for n, s in pairs)
        slopped = bedtools(
            "slop", "-g", self.sizes, "-b", length, "-i", "-", stdin=self.sorted_bed(self.blacklist_file)
        )
        return self.merged(slopped, ends)

    def allowed(self, avoided):
        """Return where a negative may lie: outside peaks widened by 200, and the blacklist."""
        slopped = bedtools("slop", "-g", self.sizes, "-b", BIN, "-i", "-", stdin=avoided)
        return bedtools("complement", "-i", "-", "-g", self.sizes, stdin=self.merged(slopped, self.blacklist()))

    def positive_bins(self, factors):
        """Return the bins with 101 bases in the merged peaks, outside the blacklist, and the labels of each."""
        merged = self.merged(*factors) if len(factors) > 1 else factors[0]
        windows = bedtools("makewindows", "-g", self.sizes, "-w", BIN, "-s", 50)
        whole = "".join(f"{a}\n" for a in windows.splitlines() if int(a.split("\t")[2]) - int(a.split("\t")[1]) == BIN)
        peaks, black = self.save("merged.bed", merged), self.save("black.bed", self.blacklist())
        bins = bedtools("intersect", "-u", "-f", 0.505, "-a", "-", "-b", peaks, stdin=whole)
        bins = bedtools("intersect", "-v", "-a", "-", "-b", black, stdin=bins)
        columns = []
        for factor in factors:
            peaks = self.save("factor.bed", factor)
            count = bedtools("intersect", "-c", "-f", 0.505, "-a", "-", "-b", peaks, stdin=bins)
            columns.append([int(line.rpartition("\t")[2]) > 0 for line in count.splitlines()])
        return bins, np.array(columns).T

    def intervals(self, text):
        rows = [line.split("\t") for line in text.splitlines()]
        chrom = np.array([self.coordinates.index(r[0]) for r in rows], int)
        return Intervals(
            *(self.coordinates.to_absolute(chrom, np.array([int(r[k]) for r in rows], int)) for k in (1, 2))
        )


def assert_same(actual, expected):
    np.testing.assert_array_equal(actual.starts, expected.starts)
    np.testing.assert_array_equal(actual.stops, expected.stops)


def check_multitask(store, cell, folder, recipe):
    files = {name: path for path, name, _ in chip_rows(folder)}
    names = store.cell(cell).factor_names
    assert sorted(names) == sorted(files)
    peaks = [recipe.sorted_bed(files[n]) for n in names]
    bins, labels = recipe.positive_bins(peaks)
    store_peaks = [store.peaks(cell, n, "conservative").to_intervals(store.coordinates) for n in names]
    positives = positives_of_bins(store_peaks, widened_blacklist(store, LENGTH), store.coordinates)
    expected = recipe.intervals(bins).starts
    order = np.argsort(expected)
    np.testing.assert_array_equal(positives.start, expected[order])
    np.testing.assert_array_equal(positives.label, labels[order])
    avoided = intervals.union(
        store.coordinates.widen(intervals.union(*store_peaks), BIN), widened_blacklist(store, LENGTH)
    )
    assert_same(
        intervals.subtract(store.coordinates.whole, avoided),
        intervals.merge(recipe.intervals(recipe.allowed("".join(peaks)))),
    )
    return positives


def demo_sampler(store, **changes):
    split = split_genome(
        store.coordinates,
        valid=[parse_region("chr11", store.coordinates)],
        test=[parse_region("chr1", store.coordinates)],
    )
    return Sampler(store, **({"cells": ("K562",), "split": split, "window_length": LENGTH} | changes))


@pytest.mark.parametrize("cell", ["GM12878", "HepG2", "K562"])
def test_bins_and_labels_equal_bedtools(demo_store, demo_files, tmp_path, cell):
    store = open_store(demo_store)
    recipe = Recipe(store, demo_files / "annotation/blacklist.bed.gz", tmp_path)
    positives = check_multitask(store, cell, demo_files / "cells" / cell, recipe)
    assert len(positives) > 1000
    assert positives.label.any(0).all()


def test_peaks_of_one_factor_are_not_merged():
    """Two peaks of one factor side by side: 101 bases in both merged are not 101 in one."""
    coordinates = intervals.GenomeCoordinates(("chr1",), (10_000,))
    pair = Intervals(np.array([5000, 5060]), np.array([5060, 5160]))
    nothing = Intervals(np.array([], int), np.array([], int))
    assert len(positives_of_bins([pair], nothing, coordinates)) == 0
    two = positives_of_bins([pair, nothing], nothing, coordinates)
    assert two.start.tolist() == [4950, 5000, 5050]
    assert not two.label.any()


def test_bins_stop_at_the_ends_of_chromosomes():
    coordinates = intervals.GenomeCoordinates(("chr1", "chr2"), (1030, 500))
    whole = coordinates.whole
    nothing = Intervals(np.array([], int), np.array([], int))
    chrom, start = coordinates.from_absolute(positives_of_bins([whole], nothing, coordinates).start)
    assert start[chrom == 0].tolist() == list(range(0, 831, 50))
    assert start[chrom == 1].tolist() == list(range(0, 301, 50))


def test_epoch_has_all_positives_and_as_many_negatives_in_the_training_regions(demo_store):
    store = open_store(demo_store)
    sampler = demo_sampler(store)
    assert sampler.tasks == store.cell("K562").factor_names
    plan, again = sampler.epoch(3, 0), demo_sampler(store).epoch(3, 0)
    n = sampler.positives_per_epoch[0]
    assert len(plan) == 2 * n
    assert plan.label.shape == (2 * n, len(sampler.tasks))
    assert not plan.label[n:].any()
    for field in ("chrom", "start", "jitter", "label"):
        np.testing.assert_array_equal(getattr(plan, field), getattr(again, field))
    candidates = sampler.train_positives[0]
    at = store.coordinates.to_absolute(plan.chrom, plan.start)
    assert intervals.contains(candidates.negative_regions, Intervals(at[n:], at[n:] + BIN)).all()
    window = store.coordinates.to_absolute(plan.chrom, plan.window_starts(LENGTH))
    assert intervals.contains(sampler.split.train, Intervals(window, window + LENGTH)).all()
    assert (sampler.epoch(3, 1).start[n:] != plan.start[n:]).mean() > 0.99


def test_jitter_is_uniform_for_positives_and_negatives_in_training_and_validation(demo_store):
    sampler = demo_sampler(open_store(demo_store))
    plans = [sampler.epoch(5, e) for e in range(6)] + [sampler.validation(s) for s in range(30)]
    for negative in (False, True):
        for part in (plans[:6], plans[6:]):
            half = [np.arange(len(p)) >= len(p) // 2 for p in part]
            jitter = np.concatenate([p.jitter[h == negative] for p, h in zip(part, half, strict=True)])
            assert jitter.size > 5000
            counts = np.bincount(jitter + BIN_JITTER, minlength=2 * BIN_JITTER + 1)
            assert counts.size == 2 * BIN_JITTER + 1
            assert chisquare(counts).pvalue > 1e-3


def test_negatives_are_uniform_with_replacement(demo_store):
    sampler = demo_sampler(open_store(demo_store))
    allowed, n = sampler.train_positives[0].negative_starts, sampler.positives_per_epoch[0]
    at = [sampler.store.coordinates.to_absolute(p.chrom, p.start)[n:] for p in (sampler.epoch(5, e) for e in range(6))]
    assert any((np.diff(np.sort(a)) < BIN).any() for a in at), "with replacement, some overlap"
    starts = np.concatenate(at)
    which = np.searchsorted(allowed.starts, starts, side="right") - 1
    ends = np.cumsum(allowed.stops - allowed.starts)
    rank = ends[which] - (allowed.stops[which] - starts)
    assert chisquare(np.histogram(rank, 50, (0, ends[-1]))[0]).pvalue > 1e-3


def test_several_cell_lines_without_a_factor_are_refused(demo_store):
    with pytest.raises(UsageError, match=r"2 cell lines were given.*K562, HepG2"):
        demo_sampler(open_store(demo_store), cells=("K562", "HepG2"))


def test_validation_cell_line_lacking_a_factor_is_refused(demo_store):
    with pytest.raises(UsageError, match="GM12878 has no factor 'REST'"):
        demo_sampler(open_store(demo_store), valid_cells=("GM12878",))


@pytest.fixture(scope="module")
def real_store(realdata, tmp_path_factory):
    """Store of real peaks, blacklist and lengths; sampling reads of the sequence only its runs of N, so it is all A."""
    work = tmp_path_factory.mktemp("real")
    (work / "chr20.fa").write_text(">chr20\n" + ("A" * 60 + "\n") * (63025520 // 60) + "A" * (63025520 % 60) + "\n")
    inputs = GenomeInputs(work / "chr20.fa", blacklist=realdata / "annotation/blacklist.bed.gz")
    build_genome(work / "real.zarr", inputs, GenomeOptions(assembly="hg19"), Resources(1))
    for cell in ("GM12878", "HeLa-S3", "K562"):
        build_cell(work / "real.zarr", realdata / "cells" / cell, CellOptions(), Resources(1))
    return open_store(work / "real.zarr")


@pytest.mark.realdata
@pytest.mark.parametrize("cell", ["K562", *(pytest.param(c, marks=pytest.mark.slow) for c in ("GM12878", "HeLa-S3"))])
def test_real_bins_and_labels_equal_bedtools(real_store, realdata, tmp_path, cell):
    recipe = Recipe(real_store, realdata / "annotation/blacklist.bed.gz", tmp_path)
    positives = check_multitask(real_store, cell, realdata / "cells" / cell, recipe)
    assert len(positives) > 10_000


@pytest.mark.realdata
@pytest.mark.parametrize("cell", ["K562", *(pytest.param(c, marks=pytest.mark.slow) for c in ("GM12878", "HeLa-S3"))])
def test_real_positives_and_negative_regions_equal_bedtools(real_store, realdata, tmp_path, cell):
    recipe = Recipe(real_store, realdata / "annotation/blacklist.bed.gz", tmp_path)
    valid = [parse_region("chr20:40000000-45000000", real_store.coordinates)]
    split = split_genome(real_store.coordinates, valid=valid, test=[])
    black = recipe.save("black.bed", recipe.blacklist())
    for path, factor, relaxed in chip_rows(realdata / "cells" / cell):
        sampler = Sampler(real_store, cells=(cell,), factor=factor, split=split, window_length=LENGTH)
        usable = bedtools("intersect", "-v", "-a", "-", "-b", black, stdin=recipe.sorted_bed(path))
        allowed = recipe.intervals(recipe.allowed(recipe.sorted_bed(relaxed) if relaxed else usable))
        for found, regions in ((sampler.train_positives[0], split.train), (sampler.valid_positives[0], split.valid)):
            assert len(found.positives) == count_inside(usable, regions)
            assert_same(found.negative_regions, intervals.intersect(intervals.merge(allowed), regions))


def count_inside(peaks, regions):
    """Count, one by one, the peaks whose window at the largest jitter either way lies in one interval of `regions`."""
    count = 0
    for line in peaks.splitlines():
        start, stop = map(int, line.split("\t")[1:3])
        middle = (start + stop) // 2
        jitter = stop - (middle - 100) - 75 - 1
        low, high = middle - LENGTH // 2 - jitter, middle + LENGTH // 2 + jitter
        count += any(a <= low and high <= b for a, b in zip(*regions, strict=True))
    return count
