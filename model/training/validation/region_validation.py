"""Validate on all bins of the validation regions, as ENCODE-DREAM scores predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ....store.errors import UsageError
from ....store.genome.intervals import Intervals
from ....store.genome.regions import to_regions
from ....store.reader import Store
from ....store.schema import AMBIGUOUS, BOUND, STRIDE
from ...evaluation.metrics import average_precision
from ...evaluation.scoring import labels_of
from ...network.variants import AnyNetwork
from ...prediction.bins import bins_of_regions
from ...prediction.predict import predict_bins
from ..distributed import ProcessGroup

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
        self.region_names = [str(region) for region in to_regions(regions, store.coordinates)]
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
        self,
        network: AnyNetwork,
        *,
        device: torch.device,
        process_group: ProcessGroup,
        amp: bool = False,
        on_batch: Callable[[int], None] = lambda bins: None,
    ) -> tuple[float, float]:
        """Return binary cross-entropy and average precision of a network, each a mean over cell lines and factors.

        Ambiguous bins do not count. Factors without a bound bin in a cell line have no say there.
        """
        found = []
        for cell in self.cells:
            scores = self.predict(network, cell, device=device, process_group=process_group, amp=amp, on_batch=on_batch)
            found += [measure(truth, scores[clear, i]) for i, clear, truth in self.labelled(cell)]
        loss, precision = np.mean(found, axis=0)
        return float(loss), float(precision)

    def labelled(self, cell: str) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.bool_]]]:
        """Yield index of each factor with bound bins in a cell line, which bins are not ambiguous, and which of those
        are bound."""
        for i in range(len(self.factors)):
            labels = self._labels.get((cell, i))
            if labels is not None:
                clear = labels != AMBIGUOUS
                yield i, clear, labels[clear] == BOUND

    def predict(
        self,
        network: AnyNetwork,
        cell: str,
        *,
        device: torch.device,
        process_group: ProcessGroup | None = None,
        amp: bool = False,
        on_batch: Callable[[int], None] = lambda bins: None,
    ) -> NDArray[np.float32]:
        """Return probabilities of all bins, float32 (bins, outputs); each process computes a part of them.

        `on_batch` is called with the number of bins just done.
        """
        group = process_group or ProcessGroup()
        n, rank, size = len(self.bins), group.rank, group.size
        own = slice(rank * n // size, (rank + 1) * n // size)
        scores = np.zeros((n, len(network.config.tasks)), np.float32)
        scores[own] = predict_bins(
            network, self.store, cell, self.bins.take(own), device=device, amp=amp, on_batch=on_batch
        )
        return np.asarray(group.sum(scores, device), np.float32)


def measure(truth: NDArray[np.bool_], scores: NDArray[np.float32]) -> tuple[float, float]:
    """Return binary cross-entropy and average precision of the probabilities of some bins."""
    chance = np.clip(np.where(truth, scores, 1 - scores), _LEAST, 1).astype(np.float64)
    return float(-np.log(chance).mean()), average_precision(truth, scores)
