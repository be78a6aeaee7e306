"""Decode BAM records to columns: where each read was aligned, and how.

Layout: SAM specification, section 4.2. Sequence, qualities and tags are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SIZE, MOST_SIZE = 32, 1 << 28
"""Bytes of a record, without the length in front: those before its name, and more than the longest reads have."""
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
    rows = np.empty((len(_COLUMNS), data.size // (LEAST_SIZE + 4)), np.int32)
    from .bam_loops import decode  # compiled, which takes a second

    n, used, is_valid = decode(data, rows, n_chroms, (LEAST_SIZE, MOST_SIZE), NO_BASE)
    if not is_valid:
        raise ValueError(f"record {n} has lengths, a chromosome or a CIGAR that cannot be")
    return ReadBatch(*rows[:, :n].copy()), int(used)
