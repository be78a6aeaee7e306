"""Damage a store at random, one fault at a time; check that `verify` and the readers of training find each fault.

    python tests/stress/damage_store.py --faults 1000

`tests/etl/verify/test_objects.py` runs a few faults. A fault is one flipped bit, or an object deleted, truncated, or
exchanged with another, in any object of the store. `verify` must name the object. Where training reads the object, the
reader must raise: all windows of all cell lines, with annotation and meta values, and the peaks and labels from which
windows are sampled.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, write_demo
from factornet.etl.verify.objects import verify_store
from factornet.store import Store, StoreError, open_store, read_span

KINDS = ("flipped", "flipped", "flipped", "deleted", "truncated", "swapped")


@dataclass
class Tally:
    """Counts of faults.

    Attributes:
        faults: kind -> number of faults.
        verified: number that `verify` named.
        readable: number in objects that training reads.
        raised: number of these at which reading raised.
        missed: descriptions of those that were not found.
    """

    faults: Counter[str] = field(default_factory=Counter)
    verified: int = 0
    readable: int = 0
    raised: int = 0
    missed: list[str] = field(default_factory=list)


def damage(store: Path, names: list[str], kind: str, rng: np.random.Generator) -> dict[str, bytes]:
    """Apply one fault; return the previous content of each object changed."""
    while True:
        name = names[int(rng.integers(len(names)))]
        content = (store / name).read_bytes()
        if kind == "deleted":
            (store / name).unlink()
        elif kind == "truncated" and content:
            (store / name).write_bytes(content[: int(rng.integers(len(content)))])
        elif kind == "flipped" and content:
            at, changed = int(rng.integers(len(content))), bytearray(content)
            changed[at] ^= 1 << int(rng.integers(8))
            (store / name).write_bytes(changed)
        elif kind == "swapped":
            other = names[int(rng.integers(len(names)))]
            other_content = (store / other).read_bytes()
            if other_content == content:
                continue
            (store / name).write_bytes(other_content)
            (store / other).write_bytes(content)
            return {name: content, other: other_content}
        else:
            continue
        return {name: content}


def read_as_training(path: Path) -> None:
    """Read everything that training on this store reads.

    Raises:
        StoreError: an object is missing or damaged.
    """
    store = open_store(path)
    store.blacklist()
    for chrom in store.coordinates.names:
        _read(store, f"genome/sequence/{chrom}")
        _read(store, f"genome/annotation/{chrom}")
    if sorted(store.cells) != ["GM12878", "HepG2", "K562"]:
        raise StoreError(path, "cell lines are missing")
    for cell in store.cells:
        store.meta(cell)
        info = store.cell(cell)
        for chrom in store.coordinates.names:
            _read(store, f"cells/{cell}/labels/{chrom}")
            for track in info.track_names:
                _read(store, store.track_path(cell, track, chrom))
        for factor in info.factors:
            store.peaks(cell, factor.name, "conservative")
            store.peaks(cell, factor.name, "relaxed")


def _read(store: Store, array: str) -> None:
    found = store.array(array)
    read_span(found, 0, found.shape[0])


class _Reads:
    """Which objects `read_as_training` cannot do without, found by removing one at a time."""

    def __init__(self, store: Path) -> None:
        self._store, self._known = store, dict[str, bool]()

    def need(self, name: str) -> bool:
        """Return whether reading the undamaged store fails without an object."""
        if name not in self._known:
            file = self._store / name
            aside = file.with_name(file.name + ".aside")
            file.rename(aside)
            try:
                read_as_training(self._store)
                self._known[name] = False
            except StoreError:
                self._known[name] = True
            finally:
                aside.rename(file)
        return self._known[name]


def damage_repeatedly(store: Path, faults: int, seed: int) -> Tally:
    """Apply faults one at a time, each undone before the next; return the counts."""
    rng, tally = np.random.default_rng(seed), Tally()
    names = sorted(str(p.relative_to(store)) for p in store.rglob("*") if p.is_file())
    reads = _Reads(store)
    assert verify_store(store).findings == ()
    for turn in range(faults):
        kind = KINDS[turn % len(KINDS)]
        before = damage(store, names, kind, rng)
        tally.faults[kind] += 1
        if before.keys() & {f.path for f in verify_store(store).findings}:
            tally.verified += 1
        else:
            tally.missed.append(f"verify: {kind} {sorted(before)}")
        try:
            read_as_training(store)
            raised = False
        except StoreError:
            raised = True
        for name, content in before.items():
            (store / name).write_bytes(content)
        if any(map(reads.need, before)):
            tally.readable += 1
            tally.raised += raised
            if not raised:
                tally.missed.append(f"training: {kind} {sorted(before)}")
    assert verify_store(store).findings == ()
    return tally


def main() -> None:
    """Build the demo store and damage it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        files = write_demo(Path(work) / "files").directory
        store = Path(work).resolve() / "s.zarr"
        inputs = GenomeInputs(
            files / "genome.fa",
            gtf=files / "annotation/genes.gtf.gz",
            cpg=files / "annotation/cpgIslandExt.txt.gz",
            blacklist=files / "annotation/blacklist.bed.gz",
            tracks={"Unique35": files / "tracks/Unique35.bw"},
        )
        build_genome(store, inputs, GenomeOptions(assembly="demo"), Resources(1))
        for cell in ("GM12878", "HepG2", "K562"):
            build_cell(store, files / "cells" / cell, CellOptions(), Resources(1))
        print(damage_repeatedly(store, options.faults, options.seed))


if __name__ == "__main__":
    main()
