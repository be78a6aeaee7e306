"""No window of training touches a run of N; with a blacklist that covers these, the windows are those of before."""

import gzip
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from factornet.cli.etl.parser import main
from factornet.store import Sampler, Store, open_store, parse_region, split_genome
from factornet.store.genome.intervals import Intervals

FIELDS = ("cell", "chrom", "start", "jitter", "label")


@pytest.fixture
def without_record(monkeypatch):
    """Have stores read as those that were built before runs of N were recorded."""

    def forget():
        empty = np.array([], np.int64)
        monkeypatch.setattr(Store, "assembly_gaps", lambda self: Intervals(empty, empty))

    return forget


def sampler(store, *, factor="CTCF", window_length=1000, valid="chr11", test="chr1"):
    split = split_genome(
        store.coordinates,
        valid=[parse_region(valid, store.coordinates)],
        test=[parse_region(test, store.coordinates)],
    )
    return Sampler(store, cells=("K562",), factor=factor, split=split, window_length=window_length, negatives=5)


@cache
def bases_in_gaps(location, name):
    """Return how many of the first 0, 1, 2... bases of a chromosome are in a run of at least 200 N."""
    codes = open_store(location).sequence(name)[:]
    n = np.zeros(len(codes) + 1, np.int64)
    for run in re.finditer(b"\x01{200,}", (codes == 4).astype(np.uint8).tobytes()):
        n[run.start() + 1 : run.end() + 1] = 1
    return np.cumsum(n)


def windows_with_n(store, plan, window_length):
    """Return how many windows of a plan hold a base of a run of at least 200 N, by counting."""
    touched = 0
    starts = plan.window_starts(window_length)
    for c, name in enumerate(store.coordinates.names):
        total = bases_in_gaps(store.location, name)
        first = starts[plan.chrom == c]
        low, high = (np.clip(edge, 0, total.size - 1) for edge in (first, first + window_length))
        touched += int((total[high] > total[low]).sum())
    return touched


@pytest.mark.parametrize("window_length", [1000, 1002, 501, 200])
@pytest.mark.parametrize("factor", ["CTCF", None])
def test_no_window_touches_a_run_of_n(demo_store, without_record, factor, window_length):
    store = open_store(demo_store)
    found = sampler(store, factor=factor, window_length=window_length)
    plans = [*(found.epoch(3, e) for e in range(4)), found.validation(3)]
    assert sum(windows_with_n(store, p, window_length) for p in plans) == 0
    without_record()
    before = sampler(store, factor=factor, window_length=window_length)
    plans = [before.epoch(3, e) for e in range(4)]
    assert sum(windows_with_n(store, p, window_length) for p in plans) > 0
    n_before, n_now = (sum(s.positives_per_epoch) for s in (before, found))
    assert n_before - n_now == sum(p.at_gaps for p in found.train_positives)


@pytest.mark.parametrize("window_length", [1000, 1002, 501, 200])
@pytest.mark.parametrize("factor", ["CTCF", "MAX", None])
def test_blacklist_that_covers_the_gaps_gives_the_plans_of_before(
    demo_store, monkeypatch, without_record, factor, window_length
):
    store = open_store(demo_store)
    gaps, blacklist = store.assembly_gaps(), store.blacklist()
    both = Intervals(np.concatenate([gaps.starts, blacklist.starts]), np.concatenate([gaps.stops, blacklist.stops]))
    order = np.argsort(both.starts)
    covering = Intervals(both.starts[order], both.stops[order])
    monkeypatch.setattr(Store, "blacklist", lambda self: covering)

    def plans():
        found = sampler(store, factor=factor, window_length=window_length)
        assert sum(p.at_gaps for p in found.train_positives + found.valid_positives) == 0
        return [found.epoch(5, 0), found.epoch(5, 1), found.validation(5)]

    now = plans()
    without_record()
    for plan, before in zip(now, plans(), strict=True):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(plan, field), getattr(before, field))


def chr20_fasta(folder: Path) -> Path:
    """Return the FASTA of chr20; as docs/real.sh, from CHR20_FASTA or Debian's package vt-examples."""
    if "CHR20_FASTA" in os.environ:
        return Path(os.environ["CHR20_FASTA"])
    got = subprocess.run(
        "apt-get -qq download vt-examples && dpkg-deb -x vt-examples_*.deb vt", shell=True, cwd=folder, check=False
    )
    fasta = folder / "vt/usr/share/doc/vt/examples/ref/20.fa.gz"
    if got.returncode or not fasta.exists():
        pytest.skip("no sequence; it is in Debian's package vt-examples, or set CHR20_FASTA")
    return fasta


@pytest.mark.realdata
@pytest.mark.slow
def test_chr20_with_encodes_and_with_factornets_blacklist(realdata, tmp_path, without_record):
    fasta = chr20_fasta(tmp_path)
    options = {"valid": "chr20:40000000-45000000", "test": "chr20:58000000-63025520"}
    stores = {}
    for name in ("wgEncodeDacMapabilityConsensusExcludable", "blacklist"):
        bed = realdata / f"annotation/{name}.bed.gz"
        assert "chr20\t" in gzip.decompress(bed.read_bytes()).decode()
        path = tmp_path / f"{name}.zarr"
        chr20 = ["--chrom-alias", "20=chr20", "-p", "1"]
        assert main(["genome", str(path), "--fasta", str(fasta), "--blacklist", str(bed), *chr20]) == 0
        assert main(["build", str(path), str(realdata / "cells/K562"), "-p", "1"]) == 0
        stores[name] = open_store(path)
    encode, factornet = stores.values()
    found, drawn, n_windows = sampler(encode, **options), 0, 0
    while n_windows < 100_000:
        plan = found.epoch(1, drawn)
        assert windows_with_n(encode, plan, 1000) == 0
        drawn, n_windows = drawn + 1, n_windows + len(plan)
    now = [sampler(factornet, factor=f, **options).epoch(1, 0) for f in ("CTCF", None)]
    without_record()
    for plan, factor in zip(now, ("CTCF", None), strict=True):
        before = sampler(factornet, factor=factor, **options).epoch(1, 0)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(plan, field), getattr(before, field))
    assert windows_with_n(encode, sampler(encode, **options).epoch(1, 0), 1000) > 100
