"""Write a bigWig of any signal, entry by entry, and read it back before it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files.atomic_write import named_write_errors, not_read_back, replacing
from .bigwig_encoder import BigwigEncoder
from .bigwig_format import check_structure, check_zoom_levels, read_blocks
from .intervals import IntArray

Replace = Callable[[Path], AbstractContextManager[Path]]
"""How a file is replaced: `replacing`, or a context manager that does more, such as writing a sidecar file."""

_ENTRY = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("stop", "<u4"), ("value", "<f4")])


class BigwigFile:
    """An open bigWig that entries are appended to.

    Attributes:
        sha256: of the entries so far.
        covered: bases that have a value.
    """

    def __init__(self, encoder: BigwigEncoder) -> None:
        self._encoder, self.sha256, self.covered = encoder, hashlib.sha256(), 0

    def add(self, chroms: IntArray, starts: IntArray, stops: IntArray, values: NDArray[np.float32]) -> None:
        """Append entries, (n,) each: number of the chromosome in the file, bases ``start:stop``, value.

        Raises:
            ValueError: they are not sorted and disjoint, or a value is not finite (`BigwigEncoder.add`).
        """
        self.sha256.update(_pack(chroms, starts, stops, values))
        self.covered += int((stops - starts).sum())
        self._encoder.add(chroms, starts, stops, values)


@contextmanager
def open_bigwig_file(
    path: Path, lengths: Mapping[str, int], *, window: int, level: int = 6, replace: Replace = replacing
) -> Iterator[BigwigFile]:
    """Open a bigWig, which appears, whole, when the ``with`` block ends without an error.

    Args:
        path: of the file.
        lengths: chromosome -> bases; numbers of chromosomes are in this order, from 0.
        window: bases of the first zoom level's windows.
        level: of zlib's compression, 1 (fast) to 9.
        replace: how the file is replaced.

    Raises:
        InputError: it cannot be written, or what is read back is not what was written.
    """
    with named_write_errors(path), replace(path) as part:
        with part.open("wb") as file:
            encoder = BigwigEncoder(file, lengths, window=window, level=level)
            written = BigwigFile(encoder)
            yield written
            encoder.finish()
        _read_back(part, path, written, lengths)


def _read_back(part: Path, path: Path, written: BigwigFile, lengths: Mapping[str, int]) -> None:
    """Compare the entries of a file with those that were added, and its zoom levels with their number of bases."""
    sha256 = hashlib.sha256()
    try:
        check_structure(part)
        for number, (name, length) in enumerate(lengths.items()):
            for block in read_blocks(part, name, 0, length):
                sha256.update(_pack(np.full(block.starts.size, number), block.starts, block.stops, block.values))
        check_zoom_levels(part, written.covered)
    except (InputError, KeyError) as error:
        raise not_read_back(path, f" ({error.problem if isinstance(error, InputError) else error})") from error
    if sha256.digest() != written.sha256.digest():
        raise not_read_back(path)


def _pack(chrom: Any, starts: Any, stops: Any, values: NDArray[np.float32]) -> bytes:
    entries = np.empty(values.size, _ENTRY)
    for name, column in zip(("chrom", "start", "stop", "value"), (chrom, starts, stops, values), strict=True):
        entries[name] = column
    return entries.tobytes()
