"""Hold arrays of a store in memory, so that windows are gathered in exact random order as from a raw store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..reader import Store
from ..spans import StoredArray, read_span
from .inputs import ANNOTATION, SEQUENCE, SIGNAL, ArrayKind, check_annotation, genome_path

_BLOCK = 16 * 1024 * 1024  # positions read at once while loading


@dataclass(frozen=True)
class RequiredArrays:
    """Arrays that a training cuts its windows from, by kind: path -> length in bases."""

    by_kind: dict[ArrayKind, dict[str, int]]

    @property
    def paths(self) -> dict[str, int]:
        """All arrays: path -> length in bases."""
        return {path: length for lengths in self.by_kind.values() for path, length in lengths.items()}

    @property
    def bytes(self) -> int:
        """Memory that the arrays take."""
        return sum(sum(lengths.values()) * kind.dtype.itemsize for kind, lengths in self.by_kind.items())


def required_arrays(
    store: Store, *, cells: Iterable[str], tracks: Iterable[str], gencode: bool, chroms: Iterable[str]
) -> RequiredArrays:
    """Return the arrays for windows of these cell lines, tracks and chromosomes; shared tracks count once.

    Raises:
        UsageError: a cell line or track does not exist, or the store has no annotation.
    """
    if gencode:
        check_annotation(store)
    cells, tracks = tuple(cells), tuple(tracks)
    by_kind: dict[ArrayKind, dict[str, int]] = {SEQUENCE: {}, ANNOTATION: {}, SIGNAL: {}}
    for chrom in chroms:
        length = store.coordinates.lengths[store.coordinates.index(chrom)]
        by_kind[SEQUENCE][genome_path(SEQUENCE, chrom)] = length
        if gencode:
            by_kind[ANNOTATION][genome_path(ANNOTATION, chrom)] = length
        signal = {store.track_path(cell, track, chrom) for cell in cells for track in tracks}
        by_kind[SIGNAL] |= dict.fromkeys(sorted(signal), length)
    return RequiredArrays(by_kind)


class InMemoryStore(Store):
    """A store with some of its arrays in the memory of this process; windows can be cut from those only."""

    def hold(self, required: RequiredArrays, *, on_bytes: Callable[[int], None] = lambda size: None) -> None:
        """Read arrays into memory.

        Args:
            required: the arrays.
            on_bytes: called with the size of each block that was read.

        Raises:
            StoreError: an array is missing or damaged.
        """
        for path, length in required.paths.items():
            stored = self.array(path)
            held = np.empty(length, stored.dtype)
            for start, block in read_blocks(stored, length):
                held[start : start + len(block)] = block
                on_bytes(block.nbytes)
            self._opened[path] = held

    @property
    def random_access(self) -> bool:
        """True: windows are cut from arrays in memory."""
        return True


def read_blocks(array: StoredArray, length: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an array block by block, checked: first position, and values.

    Raises:
        StoreError: a chunk is missing or damaged.
    """
    for start in range(0, length, _BLOCK):
        yield start, read_span(array, start, min(start + _BLOCK, length))


def load_in_memory(store: Store) -> InMemoryStore:
    """Return the same store, opened again so that it may hold arrays."""
    return InMemoryStore(store.path, store.info, dict(store.pins), store.cache)


def not_held(store: Store, path: str, memory: str) -> UsageError:
    """Return the error for windows of an array that was not loaded."""
    return UsageError(
        f"{store.location}/{path}: not among the arrays held in {memory}; hold all cell lines, tracks and chromosomes "
        "of the plan, and its annotation"
    )
