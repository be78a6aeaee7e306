"""Files of scores: FactorNet's gzipped bedgraph and bigWig, written a piece at a time, and the bedgraph read back."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from ...store.errors import InputError, UsageError
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from .bins import Bins

_LINES = 65536


class ScoreFile(Protocol):
    """A file that takes scores piece by piece. It appears, whole, when the ``with`` block ends without an error."""

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        """Append a score, (n,), for each of n bins."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file, and publish it unless there was an error."""


class BedgraphFile:
    """``chrom start stop score`` with tabs and ``%.3e``, gzipped, in the order it comes, as FactorNet's predict."""

    def __init__(self, path: Path, coordinates: GenomeCoordinates) -> None:
        self._path, self._part, self._names = path, _part(path), coordinates.names
        self._raw = self._part.open("wb")
        # Level 9, Python's default, takes twelve times as long and saves 7 %.
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=self._raw, mtime=0)

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        """Append a line a bin."""
        for i in range(0, len(bins), _LINES):
            piece = slice(i, i + _LINES)
            columns = (bins.chrom, bins.start, bins.stop, scores)
            rows = zip(*(column[piece].tolist() for column in columns), strict=True)
            self._gzip.write("".join(f"{self._names[c]}\t{a}\t{b}\t{s:.3e}\n" for c, a, b, s in rows).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._gzip.close()
        self._raw.close()
        _publish(self._part, self._path, failed=error is not None)


class BigwigFile:
    """The scores as bigWig. Overlapping bins share the genome: each gets `span` bases around its middle.

    Args:
        path: of the file.
        axis: the store's chromosomes.
        chroms: those the bins lie on, indices in rising order; bins must come in order of place.
        span: bases a score; no more than lie between any two middles.
        single: whether there is one bin only, of which zoom levels cannot be made.
    """

    def __init__(
        self, path: Path, coordinates: GenomeCoordinates, *, chroms: list[int], span: int, single: bool = False
    ) -> None:
        self._path, self._part, self._axis, self._span = path, _part(path), coordinates, span
        self._file = pyBigWig.open(str(self._part), "w")
        self._file.addHeader(
            [(coordinates.names[c], coordinates.lengths[c]) for c in chroms], maxZooms=0 if single else 10
        )

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        """Append an entry a bin."""
        for i in range(0, len(bins), _LINES):
            piece = bins.take(slice(i, i + _LINES))
            names = [self._axis.names[c] for c in piece.chrom.tolist()]
            starts = np.maximum(piece.middle - self._span // 2, 0)
            stops = np.minimum(starts + self._span, np.array(self._axis.lengths, np.int64)[piece.chrom])
            values = scores[i : i + _LINES].astype(np.float64).tolist()
            self._file.addEntries(names, starts.tolist(), ends=stops.tolist(), values=values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        _publish(self._part, self._path, failed=error is not None)


class RawScoreFile:
    """Scores alone, as float32, little-endian: what is kept of bins that can be told without a file."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, _part(path)
        self._file = self._part.open("wb")

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        """Append four bytes a bin."""
        self._file.write(scores.astype("<f4").tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        _publish(self._part, self._path, failed=error is not None)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _publish(part: Path, path: Path, *, failed: bool) -> None:
    if failed:
        part.unlink(missing_ok=True)
        return
    with part.open("rb") as file:
        os.fsync(file.fileno())  # a name must not outlive a power cut that its bytes did not
    part.replace(path)


def bigwig_of(path: Path, bins: Bins, coordinates: GenomeCoordinates) -> BigwigFile:
    """A bigWig to write these bins to, in order of place.

    Raises:
        UsageError: two intervals have the same middle.
    """
    near = bins.take(bins.by_place())
    gaps = np.diff(near.middle)[np.diff(near.chrom) == 0]
    if (gaps == 0).any():
        raise UsageError(
            f"{path}: a bigWig has one value a base, but two intervals have the same middle; write .bed.gz"
        )
    span = int(min(gaps.min() if gaps.size else BIN, BIN))
    chroms: list[int] = np.unique(bins.chrom).tolist()
    return BigwigFile(path, coordinates, chroms=chroms, span=span, single=len(bins) < 2)


def write_bedgraph(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as `BedgraphFile`, in the order of the bins."""
    with BedgraphFile(path, coordinates) as file:
        file.add(bins, scores)


def write_bigwig(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as `BigwigFile`; each gets as many bases as there are between the closest two middles (50
    for the usual stride).

    Raises:
        UsageError: two intervals have the same middle.
    """
    order = bins.by_place()
    with bigwig_of(path, bins, coordinates) as file:
        file.add(bins.take(order), scores[order])


def read_bedgraph(path: Path, coordinates: GenomeCoordinates) -> tuple[Bins, NDArray[np.float32]]:
    """Bins and scores of a (gzipped) bedgraph.

    Raises:
        InputError: no such file, or a line is not ``chrom start stop score`` on a chromosome of the store.
    """
    index = {name: i for i, name in enumerate(coordinates.names)}
    if not path.is_file():
        raise InputError(path, "no such file", hint="write it with factornet-predict")
    rows: list[tuple[int, int, int]] = []
    scores: list[float] = []
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt") if zipped else path.open() as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            try:
                rows.append((index[fields[0]], int(fields[1]), int(fields[2])))
                scores.append(float(fields[3]))
            except (KeyError, IndexError, ValueError) as e:
                hint = "write CHROM START STOP SCORE, with chromosomes of the store"
                raise InputError(path, f"cannot be read: {line.strip()[:60]!r}", hint=hint, line=number) from e
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Bins(table[:, 0], table[:, 1], table[:, 2]), np.array(scores, np.float32)
