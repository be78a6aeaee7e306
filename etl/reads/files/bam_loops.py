"""Loops over the bytes of BAM records, compiled at their first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

_ALIGNED = (0, 7, 8)  # operations M, = and X: a base of the read opposite a base of the genome
_INSERTED, _DELETED, _SKIPPED, _SOFT_CLIPPED = 1, 2, 3, 4


@numba.njit(nogil=True)
def _int32(data: NDArray[np.uint8], at: int) -> int:
    return np.int32(  # type: ignore[return-value]
        np.uint32(data[at])
        | np.uint32(data[at + 1]) << np.uint32(8)
        | np.uint32(data[at + 2]) << np.uint32(16)
        | np.uint32(data[at + 3]) << np.uint32(24)
    )


@numba.njit(nogil=True)
def _find_long_cigar(data: NDArray[np.uint8], at: int, end: int) -> int:
    """Return the first byte of the operations in the tag CG:B,I of a record whose tags are ``at:end``; 0 without it."""
    while at + 3 <= end:
        kind, first = data[at + 2], at + 3
        if kind in (65, 67, 99):  # A, C, c
            at = first + 1
        elif kind in (83, 115):  # S, s
            at = first + 2
        elif kind in (73, 105, 102):  # I, i, f
            at = first + 4
        elif kind in (72, 90):  # H, Z
            while first < end and data[first]:
                first += 1
            at = first + 1
        elif kind == 66 and first + 5 <= end:  # B, an array
            of, count = data[first], _int32(data, first + 1)
            width = 1 if of in (67, 99) else 2 if of in (83, 115) else 4
            if count < 0 or first + 5 + width * count > end:
                return 0
            if data[at] == 67 and data[at + 1] == 71 and of == 73:
                return first + 5
            at = first + 5 + width * count
        else:
            return 0
    return 0


@numba.njit(nogil=True)
def decode(
    data: NDArray[np.uint8], rows: NDArray[np.int32], n_chroms: int, sizes: tuple[int, int], no_base: int
) -> tuple[int, int, bool]:
    """Fill `rows`, (columns, records); return records, bytes read, and whether all of them are possible.

    Args:
        data: uncompressed BAM, from the beginning of a record.
        rows: columns of `bam_records.ReadBatch`.
        n_chroms: chromosomes of the header.
        sizes: least and most bytes of a record.
        no_base: stands for no base.
    """
    least, most = sizes
    at, n = 0, 0
    while at + 4 <= data.size:
        size = _int32(data, at)
        if not least <= size <= most:
            return n, at, False
        if at + 4 + size > data.size:
            break
        start = at + 4
        chrom, mate_chrom = _int32(data, start), _int32(data, start + 20)
        name_size, n_operations = data[start + 8], data[start + 12] | data[start + 13] << 8
        n_bases = _int32(data, start + 16)
        cigar = start + least + name_size
        end = cigar + 4 * n_operations + (n_bases + 1) // 2 + n_bases
        if n_bases < 0 or end > start + size or not (-1 <= chrom < n_chroms and -1 <= mate_chrom < n_chroms):
            return n, at, False
        # CIGARs of more than 65,535 operations are in a tag; in their place stand two, that skip the read and the span.
        if n_operations == 2 and _int32(data, cigar) == (n_bases << 4 | _SOFT_CLIPPED):
            found = _find_long_cigar(data, end, start + size)
            if found:
                cigar, n_operations = found, _int32(data, found - 4)
        pos = _int32(data, start + 4)
        first, last, length, covered, here = no_base, no_base, 0, 0, pos
        for i in range(n_operations):
            value = _int32(data, cigar + 4 * i)
            run, operation = (value >> 4) & 0xFFFFFFF, value & 15
            if operation in _ALIGNED and run:
                if first == no_base:
                    first = here
                last = here + run - 1
                length += run
                covered += run
                here += run
            elif operation == _DELETED:
                covered += run
                here += run
            elif operation == _SKIPPED:
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
