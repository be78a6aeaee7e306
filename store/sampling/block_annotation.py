"""Read the annotation of blocks of 50 bases: which features any of their bases has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..reader import Store
from ..schema import STRIDE
from ..spans import read_span

_BASES_AT_ONCE = 16 * 2**20


def block_bits(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the annotation bits of blocks, uint8 (n // 50,), from those of bases, (n,); a rest is left out."""
    whole = bits[: bits.size // STRIDE * STRIDE]
    return np.asarray(np.bitwise_or.reduce(whole.reshape(-1, STRIDE), axis=1), np.uint8)


class BlockAnnotation:
    """Annotation bits of the blocks of a store; a chromosome is read when it is first asked for, and held.

    A human genome takes 62 MB.

    Args:
        store: with annotation.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_chrom: dict[int, NDArray[np.uint8]] = {}

    def windows(self, chrom: NDArray[np.int64], start: NDArray[np.int64], blocks: int) -> NDArray[np.uint8]:
        """Return the bits of runs of blocks, uint8 (n, blocks).

        Args:
            chrom: index of the chromosome of each run, int64 (n,).
            start: its first base, a multiple of 50; the runs lie inside their chromosomes.
            blocks: of a run.

        Raises:
            StoreError: an array of the store is missing or damaged.
        """
        found = np.empty((start.size, blocks), np.uint8)
        for c in np.unique(chrom).tolist():
            here = chrom == c
            rows = start[here][:, None] // STRIDE + np.arange(blocks)
            found[here] = self._of_chromosome(c)[rows]
        return found

    def _of_chromosome(self, chrom: int) -> NDArray[np.uint8]:
        if chrom not in self._by_chrom:
            array = self._store.annotation(self._store.coordinates.names[chrom])
            step, length = _BASES_AT_ONCE // STRIDE * STRIDE, array.shape[0]
            pieces = [block_bits(read_span(array, i, min(i + step, length))) for i in range(0, length, step)]
            self._by_chrom[chrom] = np.concatenate(pieces)
        return self._by_chrom[chrom]
