"""Sequences packed into 2 bits a base, letters other than A, C, G and T left out, in one file.

The file has, in little-endian order: number of bases, of those before the reverse complements, and of segments (int64);
the words (`loops` says how bases are packed); and the segments: record, first base in it, length, int64 (segments, 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...store.files.atomic_write import naming_file
from ...store.genome.intervals import IntArray
from ..inputs.fasta import FastaReader, PreparedFasta

Words = NDArray[np.uint64]

_HEADER_SIZE = 24
_COMPLEMENTS = np.array([3, 2, 1, 0, 4], np.uint8)  # of base codes
_CHUNK = 1 << 24  # bases of a record that are packed at once
BASES_PER_WORD = 32
SPARE_WORDS = 2
"""Words of zeros after the last base, which are read with it."""


@dataclass(frozen=True)
class PackedSequence:
    """A file of packed sequence.

    Attributes:
        path: of the file.
        size: number of bases.
        plus_size: of them those of the records as they are; reverse complements of all, if they are there, follow.
        records: number of the record that each segment is of, (segments,).
        starts: first base of each segment in its record.
        offsets: first base of each segment in the packed sequence, and the end, (segments + 1,).
    """

    path: Path
    size: int
    plus_size: int
    records: IntArray
    starts: IntArray
    offsets: IntArray

    def read_words(self, start: int, stop: int, *, more: int = SPARE_WORDS) -> Words:
        """Return the words of bases ``start:stop``, and some more.

        Args:
            start: first base, a multiple of 32.
            stop: past the last base.
            more: number of further words; zeros past the end of the file.
        """
        n_words = -(-stop // BASES_PER_WORD) - start // BASES_PER_WORD + more
        last = -(-self.size // BASES_PER_WORD) + SPARE_WORDS - start // BASES_PER_WORD
        words = np.fromfile(self.path, "<u8", min(n_words, last), offset=_HEADER_SIZE + start // BASES_PER_WORD * 8)
        return np.concatenate([words, np.zeros(n_words - words.size, "<u8")]) if words.size < n_words else words

    def map_words(self) -> Words:
        """Return all words as a memory map."""
        return np.memmap(self.path, "<u8", "r", _HEADER_SIZE, (-(-self.size // BASES_PER_WORD) + SPARE_WORDS,))

    def kmer_runs(self, start: int, stop: int, k: int) -> tuple[IntArray, IntArray]:
        """Return first k-mer and end of each run of k-mers that begin in ``start:stop``: one a segment."""
        first = max(int(np.searchsorted(self.offsets, start, "right")) - 1, 0)
        last = int(np.searchsorted(self.offsets[:-1], stop))
        starts = np.maximum(self.offsets[first:last], start)
        stops = np.minimum(self.offsets[first + 1 : last + 1] - k + 1, stop)
        keep = starts < stops
        return starts[keep], stops[keep]

    def count_kmers(self, k: int) -> int:
        """Return the number of k-mers."""
        return int(np.maximum(np.diff(self.offsets) - k + 1, 0).sum())


def open_packed(path: Path) -> PackedSequence:
    """Open a file of packed sequence."""
    size, plus_size, n_segments = np.fromfile(path, "<i8", 3).tolist()
    at = _HEADER_SIZE + 8 * (-(-size // BASES_PER_WORD) + SPARE_WORDS)
    records, starts, lengths = np.fromfile(path, "<i8", 3 * n_segments, offset=at).reshape(-1, 3).T
    return PackedSequence(path, size, plus_size, records, starts, np.concatenate([[0], np.cumsum(lengths)]))


def pack_sequence(fasta: PreparedFasta, records: Sequence[str], path: Path, *, both_strands: bool = False) -> int:
    """Pack records of a FASTA into a file, in this order; return the number of bases.

    Args:
        fasta: sequence.
        records: names of records.
        path: of the file.
        both_strands: whether the reverse complements of all records follow them.

    Raises:
        InputError: the FASTA has changed since it was prepared.
        OSError: the file cannot be written.
    """
    segments, plus_size = list[tuple[int, int, int]](), 0
    strands = [(name, reverse) for reverse in ((False, True) if both_strands else (False,)) for name in records]
    with naming_file(path), path.open("wb") as file, closing(FastaReader(fasta)) as reader:
        file.write(bytes(_HEADER_SIZE))
        packer = _Packer(file)
        for number, (record, reverse) in enumerate(strands):
            for start, codes in _called(reader, record, fasta.lengths[record], reverse=reverse):
                packer.add(codes)
                plus_size += 0 if reverse else codes.size
                if segments and (segments[-1][0], segments[-1][1] + segments[-1][2]) == (number, start):
                    segments[-1] = (number, segments[-1][1], segments[-1][2] + codes.size)
                else:
                    segments.append((number, start, codes.size))
        size = packer.finish()
        file.write(np.array(segments, "<i8").tobytes())
        file.seek(0)
        file.write(np.array([size, plus_size, len(segments)], "<i8").tobytes())
    return size


def _called(reader: FastaReader, record: str, length: int, *, reverse: bool) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the runs of A, C, G and T of a record or of its reverse complement: first base and codes.

    Those that a chunk cuts come in parts.
    """
    for start in range(0, length, _CHUNK):
        stop = min(start + _CHUNK, length)
        if reverse:
            codes = _COMPLEMENTS[reader.read_codes(record, length - stop, length - start)[::-1]]
        else:
            codes = reader.read_codes(record, start, stop)
        edges = np.flatnonzero(np.diff(codes < 4, prepend=False, append=False)).reshape(-1, 2)
        for first, last in edges.tolist():
            yield start + first, codes[first:last]


class _Packer:
    """Writes codes of bases to a file, 2 bits each."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._rest, self._size = file, np.empty(0, np.uint8), 0

    def add(self, codes: NDArray[np.uint8]) -> None:
        """Append bases, uint8 (n,) of 0..3."""
        self._size += codes.size
        if self._rest.size:
            codes = np.concatenate([self._rest, codes])
        whole = codes.size // BASES_PER_WORD * BASES_PER_WORD
        self._write(codes[:whole])
        self._rest = codes[whole:].copy()

    def finish(self) -> int:
        """Write what is left and the spare words; return the number of bases."""
        self._write(np.concatenate([self._rest, np.zeros(-self._rest.size % BASES_PER_WORD, np.uint8)]))
        self._file.write(bytes(8 * SPARE_WORDS))
        return self._size

    def _write(self, codes: NDArray[np.uint8]) -> None:
        four = codes.reshape(-1, 4)
        self._file.write((four[:, 0] | four[:, 1] << 2 | four[:, 2] << 4 | four[:, 3] << 6).tobytes())
