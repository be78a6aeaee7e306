"""Write scores piecewise as FactorNet's bedGraph, gzipped or not."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.files.atomic_write import named_write_errors, not_read_back, replacing
from ...store.files.digest import sha256_of
from ...store.genome.bigwig_file import Replace
from ...store.genome.intervals import GenomeCoordinates
from .bins import Bins
from .output_names import score_format

_LINES = 65536  # bins formatted at once


class ScoreWriter(Protocol):
    """An open file that scores are appended to.

    The functions of this module that open one are context managers: the file appears, whole, when the ``with`` block
    ends without an error.
    """

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        """Append a score, (n,), for each of n bins."""


class _BedgraphWriter:
    def __init__(self, file: IO[bytes], coordinates: GenomeCoordinates) -> None:
        self._file, self._names = file, coordinates.names
        self.sha256 = hashlib.sha256()

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        for i in range(0, len(bins), _LINES):
            lines = slice(i, i + _LINES)
            columns = (bins.chrom, bins.start, bins.stop, scores)
            rows = zip(*(column[lines].tolist() for column in columns), strict=True)
            text = "".join(f"{self._names[c]}\t{a}\t{b}\t{s:.3e}\n" for c, a, b, s in rows).encode()
            self.sha256.update(text)
            self._file.write(text)


class _RawScoreWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        self._file.write(scores.astype("<f4").tobytes())


@contextmanager
def open_bedgraph(
    path: Path, coordinates: GenomeCoordinates, *, gzipped: bool, replace: Replace = replacing
) -> Iterator[ScoreWriter]:
    """Open a bedGraph: ``chrom start stop score`` with tabs and ``%.3e``, in the order of the bins.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        gzipped: compress it.
        replace: how the file is replaced.

    Raises:
        InputError: it cannot be written, or what is read back is not what was written.
    """
    with named_write_errors(path), replace(path) as part:
        with ExitStack() as stack:
            file: Any = stack.enter_context(part.open("wb"))
            if gzipped:
                # Level 9, Python's default, takes twelve times as long and saves 7 %.
                file = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0))
            writer = _BedgraphWriter(file, coordinates)
            yield writer
        with gzip.open(part) if gzipped else part.open("rb") as written:
            if sha256_of(iter(lambda: written.read(1 << 20), b"")) != writer.sha256.hexdigest():
                raise not_read_back(path)


@contextmanager
def open_raw_scores(path: Path) -> Iterator[ScoreWriter]:
    """Open a file of scores alone, float32 little-endian, for bins that can be enumerated without it.

    Raises:
        InputError: it cannot be written.
    """
    with named_write_errors(path), replacing(path) as part, part.open("wb") as file:
        yield _RawScoreWriter(file)


def write_bedgraph(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as bedGraph in the order of the bins, gzipped if the name ends in ``.gz``.

    Raises:
        UsageError: it is not the name of a bedGraph.
        InputError: as for `open_bedgraph`.
    """
    kind = score_format(path)
    if kind == "bigWig":
        raise UsageError(f"{path}: is the name of a bigWig, not of a bedgraph")
    with open_bedgraph(path, coordinates, gzipped=kind == "gzipped bedgraph") as file:
        file.add(bins, scores)
