"""Count the copies of each k-mer of a packed sequence, in passes over it that each take a range of buckets.

A pass of the whole sequence is cheap (1 ns a base), so no k-mer is ever written to disk. What a pass has selected is
spread over its buckets, and each bucket is counted in a hash table that fits in the cache of a core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.genome.intervals import IntArray
from . import loops
from .kmer_hash import KEY_BASES, KmerHash
from .packed_sequence import BASES_PER_WORD, SPARE_WORDS, PackedSequence
from .repeats import RepeatsWriter

_CHUNK = 1 << 22  # bases that are searched at once
_SLOTS = 1 << 13  # of a bucket's table at first
_HEAVY_SLOTS = 1 << 16


@dataclass(frozen=True)
class _Entries:
    """K-mers that a chunk of the sequence has in a range of buckets: the first `n` of each array.

    Attributes:
        n: number of them.
        keys: uint64.
        buckets: counted from the first of the range, uint32.
        positions: uint32, or uint64 where the sequence has 2^32 bases or more.
    """

    n: int
    keys: NDArray[np.uint64]
    buckets: NDArray[np.uint32]
    positions: NDArray[Any]


def count_by_bucket(packed: PackedSequence, kmer_hash: KmerHash, start: int, stop: int) -> IntArray:
    """Return the number of k-mers in each bucket, of those that begin in a span of the packed sequence.

    Args:
        packed: the sequence.
        kmer_hash: how k-mers are spread over buckets.
        start: first base, a multiple of 32.
        stop: past the last base.
    """
    counts = np.zeros(kmer_hash.n_buckets, np.int64)
    for found in _select(packed, kmer_hash, 0, kmer_hash.n_buckets, start=start, stop=stop):
        loops.add_histogram(found.buckets, found.n, counts)
    return counts


def count_pass(
    packed: PackedSequence, kmer_hash: KmerHash, first: int, histogram: IntArray, *, most: int, out: RepeatsWriter
) -> int:
    """Write the k-mers of a range of buckets that have copies; return their number.

    Args:
        packed: the sequence.
        kmer_hash: how k-mers are spread over buckets.
        first: first bucket.
        histogram: number of k-mers of each bucket of the range.
        most: k-mers that are held in memory; one bucket of more is counted without holding them.
        out: receives the k-mers, in order of their positions.
    """
    words = packed.map_words() if kmer_hash.is_hashed else np.empty(0, np.uint64)
    n_kmers = int(histogram.sum())
    if n_kmers > most:
        return _count_heavy(packed, kmer_hash, first, histogram.size, words=words, out=out)
    keys, positions = np.empty(n_kmers, np.uint64), np.empty(n_kmers, _position_dtype(packed))
    bounds = np.concatenate([[0], np.cumsum(histogram)])
    cursor = bounds[:-1].copy()
    for found in _select(packed, kmer_hash, first, histogram.size):
        loops.scatter(found.keys, found.buckets, found.positions, found.n, cursor, keys, positions)
    n = loops.count_buckets(keys, positions, bounds, _SLOTS, kmer_hash.k, words, kmer_hash.is_hashed)
    codes = keys[:n]
    codes.sort()
    out.add(codes)
    return int(n)


def _count_heavy(
    packed: PackedSequence, kmer_hash: KmerHash, first: int, n_buckets: int, *, words: Any, out: RepeatsWriter
) -> int:
    """Count buckets of few k-mers with very many copies: a table of them, which a second walk looks up."""
    table, used, total = loops.make_table(_HEAVY_SLOTS, np.empty(0, _position_dtype(packed))), 0, 0
    rest = (kmer_hash.k, words, kmer_hash.is_hashed)
    for found in _select(packed, kmer_hash, first, n_buckets):
        table, used = loops.insert(table, used, found.keys, found.positions, 0, found.n, *rest)
    for found in _select(packed, kmer_hash, first, n_buckets):
        n = loops.look_up(table, found.keys, found.positions, 0, found.n, *rest, 0)
        out.add(found.keys[:n])
        total += n
    return total


def _position_dtype(packed: PackedSequence) -> type[np.unsignedinteger[Any]]:
    return np.uint32 if packed.size < 2**32 else np.uint64


def _select(
    packed: PackedSequence, kmer_hash: KmerHash, first: int, n_buckets: int, *, start: int = 0, stop: int | None = None
) -> Iterator[_Entries]:
    """Yield the k-mers of a range of buckets, chunk by chunk, in arrays that are used again for the next chunk."""
    end = packed.size if stop is None else stop
    size = min(_CHUNK, max(end - start, 0))
    into = np.empty(size, np.uint64), np.empty(size, np.uint32), np.empty(size, _position_dtype(packed))
    k, shift = kmer_hash.k, np.uint64(64 - kmer_hash.bits)
    wanted = (np.uint64(first), np.uint64(n_buckets))
    low_mask = np.uint64(2 ** (2 * min(k, KEY_BASES)) - 1)
    high_mask = np.uint64(2 ** (2 * max(k - KEY_BASES, 0)) - 1 if not kmer_hash.is_hashed else 0)
    for at in range(start, end, _CHUNK):
        last = min(at + _CHUNK, end)
        words = packed.read_words(at, last, more=SPARE_WORDS + k // BASES_PER_WORD)
        runs = packed.kmer_runs(at, last, k)
        multiplier = np.uint64(kmer_hash.multiplier)
        if kmer_hash.is_hashed:
            letters = np.array(kmer_hash.letters, np.uint64)
            base = np.uint64(kmer_hash.base)
            n = loops.select_hashed(words, at, *runs, k, letters, base, multiplier, shift, *wanted, *into)
        else:
            n = loops.select_exact(words, at, *runs, low_mask, high_mask, multiplier, shift, *wanted, *into)
        yield _Entries(n, *into)
