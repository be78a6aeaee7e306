"""Uniqueness by counting strings: what the fast way is compared with."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyBigWig

from factornet.etl.uniqueness.packed_sequence import PackedSequence

COMPLEMENTS = str.maketrans("ACGT", "TGCA")
VALUES = {1: 1.0, 2: 0.5, 3: float(np.float32(1 / 3)), 4: 0.25}


def kmers(sequence: str, k: int) -> Iterator[tuple[int, str]]:
    """First base and letters of each k-mer of A, C, G and T."""
    for start in range(len(sequence) - k + 1):
        kmer = sequence[start : start + k]
        if set(kmer) <= set("ACGT"):
            yield start, kmer


def slow_uniqueness(sequences: Mapping[str, str], k: int, *, both_strands: bool = False) -> dict[str, np.ndarray]:
    """The value of each base of upper-case sequences, NaN for none."""
    copies = Counter(kmer for sequence in sequences.values() for _, kmer in kmers(sequence, k))
    if both_strands:
        copies = Counter({kmer: n + copies[kmer.translate(COMPLEMENTS)[::-1]] for kmer, n in copies.items()})
    found = {name: np.full(len(sequence), np.nan, np.float32) for name, sequence in sequences.items()}
    for name, sequence in sequences.items():
        for start, kmer in kmers(sequence, k):
            found[name][start] = VALUES.get(copies[kmer], 0.0)
    return found


def slow_copies(packed: PackedSequence, sequences: Sequence[str], k: int) -> np.ndarray:
    """Copies of the k-mer at each base of the packed sequence, up to 5, 1 where there is none."""
    copies = Counter(kmer for sequence in sequences for _, kmer in kmers(sequence, k))
    found = np.ones(packed.size, np.uint8)
    for segment, record in enumerate(packed.records):
        for at in range(packed.offsets[segment], packed.offsets[segment + 1] - k + 1):
            start = packed.starts[segment] + at - packed.offsets[segment]
            found[at] = min(copies[sequences[record][start : start + k]], 5)
    return found


def read_bigwig(path, lengths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The value of each base as another program reads it, NaN for none."""
    with pyBigWig.open(str(path)) as file:
        assert dict(file.chroms()) == dict(lengths)
        return {name: file.values(name, 0, length, numpy=True) for name, length in lengths.items()}
