"""Commands of stores that travel, for the tests: what they print, and whether two stores are equal."""

import json

import numpy as np

from factornet.cli import etl
from factornet.etl.verify.objects import verify_store
from factornet.store import Sampler, StreamSettings, WindowStream, open_store, parse_region, split_genome


def command(*arguments) -> int:
    return etl.main([str(a) for a in arguments])


def report(capsys, *arguments) -> dict:
    """What a command prints with --json."""
    capsys.readouterr()
    assert command(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *arguments) -> str:
    """The one line of an error."""
    capsys.readouterr()
    assert command(*arguments) == 2
    shown = capsys.readouterr().err.strip()
    assert len(shown.splitlines()) == 1, shown
    return shown


def digests(place) -> dict[str, str]:
    store = open_store(place)
    return {"genome": store.info.genome_manifest} | {c: store.cell(c).manifest for c in store.cells}


def batches(place) -> list[tuple[np.ndarray, ...]]:
    """What a training of one epoch sees."""
    store = open_store(place)
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    sampler = Sampler(store, cells=("HepG2", "K562"), factor="CTCF", split=split, window_length=200, negatives=1)
    plan = sampler.epoch(seed=420, epoch=0)
    stream = WindowStream(store, plan, StreamSettings(window_length=200, batch_size=64), seed=(420, 0))
    return [(b.codes.copy(), b.tracks.copy(), b.labels.copy()) for b in stream]


def assert_equal(place, demo_store) -> None:
    assert digests(place) == digests(demo_store)
    found, expected = batches(place), batches(demo_store)
    assert len(found) == len(expected) > 3
    for a, b in zip(found, expected, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not verify_store(place).findings
