"""Validate on all bins of the validation regions, as ENCODE-DREAM scores predictions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.genome.intervals import Intervals
from ...store.genome.regions import to_regions
from ...store.reader import Store
from ...store.schema import AMBIGUOUS, BOUND, STRIDE
from ..evaluation.metrics import average_precision
from ..evaluation.scoring import labels_of
from ..network.variants import AnyNetwork
from ..prediction.bins import bins_of_regions
from ..prediction.predict import predict_bins
from .distributed import ProcessGroup

_LEAST = 1e-7  # probability; bins that are not computed have the score 0


class RegionValidation:
    """All bins of the validation regions with their labels.

    Args:
        store: an open store.
        cells: cell lines to validate on.
        factors: factors of the network, in the order of its outputs.
        regions: validation regions, in absolute coordinates.

    Raises:
        UsageError: no bin of the regions is bound by any of the factors in any of the cell lines.
        StoreError: a table or label of the store is damaged.
    """

    def __init__(self, store: Store, *, cells: tuple[str, ...], factors: tuple[str, ...], regions: Intervals) -> None:
        self.store, self.cells, self.factors = store, cells, factors
        self.bins = bins_of_regions(to_regions(regions, store.coordinates), store.coordinates, stride=STRIDE)
        self._labels: dict[tuple[str, int], NDArray[np.uint8]] = {}
        for cell in cells:
            for i, factor in enumerate(factors):
                if factor in store.cell(cell).factor_names:
                    labels = labels_of(store, cell, factor, self.bins)
                    if (labels == BOUND).any():
                        self._labels[cell, i] = labels
        if not self._labels:
            raise UsageError(
                f"no bin of the validation regions is bound by {', '.join(factors)} in {', '.join(cells)}; choose "
                "larger regions"
            )

    def score(
        self, network: AnyNetwork, *, device: torch.device, process_group: ProcessGroup, amp: bool = False
    ) -> tuple[float, float]:
        """Return binary cross-entropy and average precision of a network, each a mean over cell lines and factors.

        Ambiguous bins do not count. Factors without a bound bin in a cell line have no say there.
        """
        losses, precisions = [], []
        for cell in self.cells:
            scores = self._predict(network, cell, device=device, process_group=process_group, amp=amp)
            for i in range(len(self.factors)):
                labels = self._labels.get((cell, i))
                if labels is not None:
                    clear = labels != AMBIGUOUS
                    truth, score = labels[clear] == BOUND, scores[clear, i]
                    chance = np.clip(np.where(truth, score, 1 - score), _LEAST, 1).astype(np.float64)
                    losses.append(float(-np.log(chance).mean()))
                    precisions.append(average_precision(truth, score))
        return float(np.mean(losses)), float(np.mean(precisions))

    def _predict(
        self, network: AnyNetwork, cell: str, *, device: torch.device, process_group: ProcessGroup, amp: bool
    ) -> NDArray[np.float32]:
        """Return probabilities of all bins, float32 (bins, factors); each process computes a part of them."""
        n, rank, size = len(self.bins), process_group.rank, process_group.size
        own = slice(rank * n // size, (rank + 1) * n // size)
        scores = np.zeros((n, len(self.factors)), np.float32)
        scores[own] = predict_bins(network, self.store, cell, self.bins.take(own), device=device, amp=amp)
        return np.asarray(process_group.sum(scores, device), np.float32)
