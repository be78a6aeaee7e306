"""Files of k-mers with copies: one of each pass, sorted by position, 4 bytes a k-mer.

The packed sequence is divided into regions of 2^30 positions. A k-mer is its position in its region and the number of
its copies less 2 (3 stands for all beyond 4), ``position << 2 | copies - 2``; at the end of the file is the index of
the first k-mer of each region, and of the end, uint64 (regions + 1,). Numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...store.files.atomic_write import naming_file

_REGION_BITS = 30
_WINDOW = 1 << 20  # bases; many runs of few bases take 200 bytes each
_BLOCK = 1 << 16  # k-mers that are read or written at once


class RepeatsWriter:
    """Writes a file of k-mers with copies.

    Args:
        file: open for writing.
        size: bases of the packed sequence.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._by_region = file, np.zeros(_n_regions(size), np.int64)

    def add(self, codes: NDArray[np.uint64]) -> None:
        """Append k-mers: position in the packed sequence, copies less 2; sorted, and after those before."""
        bounds = np.arange(self._by_region.size + 1, dtype=np.uint64) << np.uint64(_REGION_BITS + 2)
        self._by_region += np.diff(np.searchsorted(codes, bounds))
        for at in range(0, codes.size, _BLOCK):  # in blocks, for a pass may fill half of a worker's memory
            self._file.write(codes[at : at + _BLOCK].astype("<u4").tobytes())  # the lower 32 bits

    def finish(self) -> None:
        """Write the index."""
        self._file.write(np.concatenate([[0], np.cumsum(self._by_region)]).astype("<u8").tobytes())


@contextmanager
def repeats_file(path: Path, size: int) -> Iterator[RepeatsWriter]:
    """Open a file of k-mers with copies for writing.

    Args:
        path: of the file.
        size: bases of the packed sequence.
    """
    with naming_file(path), path.open("wb") as file:
        writer = RepeatsWriter(file, size)
        yield writer
        writer.finish()


def read_copies(paths: Sequence[Path], size: int, *, window: int = _WINDOW) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield for each window of the packed sequence its first base, and the copies of the k-mers that begin in it.

    Copies are 1 to 4, and 5 for more; 1 where no k-mer begins, at the ends of segments. Files are read in order, block
    by block: mapped, all that was read would count as memory of the process.

    Args:
        paths: of the files of all passes.
        size: bases of the packed sequence.
        window: bases; a power of 2.
    """
    with ExitStack() as stack:
        files = [_RepeatsReader(stack.enter_context(path.open("rb")), _n_regions(size)) for path in paths]
        for start in range(0, size, window):
            stop, region = min(start + window, size), start >> _REGION_BITS
            origin, found = region << _REGION_BITS, np.ones(stop - start, np.uint8)
            for file in files:
                for codes in file.take(region, stop - origin):
                    found[(codes >> 2).astype(np.int64) - (start - origin)] = (codes & 3) + 2
            yield start, found


class _RepeatsReader:
    """Reads a file of k-mers with copies from its beginning to its end."""

    def __init__(self, file: BinaryIO, n_regions: int) -> None:
        end = file.seek(-8 * (n_regions + 1), SEEK_END)
        self._index = np.frombuffer(file.read(), "<u8").tolist()
        if self._index[-1] * 4 != end:
            raise ValueError(f"{file.name}: {end} bytes of k-mers, the index has {self._index[-1]}")
        file.seek(0)
        self._file, self._done, self._codes = file, 0, np.empty(0, np.uint32)

    def take(self, region: int, stop: int) -> Iterator[NDArray[np.uint32]]:
        """Yield the codes before a position of a region that were not yet taken."""
        while True:
            if not self._codes.size:
                n = min(_BLOCK, self._index[region + 1] - self._done)
                if n == 0:
                    return
                self._codes, self._done = np.frombuffer(self._file.read(4 * n), "<u4"), self._done + n
            last = self._codes.size
            if stop >> _REGION_BITS == 0:
                last = int(np.searchsorted(self._codes, np.uint32(stop << 2)))
            yield self._codes[:last]
            self._codes = self._codes[last:]
            if self._codes.size:
                return


def _n_regions(size: int) -> int:
    return (size >> _REGION_BITS) + 1
