"""Hold arrays of a store in memory, so that windows are gathered in exact random order as from a raw store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import UsageError
from ..format.value_tables.coded_array import CodedArray
from ..format.value_tables.table import ValueTable, find_table, takes_less
from ..reader import Store
from ..spans import StoredArray, array_location, read_span
from .inputs import ANNOTATION, SEQUENCE, SIGNAL, ArrayKind, check_annotation, genome_path

_BLOCK = 16 * 1024 * 1024  # positions read at once while loading


@dataclass(frozen=True)
class RequiredArrays:
    """Arrays that a training cuts its windows from.

    Attributes:
        by_kind: kind -> path -> length in bases.
        tables: path -> table, of the signal that is held as codes; see `find_tables`.
    """

    by_kind: dict[ArrayKind, dict[str, int]]
    tables: dict[str, ValueTable] = field(default_factory=dict)

    @property
    def paths(self) -> dict[str, int]:
        """All arrays: path -> length in bases."""
        return {path: length for lengths in self.by_kind.values() for path, length in lengths.items()}

    @property
    def bytes(self) -> int:
        """Memory that the arrays take, without the tables: float32 signal has one in `tables`, or takes 4 bytes."""
        return sum(
            length * (self.tables[path].dtype if path in self.tables else kind.dtype).itemsize
            for kind, lengths in self.by_kind.items()
            for path, length in lengths.items()
        )

    @property
    def least_bytes(self) -> int:
        """Memory that they would take if all signal were held as uint8 codes."""
        return sum(sum(lengths.values()) for lengths in self.by_kind.values())


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
            required: the arrays; signal that has a table is held as codes.
            on_bytes: called with the size of each block that was read.

        Raises:
            StoreError: an array is missing or damaged.
        """
        for path, length in required.paths.items():
            stored, table = self.array(path), required.tables.get(path)
            held = np.empty(length, stored.dtype if table is None else table.dtype)
            for start, block in blocks_to_hold(stored, length, table):
                held[start : start + len(block)] = block
                on_bytes(block.nbytes)
            self._opened[path] = held if table is None else CodedArray(held, table, location=array_location(stored))

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


def find_tables(
    store: Store, required: RequiredArrays, *, on_bytes: Callable[[int], None] = lambda size: None
) -> RequiredArrays:
    """Return the same arrays with tables of all signal that can be held as codes.

    A raw store has most tables; other signal is read, until it has too many values.

    Args:
        store: an open store.
        required: the arrays.
        on_bytes: called with the size of each block that was read.

    Raises:
        StoreError: an array is missing or damaged.
    """

    def blocks(array: StoredArray, length: int) -> Iterator[np.ndarray]:
        for _, block in read_blocks(array, length):
            on_bytes(block.nbytes)
            yield block

    tables = {}
    for path, length in required.by_kind[SIGNAL].items():
        array = store.array(path)
        table = array.table if isinstance(array, CodedArray) else find_table(blocks(array, length))
        if table is not None and takes_less(table, length):
            tables[path] = table
    return replace(required, tables=tables)


def blocks_to_hold(array: StoredArray, length: int, table: ValueTable | None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield an array as it is held, block by block: first position, and values, or their codes in a table.

    Raises:
        StoreError: a chunk is missing or damaged.
    """
    if table is not None and isinstance(array, CodedArray):
        array, table = array.codes, None
    for start, block in read_blocks(array, length):
        yield start, block if table is None else table.encode(block)


def load_in_memory(store: Store) -> InMemoryStore:
    """Return the same store, opened again so that it may hold arrays."""
    return InMemoryStore(store.path, store.info, dict(store.pins), store.cache)


def not_held(store: Store, path: str, memory: str) -> UsageError:
    """Return the error for windows of an array that was not loaded."""
    return UsageError(
        f"{store.location}/{path}: not among the arrays held in {memory}; hold all cell lines, tracks and chromosomes "
        "of the plan, and its annotation"
    )
