"""Join bins with high scores to sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...store.schema import BIN

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sites:
    """Sites of one chromosome, in its order; (n,) each.

    Attributes:
        start, stop: first base of the first bin, and the base past the last one's, int64.
        summit: middle of the bin with the highest score; of several in a row the middle of all, int64.
        score: highest score of the site's bins, float32.
    """

    start: IntArray
    stop: IntArray
    summit: IntArray
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.start)


def call_sites(starts: IntArray, scores: NDArray[np.float32], threshold: float) -> Sites:
    """Join the bins that reach a threshold and touch or overlap each other.

    Args:
        starts: first base of each bin of one chromosome, int64 (n,), in any order.
        scores: float32 (n,).
        threshold: lowest score of a bin that belongs to a site.
    """
    called = np.flatnonzero(scores >= np.float32(threshold))
    called = called[np.argsort(starts[called], kind="stable")]
    start, score = starts[called], scores[called]
    if not start.size:
        return Sites(start, start, start, score)
    first = np.flatnonzero(np.concatenate([[True], np.diff(start) > BIN]))
    highest = np.maximum.reduceat(score, first)
    site = np.repeat(np.arange(first.size), np.diff(np.append(first, start.size)))
    # Of the bins with the highest score those in a row from the first such one on: their middle is the summit.
    at_top = score == highest[site]
    begin = np.minimum.reduceat(np.where(at_top, start, np.iinfo(np.int64).max), first)
    below = np.where(~at_top & (start > begin[site]), start, np.iinfo(np.int64).max)
    end = np.minimum.reduceat(below, first)
    last = np.maximum.reduceat(np.where(at_top & (start < end[site]), start, -1), first)
    stop = start[np.append(first[1:], start.size) - 1] + BIN
    return Sites(start[first], stop, (begin + last) // 2 + BIN // 2, highest)
