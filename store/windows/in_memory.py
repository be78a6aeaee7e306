"""A store whose arrays are held in memory: windows are then gathered in exact random order, as from a raw store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..reader import Store, StoredArray, read_span

_BLOCK = 16 * 1024 * 1024  # positions read at once while loading


@dataclass(frozen=True)
class RequiredArrays:
    """Arrays that a training takes its windows from, by path, with their lengths in positions and bytes."""

    paths: dict[str, int]
    bytes: int


def required_arrays(
    store: Store, *, cells: Iterable[str], tracks: Iterable[str], gencode: bool, chroms: Iterable[str]
) -> RequiredArrays:
    """What to hold to cut windows of these cell lines and tracks from these chromosomes; shared tracks count once."""
    tracks, size = tuple(tracks), 0
    paths: dict[str, int] = {}
    cells = tuple(cells)
    for chrom in chroms:
        length = store.coordinates.lengths[store.coordinates.index(chrom)]
        codes = [f"genome/sequence/{chrom}"] + [f"genome/annotation/{chrom}"] * gencode
        signal = {store.track_path(cell, track, chrom) for cell in cells for track in tracks}
        paths |= dict.fromkeys([*codes, *sorted(signal)], length)
        size += length * (len(codes) + 4 * len(signal))
    return RequiredArrays(paths, size)


class InMemoryStore(Store):
    """A store with some of its arrays in the memory of this process; the others are read as ever.

    Raises:
        StoreError: an array is missing or damaged.
    """

    def hold(self, needs: RequiredArrays, *, on_bytes: Callable[[int], None] = lambda size: None) -> None:
        """Read these arrays into memory."""
        for path, length in needs.paths.items():
            source = self.array(path)
            held = np.empty(length, source.dtype)
            for start, block in read_blocks(source, length):
                held[start : start + len(block)] = block
                on_bytes(block.nbytes)
            self._opened[path] = held

    @property
    def random_access(self) -> bool:
        """Windows are cut from arrays that lie in memory."""
        return True


def read_blocks(array: StoredArray, length: int) -> Iterator[tuple[int, np.ndarray]]:
    """An array piece by piece, checked: first position, and values."""
    for start in range(0, length, _BLOCK):
        yield start, read_span(array, start, min(start + _BLOCK, length))


def load_in_memory(store: Store) -> InMemoryStore:
    """The same store, opened anew so that it may hold arrays."""
    return InMemoryStore(store.path, store.info, dict(store.pins), store.cache)
