"""Positions of cuts, the 5' ends of reads, and their collection chromosome by chromosome in bounded memory."""

from __future__ import annotations

import errno
import tempfile
from collections import defaultdict
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from ...store.files.atomic_write import naming_file
from .files.bam_records import ReadBatch
from .read_filter import REVERSE

CutArray = NDArray[np.int32]
_MOST_BUFFERED = 32 << 20  # positions, 128 MB


def cut_positions(batch: ReadBatch, shift: tuple[int, int]) -> tuple[CutArray, NDArray[np.bool_]]:
    """Return the base of each read's 5' end, (n,) int32, and whether the read is on the reverse strand.

    Args:
        batch: mapped alignments.
        shift: bases added on the forward and on the reverse strand.
    """
    is_reverse = batch.flag & REVERSE != 0
    return np.where(is_reverse, batch.last + np.int32(shift[1]), batch.first + np.int32(shift[0])), is_reverse


class CutCollection:
    """Positions of cuts by key (cluster, chromosome, strand), in a temporary file beyond 128 MB.

    The file has no name, so that it is gone with the process, however that ends.

    Args:
        folder: on whose disk the file is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._buffered: dict[Hashable, list[CutArray]] = defaultdict(list)
        self._written: dict[Hashable, list[tuple[int, int]]] = defaultdict(list)  # first byte, positions
        self._n_buffered, self._at = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):  # of a full disk, which was told of
                self._file.close()

    def add(self, key: Hashable, positions: CutArray) -> None:
        """Add positions, (n,) int32.

        Raises:
            OSError: the temporary file cannot be written; the error names its folder.
        """
        if positions.size:
            self._buffered[key].append(positions)
            self._n_buffered += positions.size
        if self._n_buffered > _MOST_BUFFERED:
            self._write()

    def count(self, key: Hashable) -> int:
        """Return the number of positions of a key."""
        written = sum(n for _, n in self._written.get(key, []))
        return written + sum(part.size for part in self._buffered.get(key, []))

    def sorted(self, key: Hashable) -> CutArray:
        """Return all positions of a key, sorted.

        Raises:
            OSError: the temporary file cannot be read; the error names its folder.
        """
        parts = list(self._buffered.get(key, []))
        for at, n in self._written.get(key, []):
            assert self._file is not None
            with naming_file(self._folder):
                self._file.seek(at)
                part = np.frombuffer(self._file.read(4 * n), np.int32)
            if part.size != n:
                raise OSError(errno.EIO, "a temporary file was cut short", str(self._folder))
            parts.append(part)
        found = np.concatenate(parts) if parts else np.empty(0, np.int32)
        found.sort()
        return found

    def _write(self) -> None:
        with naming_file(self._folder):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed at the end of the block)
            self._file.seek(self._at)
            for key, parts in self._buffered.items():
                positions = np.concatenate(parts)
                self._file.write(positions.tobytes())
                self._written[key].append((self._at, positions.size))
                self._at += positions.nbytes
            self._file.flush()
        self._buffered.clear()
        self._n_buffered = 0


def count_runs(positions: CutArray) -> tuple[CutArray, CutArray, NDArray[np.int64]]:
    """Return the runs of neighbouring bases with equal counts, as first base, base past the last, and count.

    Args:
        positions: sorted, (n,).
    """
    first = (
        np.flatnonzero(np.concatenate([[True], positions[1:] != positions[:-1]]))
        if positions.size
        else np.empty(0, int)
    )
    bases, counts = positions[first], np.diff(np.append(first, positions.size))
    if not bases.size:
        return bases, bases, counts
    begins = np.concatenate([[True], (np.diff(bases) != 1) | (np.diff(counts) != 0)])
    rows = np.flatnonzero(begins)
    last = np.append(rows[1:], bases.size) - 1
    return bases[rows], bases[last] + 1, counts[rows]
