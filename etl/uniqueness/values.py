"""Write the uniqueness of each base as a bigWig, from the copies of the k-mer that begins there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...store.genome.bigwig_file import open_bigwig_file
from ...store.genome.intervals import IntArray
from .packed_sequence import PackedSequence

CLASSES = 6
"""Of k-mers by their copies: none (a letter other than A, C, G and T, or past an end), 1 to 4, more."""
_VALUES = np.array([np.nan, 1, 1 / 2, 1 / 3, 1 / 4, 0], np.float32)
_ZOOM = 2048  # bases in a window of the first zoom level

Runs = tuple[IntArray, IntArray, IntArray, NDArray[np.uint8]]
"""Record, first base, end and class of runs of bases, (n,) each."""


def write_values(
    path: Path,
    packed: PackedSequence,
    copies: Iterator[tuple[int, NDArray[np.uint8]]],
    *,
    k: int,
    lengths: Mapping[str, int],
) -> tuple[int, ...]:
    """Write a bigWig: 1/n where a k-mer with n copies begins, 0 for more than 4; no value where there is none.

    Args:
        path: of the file.
        packed: the sequence.
        copies: of all its k-mers, as `read_copies` yields them.
        k: length of the k-mers.
        lengths: bases of each record by name.

    Returns:
        Number of bases in each of the `CLASSES`.

    Raises:
        InputError: the file cannot be written, or is not what was written when it is read back.
    """
    bases = np.zeros(CLASSES, np.int64)
    with open_bigwig_file(path, lengths, window=_ZOOM) as file:
        for start, found in copies:
            if start >= packed.plus_size:
                break  # reverse complements, which are only counted
            records, starts, stops, classes = find_runs(packed, start, found[: packed.plus_size - start], k)
            file.add(records, starts, stops, _VALUES[classes])
            bases += np.bincount(classes, stops - starts, CLASSES).astype(np.int64)
    bases[0] = sum(lengths.values()) - bases.sum()
    return tuple(bases.tolist())


def find_runs(packed: PackedSequence, start: int, copies: NDArray[np.uint8], k: int) -> Runs:
    """Return the runs of equal copies in a window of the packed sequence; none spans two segments.

    Args:
        packed: the sequence.
        start: first base of the window.
        copies: of the k-mer that begins at each base, uint8 (bases,).
        k: length of the k-mers.
    """
    stop = start + copies.size
    first = int(np.searchsorted(packed.offsets, start, "right")) - 1
    last = int(np.searchsorted(packed.offsets[:-1], stop))
    begins, ends = packed.offsets[first:last] - start, packed.offsets[first + 1 : last + 1] - start
    classes = copies.copy()
    for begin, end in zip((ends - k + 1).tolist(), ends.tolist(), strict=True):
        classes[max(begin, 0) : max(end, 0)] = 0
    changes = np.flatnonzero(classes[1:] != classes[:-1]) + 1
    bounds = np.union1d(changes, begins[begins > 0])
    starts, stops = np.concatenate([[0], bounds]), np.concatenate([bounds, [classes.size]])
    found = classes[starts]
    keep = found > 0
    starts, stops, found = starts[keep], stops[keep], found[keep]
    segment = first + np.searchsorted(begins, starts, "right") - 1
    shift = start - packed.offsets[segment] + packed.starts[segment]
    return packed.records[segment], starts + shift, stops + shift, found
