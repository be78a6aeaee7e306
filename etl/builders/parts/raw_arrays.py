"""Tasks that write the arrays of a raw store: values as they are, or codes and a table of values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....store.errors import StoreError
from ....store.format.memmap import raw_bytes, raw_file
from ....store.format.sharded import ShardedArray
from ....store.format.value_tables.coded_array import CODES, VALUES
from ....store.format.value_tables.table import ValueTable, find_table, takes_less
from ....store.format.zarr_json import DTYPES, read_zarr_json
from ....store.reader import Store, open_store
from ....store.spans import read_span
from ...publish.disk_space import describe_failure, failure_cure
from ...shards.tasks import ShardReport

_BLOCK_SIZE = 16 * 1024 * 1024
"""Bytes of values to hold in memory at once, approximately."""


def is_signal(node: dict[str, Any]) -> bool:
    """Return whether an array, given by its ``zarr.json``, may be kept as codes: it has a float32 value a position."""
    dimensions = node.get("dimension_names") or [""]
    return node["data_type"] == "float32" and str(dimensions[0]).startswith("position_")


@dataclass(frozen=True)
class _ReadArray:
    """Base class of tasks that read one array of a compressed store block by block.

    Attributes:
        source: folder of the compressed store.
        root: folder of the raw store being built.
        path: of the array in both.
        run: identifies the unpacking; its tasks in one process open the compressed store, and read its manifests, once.
    """

    source: Path
    root: Path
    path: str
    run: str

    def _node(self) -> dict[str, Any]:
        return read_zarr_json(self.source / self.path, "array")

    def _blocks(self, node: dict[str, Any]) -> Iterator[NDArray[Any]]:
        """Yield the values in order, whole chunks at a time."""
        rows, size, dtype = node["shape"][0], raw_bytes(node), np.dtype(DTYPES[node["data_type"]])
        array = _open_once(self.source, self.run).array(self.path)
        chunk = array.layout.chunk_rows if isinstance(array, ShardedArray) else 1
        step = max(1, _BLOCK_SIZE // (size // rows) // chunk) * chunk
        for start in range(0, rows, step):
            values = read_span(array, start, min(start + step, rows))
            yield np.ascontiguousarray(values, dtype)

    def _report(self, name: str, node: dict[str, Any], size: int, digest: str, key: str) -> ShardReport:
        chrom = self.path.rpartition("/")[2]
        return ShardReport(name, chrom, node["shape"][0], size, digest=digest, key=key)


@dataclass(frozen=True)
class FindValues(_ReadArray):
    """Find the distinct values of a signal; write their table where codes take less than the values.

    `WriteRaw` writes codes where there is a table. The report has its size, and 0 where there is none.
    """

    @property
    def key(self) -> str:
        """Return the path of the table."""
        return f"{self.path}/{VALUES}"

    def __call__(self) -> ShardReport:
        """Do the work.

        Raises:
            StoreError: a chunk is missing or damaged, or the disk is full.
        """
        node, size, digest = self._node(), 0, ""
        table = find_table(self._blocks(node)) if raw_bytes(node) else None
        if table is not None and takes_less(table, node["shape"][0]):
            size, digest = table.values.nbytes, _write(table_file(self.root / self.path), [table.values])
        return self._report(self.key, node, size, digest, self.key)


@dataclass(frozen=True)
class WriteRaw(_ReadArray):
    """Write an array as one file of its values, or of their codes where a table of them exists."""

    @property
    def key(self) -> str:
        """Return the path of the array."""
        return self.path

    def __call__(self) -> ShardReport:
        """Do the work; the digest in the report is the SHA-256 of the file, the name the path of the array in it.

        Raises:
            StoreError: a chunk is missing or damaged, or the disk is full.
        """
        node, table = self._node(), read_table_file(self.root / self.path)
        if table is not None:
            name, codes = f"{self.path}/{CODES}", map(table.encode, self._blocks(node))
            digest = _write(raw_file(self.root / name, node), codes)
            return self._report(name, node, code_bytes(node, table) + table.values.nbytes, digest, self.key)
        size, digest = raw_bytes(node), hashlib.sha256().hexdigest()
        if size:
            digest = _write(raw_file(self.root / self.path, node), self._blocks(node))
        return self._report(self.path, node, size, digest, self.key)


def code_bytes(node: dict[str, Any], table: ValueTable) -> int:
    """Return the size of the codes of an array, in bytes."""
    return int(node["shape"][0]) * table.dtype.itemsize


def table_file(folder: Path) -> Path:
    """Return the path of the file with the values of a signal in `folder`."""
    return folder / VALUES / "c" / "0"


def read_table_file(folder: Path) -> ValueTable | None:
    """Read the table that `FindValues` has written for the signal in `folder`; None if it has none."""
    try:
        return ValueTable(np.frombuffer(table_file(folder).read_bytes(), np.dtype("<f4")))
    except FileNotFoundError:
        return None


def close_source() -> None:
    """Close the compressed store that tasks in this process have opened."""
    _open_once.cache_clear()


def _write(file: Path, blocks: Iterable[NDArray[Any]]) -> str:
    """Write blocks of an array as a new file; return its SHA-256.

    Raises:
        StoreError: it cannot be written.
    """
    sha = hashlib.sha256()
    try:
        file.parent.mkdir(parents=True)
        with file.open("xb") as out:
            for block in blocks:
                content = block.data.cast("B")
                sha.update(content)
                out.write(content)
    except OSError as e:
        problem = f"cannot be written ({describe_failure(e, file)})"
        raise StoreError(file, problem, hint=f"{failure_cure(e)}; nothing was published") from e
    return sha.hexdigest()


@lru_cache(maxsize=1)
def _open_once(source: Path, run: str) -> Store:
    """Open the compressed store of an unpacking; with some thousand arrays its manifests have megabytes."""
    return open_store(source)
