"""Decode BAM records to columns: where each read was aligned, and how.

Layout: SAM specification, section 4.2. Sequence, qualities and tags are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAPPED_BASES = (0, 7, 8)  # operations M, = and X: a base of the read opposite a base of the genome
_DELETED, _INSERTED, _SOFT_CLIPPED = 2, 1, 4
_FIXED = 32  # bytes of a record before its name, without the length in front
NO_BASE = -1

_COLUMNS = ("chrom", "pos", "mapq", "flag", "mate_chrom", "mate_pos", "template", "first", "last", "length", "covered")


@dataclass(frozen=True)
class ReadBatch:
    """Alignments, one a row, (n,) each.

    Attributes:
        chrom: number of the chromosome in the file's header; -1 for none.
        pos: first aligned base, 0-based; -1 for none.
        mapq: mapping quality.
        flag: bits of the SAM specification.
        mate_chrom: number of the mate's chromosome; -1 for none.
        mate_pos: first aligned base of the mate; -1 for none.
        template: signed length of the template (TLEN).
        first: lowest base of the genome opposite a base of the read; -1 where the CIGAR has none.
        last: highest one.
        length: bases of the read that the CIGAR tells of, those that were clipped softly included.
        covered: bases of the genome that the read covers, deleted ones included and skipped ones (N) not.
    """

    chrom: NDArray[np.int32]
    pos: NDArray[np.int32]
    mapq: NDArray[np.int32]
    flag: NDArray[np.int32]
    mate_chrom: NDArray[np.int32]
    mate_pos: NDArray[np.int32]
    template: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    length: NDArray[np.int32]
    covered: NDArray[np.int32]

    def __len__(self) -> int:
        return self.chrom.size

    def take(self, rows: NDArray[Any]) -> ReadBatch:
        """Return some of the rows, by a mask or by indices."""
        return ReadBatch(*(getattr(self, field.name)[rows] for field in fields(self)))


def decode_records(data: NDArray[np.uint8], n_chroms: int) -> tuple[ReadBatch, int]:
    """Decode the whole records at the beginning of `data`.

    Args:
        data: bytes of an uncompressed BAM behind its header, from the beginning of a record.
        n_chroms: chromosomes of the header.

    Returns:
        The records, and the bytes that they take; what is left is the beginning of another record.

    Raises:
        ValueError: a record contradicts itself; the message says which of `data`, and how.
    """
    # A record has 36 bytes at least, so no more than these fit.
    rows = np.empty((len(_COLUMNS), data.size // (_FIXED + 4)), np.int32)
    n, used, is_valid = _decode(data, rows, n_chroms)
    if not is_valid:
        raise ValueError(f"record {n} has lengths, a chromosome or a CIGAR that cannot be")
    return ReadBatch(*rows[:, :n].copy()), int(used)


@njit(cache=True, nogil=True)
def _int32(data: NDArray[np.uint8], at: int) -> int:
    return np.int32(  # type: ignore[return-value]
        np.uint32(data[at])
        | np.uint32(data[at + 1]) << np.uint32(8)
        | np.uint32(data[at + 2]) << np.uint32(16)
        | np.uint32(data[at + 3]) << np.uint32(24)
    )


@njit(cache=True, nogil=True)
def _decode(data: NDArray[np.uint8], rows: NDArray[np.int32], n_chroms: int) -> tuple[int, int, bool]:
    """Fill `rows`, (columns, records); return records, bytes read, and whether all of them are possible."""
    at, n = 0, 0
    while at + 4 <= data.size:
        size = _int32(data, at)
        if size < _FIXED:
            return n, at, False
        if at + 4 + size > data.size:
            break
        start = at + 4
        chrom, mate_chrom = _int32(data, start), _int32(data, start + 20)
        name_size, n_operations = data[start + 8], data[start + 12] | data[start + 13] << 8
        n_bases = _int32(data, start + 16)
        cigar = start + _FIXED + name_size
        end = cigar + 4 * n_operations + (n_bases + 1) // 2 + n_bases
        if n_bases < 0 or end > start + size or not (-1 <= chrom < n_chroms and -1 <= mate_chrom < n_chroms):
            return n, at, False
        pos = _int32(data, start + 4)
        first, last, length, covered, here = NO_BASE, NO_BASE, 0, 0, pos
        for i in range(n_operations):
            value = _int32(data, cigar + 4 * i)
            run, operation = (value >> 4) & 0xFFFFFFF, value & 15
            if operation in MAPPED_BASES and run:
                if first == NO_BASE:
                    first = here
                last = here + run - 1
                length += run
                covered += run
                here += run
            elif operation == _DELETED:
                covered += run
                here += run
            elif operation == 3:  # N, an intron
                here += run
            elif operation in (_INSERTED, _SOFT_CLIPPED):
                length += run
        rows[0, n], rows[1, n], rows[2, n] = chrom, pos, data[start + 9]
        rows[3, n] = data[start + 14] | data[start + 15] << 8
        rows[4, n], rows[5, n], rows[6, n] = mate_chrom, _int32(data, start + 24), _int32(data, start + 28)
        rows[7, n], rows[8, n], rows[9, n], rows[10, n] = first, last, length, covered
        n += 1
        at = start + size
    return n, at, True
