"""Predict probabilities for intervals and for the windows of a plan, by one network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.reader import Store
from ..data.batches import TensorBatch
from ..network.factornet import FactorNet
from ..network.variants import AnyNetwork
from .bins import Bins
from .together import predict_together, scored_batches

Scored = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows of the bins, (n,), and their probabilities, (n, tasks)."""


def predict_plan(
    network: FactorNet,
    batches: Iterable[TensorBatch],
    windows: int,
    device: torch.device,
    on_batch: Callable[[int], None] = lambda windows: None,
    *,
    amp: bool = False,
) -> NDArray[np.float32]:
    """Return probabilities in the order of the plan, float32 (windows, tasks).

    Args:
        network: any variant, on the device.
        batches: windows of the plan.
        windows: number of windows in the plan.
        device: to compute on.
        on_batch: called with the size of each batch that is done.
        amp: compute in bfloat16 where it is safe.
    """
    scores = np.empty((windows, len(network.config.tasks)), np.float32)
    for _, index, batch_scores, _ in scored_batches([network], batches, device, amp=amp):
        scores[index] = batch_scores
        on_batch(len(index))
    return scores


def predict_tiles(
    network: AnyNetwork,
    store: Store,
    cell: str,
    bins: Bins,
    *,
    device: torch.device,
    batch_size: int = 512,
    amp: bool = False,
    shared: bool | None = None,
) -> Iterator[Scored]:
    """Yield probabilities of the bins in genome order, one tile of a chromosome at a time; every row comes once.

    Arguments and errors as for `predict_together`, of which this is the case of one network.
    """
    for found in predict_together(
        [network], store, cell, bins, device=device, batch_size=batch_size, amp=amp, shared=shared
    ):
        yield found.rows, found.scores


def predict_bins(
    network: AnyNetwork,
    store: Store,
    cell: str,
    bins: Bins,
    *,
    device: torch.device,
    batch_size: int = 512,
    on_batch: Callable[[int], None] = lambda windows: None,
    amp: bool = False,
    shared: bool | None = None,
) -> NDArray[np.float32]:
    """Return the probabilities of each bin, float32 (bins, tasks); 0 if the bin touches the widened blacklist.

    Arguments and errors as for `predict_tiles`; `on_batch` is called with the number of bins just done.

    Raises:
        UsageError: a network of another kind; docs/own-networks.md shows how those predict.
    """
    if not isinstance(network, AnyNetwork):
        raise UsageError(
            f"{type(network).__name__} is no network of factornet; predict from the batches of a WindowDataset, as "
            "docs/own-networks.md shows"
        )
    scores = np.zeros((len(bins), len(network.config.tasks)), np.float32)
    tiles = predict_tiles(network, store, cell, bins, device=device, batch_size=batch_size, amp=amp, shared=shared)
    for rows, tile_scores in tiles:
        scores[rows] = tile_scores
        on_batch(len(rows))
    return scores
