"""Compiled loops over packed sequence and k-mers; `counting` calls them, and says what they are for.

Bases are packed 32 to a word of 64 bits, the first in the lowest bits. A position is that of a k-mer's first base in
the packed sequence. An entry is a k-mer of the pass: its key, its position, its bucket, counted from the pass's first.
"""

# ruff: noqa: PLR0917, numba compiles functions of positional arguments only

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_U = np.uint64
_SLOT_MULTIPLIER = _U(0xD6E8FEB86659FD93)
MOST = 5
"""Copies are counted up to this number, which stands for all beyond 4."""


@numba.njit(nogil=True)
def select_exact(
    words: Any, origin: int, starts: Any, stops: Any, low_mask: Any, high_mask: Any, multiplier: Any, shift: Any,
    first: Any, width: Any, keys: Any, buckets: Any, positions: Any,
) -> int:  # fmt: skip
    """Select the k-mers of a range of buckets, whose key is their last 32 bases or fewer; return their number.

    32 k-mers at a time, in loops that compilers turn into vector instructions; few are selected.

    Args:
        words: of a part of the sequence, and two more.
        origin: position of its first base, a multiple of 32.
        starts: first k-mer of each run of them, (n,).
        stops: past the last.
        low_mask: bits of the key.
        high_mask: bits of the bases that the key lacks.
        multiplier: of the key; its product's upper bits, changed by the other bases, are the bucket.
        shift: lower bits of the product that are dropped.
        first: bucket.
        width: number of buckets.
        keys: filled, as the next two.
        buckets: from `first` on.
        positions: of the k-mers.
    """
    found, n = np.empty(32, np.uint64), 0
    for run in range(starts.size):
        begin, end = starts[run] - origin, stops[run] - origin
        for word in range(begin >> 5, ((end - 1) >> 5) + 1):
            w0, w1, w2 = words[word], words[word + 1], words[word + 2]
            for j in range(32):
                right, left = _U(2 * j), _U(62 - 2 * j)
                low = ((w0 >> right) | ((w1 << left) << _U(2))) & low_mask
                high = ((w1 >> right) | ((w2 << left) << _U(2))) & high_mask
                found[j] = (((low * multiplier) >> shift) ^ high) - first
            smallest = found[0]
            for j in range(32):
                smallest = min(smallest, found[j])
            if smallest >= width:
                continue
            for j in range(32):
                if found[j] < width and begin <= 32 * word + j < end:
                    right, left = _U(2 * j), _U(62 - 2 * j)
                    keys[n] = ((w0 >> right) | ((w1 << left) << _U(2))) & low_mask
                    buckets[n], positions[n] = found[j], origin + 32 * word + j
                    n += 1
    return n


@numba.njit(nogil=True)
def select_hashed(
    words: Any, origin: int, starts: Any, stops: Any, k: int, letters: Any, base: Any, multiplier: Any, shift: Any,
    first: Any, width: Any, keys: Any, buckets: Any, positions: Any,
) -> int:  # fmt: skip
    """Select the k-mers of a range of buckets, whose key is a hash of all their bases; return their number.

    The hash is that of Karp and Rabin (1987), modulo 2^64: the sum of ``letters[b_i] * base^(k-1-i)``.

    Args:
        words: as of `select_exact`, with as many more as a k-mer may need.
        letters: value of each base, (4,).
        base: of the powers.
    """
    highest, n = _U(1), 0
    for _ in range(k - 1):
        highest *= base
    for run in range(starts.size):
        begin, end = starts[run] - origin, stops[run] - origin
        key = _U(0)
        for at in range(begin, begin + k - 1):
            key = key * base + letters[(words[at >> 5] >> _U(2 * (at & 31))) & _U(3)]
        for at in range(begin, end):
            last = at + k - 1
            key = key * base + letters[(words[last >> 5] >> _U(2 * (last & 31))) & _U(3)]
            bucket = ((key * multiplier) >> shift) - first
            if bucket < width:
                keys[n], buckets[n], positions[n] = key, bucket, origin + at
                n += 1
            key -= highest * letters[(words[at >> 5] >> _U(2 * (at & 31))) & _U(3)]
    return n


@numba.njit(nogil=True)
def add_histogram(buckets: Any, n: int, counts: Any) -> None:
    """Count the first `n` entries by bucket."""
    for i in range(n):
        counts[buckets[i]] += 1


@numba.njit(nogil=True)
def scatter(keys: Any, buckets: Any, positions: Any, n: int, cursor: Any, to_keys: Any, to_positions: Any) -> None:
    """Append the first `n` entries to their buckets; `cursor` is the next free place of each."""
    for i in range(n):
        at = cursor[buckets[i]]
        to_keys[at], to_positions[at] = keys[i], positions[i]
        cursor[buckets[i]] = at + 1


@numba.njit(nogil=True)
def _bases_at(words: Any, position: Any) -> Any:
    """Return 32 bases."""
    word, right = np.int64(position >> 5), _U(2) * _U(position & 31)
    return (words[word] >> right) | ((words[word + 1] << (_U(62) - right)) << _U(2))


@numba.njit(nogil=True)
def _are_equal(words: Any, a: Any, b: Any, k: int) -> bool:
    """Return whether two k-mers have the same bases."""
    for done in range(0, k, 32):
        differing = _bases_at(words, np.int64(a) + done) ^ _bases_at(words, np.int64(b) + done)
        if k - done < 32:
            differing &= (_U(1) << _U(2 * (k - done))) - _U(1)
        if differing != 0:
            return False
    return True


@numba.njit(nogil=True)
def make_table(size: int, positions: Any) -> Any:
    """Return an empty hash table of a power of 2 slots: key, position of the first copy, number of copies."""
    return np.empty(size, np.uint64), np.empty(size, positions.dtype), np.zeros(size, np.uint8)


@numba.njit(nogil=True, inline="always")
def _find_slot(
    table_keys: Any, table_positions: Any, copies: Any, key: Any, position: Any, k: int, words: Any, compared: bool
) -> Any:
    """Return the slot of a k-mer in a table, or the empty one for it: linear probing."""
    last = copies.size - 1
    slot = np.int64(((key ^ (key >> _U(32))) * _SLOT_MULTIPLIER) >> _U(32)) & last
    while copies[slot] and (
        table_keys[slot] != key or (compared and not _are_equal(words, table_positions[slot], position, k))
    ):  # with `break` in place of this condition, numba's code takes five times as long
        slot = (slot + 1) & last
    return slot


@numba.njit(nogil=True)
def _grow(table_keys: Any, table_positions: Any, copies: Any, k: int, words: Any, compared: bool) -> Any:
    """Return a table of twice the size with the same content."""
    keys, positions, more = make_table(2 * copies.size, table_positions)
    for old in range(copies.size):
        if copies[old]:
            key, position = table_keys[old], table_positions[old]
            slot = _find_slot(keys, positions, more, key, position, k, words, compared)
            keys[slot], positions[slot], more[slot] = key, position, copies[old]
    return keys, positions, more


@numba.njit(nogil=True)
def insert(
    table: Any, used: int, keys: Any, positions: Any, begin: int, end: int, k: int, words: Any, compared: bool
) -> Any:
    """Count the copies of entries ``begin:end`` in a table, which grows; return it and the slots in use.

    Args:
        table: of `make_table`.
        used: slots in use.
        keys: of entries.
        positions: of entries.
        begin: first entry.
        end: past the last one.
        k: length of the k-mers.
        words: of the whole sequence, if `compared`.
        compared: whether k-mers of equal keys may differ, so that their bases are compared.
    """
    while True:
        begin, used = _insert_until_full(
            table[0], table[1], table[2], used, keys, positions, begin, end, k, words, compared
        )
        if begin == end:
            return table, used
        table = _grow(table[0], table[1], table[2], k, words, compared)


@numba.njit(nogil=True)
def _insert_until_full(
    table_keys: Any, table_positions: Any, copies: Any, used: int, keys: Any, positions: Any, begin: int, end: int,
    k: int, words: Any, compared: bool,
) -> Any:  # fmt: skip
    """Count entries until half of the slots are in use; return the first that was not counted, and the slots in use.

    Arrays that are replaced in a loop would have their references counted in each turn, which takes ten times as long.
    """
    for i in range(begin, end):
        slot = _find_slot(table_keys, table_positions, copies, keys[i], positions[i], k, words, compared)
        if copies[slot] == 0:
            if 2 * used >= copies.size:
                return i, used
            table_keys[slot], table_positions[slot], copies[slot] = keys[i], positions[i], 1
            used += 1
        elif copies[slot] < MOST:
            copies[slot] += 1
    return end, used


@numba.njit(nogil=True)
def look_up(
    table: Any, keys: Any, positions: Any, begin: int, end: int, k: int, words: Any, compared: bool, n: int
) -> int:
    """Write codes of the entries ``begin:end`` with copies to ``keys[n:]``, n <= begin; return where they end.

    A code is ``position << 2 | copies - 2``.
    """
    table_keys, table_positions, all_copies = table
    for i in range(begin, end):
        slot = _find_slot(table_keys, table_positions, all_copies, keys[i], positions[i], k, words, compared)
        copies = all_copies[slot]
        if copies > 1:
            keys[n] = (_U(positions[i]) << _U(2)) | _U(copies - 2)
            n += 1
    return n


@numba.njit(nogil=True)
def count_buckets(keys: Any, positions: Any, bounds: Any, slots: int, k: int, words: Any, compared: bool) -> int:
    """Replace keys by the codes of entries with copies, as of `look_up`, bucket by bucket; return their number.

    A bucket's table fits in the cache of a core: that is why there are buckets.

    Args:
        keys: of entries, sorted by bucket.
        positions: of entries.
        bounds: of the buckets, (buckets + 1,).
        slots: of the table at first.
        k: length of the k-mers.
        words: of the whole sequence, if `compared`.
        compared: as of `insert`.
    """
    table, n = make_table(slots, positions), 0
    for bucket in range(bounds.size - 1):
        begin, end = bounds[bucket], bounds[bucket + 1]
        if end - begin > 1:
            table[2][:] = 0
            table, used = insert(table, 0, keys, positions, begin, end, k, words, compared)
            if used < end - begin:
                n = look_up(table, keys, positions, begin, end, k, words, compared, n)
    return n
