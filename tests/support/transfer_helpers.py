"""Helpers to run copies of stores and compare their results."""

import json

import numpy as np

from factornet.cli import etl
from factornet.etl.verify.objects import verify_store
from factornet.store import Sampler, StreamSettings, WindowStream, open_store, parse_region, split_genome


def command(*arguments) -> int:
    """Run `factornet-etl`; return its exit status."""
    return etl.main([str(a) for a in arguments])


def report(capsys, *arguments) -> dict:
    """Run a command with --json; return what it prints."""
    capsys.readouterr()
    assert command(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *arguments) -> str:
    """Run a command that fails; return its error message, which must be one line."""
    capsys.readouterr()
    assert command(*arguments) == 2
    shown = capsys.readouterr().err.strip()
    assert len(shown.splitlines()) == 1, shown
    return shown


def digests(location) -> dict[str, str]:
    """Return the digest of the manifest of each group."""
    store = open_store(location)
    return {"genome": store.info.genome_manifest} | {c: store.cell(c).manifest for c in store.cells}


def batches(location) -> list[tuple[np.ndarray, ...]]:
    """Return the codes, tracks and labels of all batches of one epoch."""
    store = open_store(location)
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    sampler = Sampler(store, cells=("HepG2", "K562"), factor="CTCF", split=split, window_length=200, negatives=1)
    plan = sampler.epoch(seed=420, epoch=0)
    stream = WindowStream(store, plan, StreamSettings(window_length=200, batch_size=64), seed=(420, 0))
    return [(b.codes.copy(), b.tracks.copy(), b.labels.copy()) for b in stream]


def assert_equal(location, demo_store) -> None:
    """Assert that a store has the content of the demo store and no faults."""
    assert digests(location) == digests(demo_store)
    found, expected = batches(location), batches(demo_store)
    assert len(found) == len(expected) > 3
    for a, b in zip(found, expected, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not verify_store(location).findings
