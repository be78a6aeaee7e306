"""How k-mers are spread over buckets, and in how many passes the buckets are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...store.genome.intervals import IntArray

KEY_BASES = 32
_PER_BUCKET = 2048  # k-mers: their table stays in the cache of a core
_LEAST_BITS, _MOST_BITS = 6, 26
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, its bits spread: 2^64 divided by the golden ratio (Knuth, TAOCP 3, 6.4)
_BASE = 0xC2B2AE3D27D4EB4F
_LETTERS = (0xA24BAED4963EE407, 0x9FB21C651E98DF25, 0x3C79AC492BA7B653, 0x1C69B3F74AC4AE35)


@dataclass(frozen=True)
class KmerHash:
    """The key and the bucket of a k-mer.

    A k-mer of up to 32 bases is its own key, of 64 bits. Of a longer one the key is 32 bases, and the others are
    combined with the bucket that the key has by itself, so that bucket and key still determine the k-mer: as long as
    the others fit in the bits of a bucket, which is up to k = 35 always, to 42 in a human genome. Of a k-mer longer
    than that the key is a hash of 64 bits, and k-mers of equal keys are compared base by base (`is_hashed`).

    Attributes:
        k: bases.
        bits: of a bucket's number.
        multiplier: for buckets; odd.
        base: for hashes; odd.
        letters: for hashes, of each base.
    """

    k: int
    bits: int
    multiplier: int = _MULTIPLIER
    base: int = _BASE
    letters: tuple[int, int, int, int] = _LETTERS

    @property
    def is_hashed(self) -> bool:
        """Return whether different k-mers may have the same bucket and key."""
        return 2 * (self.k - KEY_BASES) > self.bits

    @property
    def n_buckets(self) -> int:
        """Return the number of buckets."""
        return 1 << self.bits


def make_hash(k: int, n_kmers: int) -> KmerHash:
    """Return the hash for this number of k-mers in all."""
    bits = (n_kmers // _PER_BUCKET).bit_length()
    return KmerHash(k, min(max(bits, _LEAST_BITS), _MOST_BITS))


def plan_passes(histogram: IntArray, most: int) -> list[tuple[int, int]]:
    """Divide buckets into passes: ranges ``first:stop`` of at most `most` k-mers, or of one bucket of more.

    Args:
        histogram: k-mers of each bucket.
        most: k-mers of a pass.
    """
    ends, passes, first = np.cumsum(histogram), list[tuple[int, int]](), 0
    if ends.size and ends[-1] > most:  # passes of about the same size, whose last bucket may lie on the border
        equal = -(-int(ends[-1]) // -(-int(ends[-1]) // most))
        most = min(most, equal + int(histogram.max()))
    while first < histogram.size:
        done = int(ends[first - 1]) if first else 0
        stop = max(int(np.searchsorted(ends, done + most, "right")), first + 1)
        passes.append((first, stop))
        first = stop
    return passes
