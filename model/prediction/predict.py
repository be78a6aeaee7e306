"""Predict probabilities for intervals, tile by tile, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ...store.errors import StoreError, UsageError
from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan
from ...store.schema import BIN
from ...store.windows.loader import WindowStream
from ..data.batches import TensorBatch, TensorStream, stream_settings
from ..data.inputs import network_inputs
from ..network.block_ensemble import BlockEnsemble
from ..network.factornet import FactorNet
from ..network.variants import AnyConfig, AnyNetwork
from .bins import Bins, SortedWindows
from .scorers.block_scores import BlockScorer
from .scorers.shared_convolution import SharedConvolution
from .tiles import TileReader, prefetch

_log = logging.getLogger("factornet-predict")

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
    for index, batch_scores in scored_batches(network, batches, device, amp=amp):
        scores[index] = batch_scores
        on_batch(len(index))
    return scores


def scored_batches(
    network: FactorNet, batches: Iterable[TensorBatch], device: torch.device, *, amp: bool
) -> Iterator[Scored]:
    """Yield rows of the plan and their probabilities, batch by batch; every window is computed alone."""
    network.eval()
    for batch in batches:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=amp):
            probabilities = network(batch.codes, batch.tracks, batch.features)
        yield batch.index, probabilities.float().cpu().numpy()


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

    Bins that touch the widened blacklist get 0. Memory is bounded by the tile: it does not grow with the bins.

    Args:
        network: any variant; it is moved to the device and set to evaluation.
        store: an open store.
        cell: cell line to predict for.
        bins: in any order; they may overlap and repeat.
        device: to compute on.
        batch_size: maximum number of windows at once.
        amp: compute in bfloat16 where it is safe.
        shared: whether windows of a FactorNet share the convolution of the bases they have in common
            (`shared_convolution`); None chooses the faster way. A network over blocks always computes bins together.

    Raises:
        UsageError: the cell line's tracks or meta values are not the network's, or the network uses annotation and
            the store has none.
        StoreError: a chunk of the store is missing or damaged, or a score is not finite.
    """
    network_inputs(network.config, store, (cell,))
    check_mean_signal(network, store, np.unique(bins.chrom).tolist())
    network = network.to(device).eval()
    config = network.config
    windows = SortedWindows.of(bins, store, length=config.window_length, margin=config.excluded_margin)
    tiles = windows.tiles(tile_bases(config))
    scorer: BlockScorer | SharedConvolution
    if isinstance(network, BlockEnsemble):
        scorer = BlockScorer(network)
        _log.info(f"{len(bins)} bins, neighbours are computed together")
    else:
        if not _is_shared(windows, tiles, shared):
            yield from _one_by_one(network, store, cell, windows, device=device, batch_size=batch_size, amp=amp)
            return
        scorer = SharedConvolution(network)
    reader = TileReader(store, cell, config, network.mean_signal if isinstance(network, BlockEnsemble) else None)
    for tile in prefetch(lambda rows: reader.read(windows, rows), tiles):
        scores = np.zeros((tile.rows.stop - tile.rows.start, len(config.tasks)), np.float32)
        if tile.starts.size:
            codes, tracks, starts = (torch.from_numpy(a).to(device) for a in (tile.codes, tile.tracks, tile.starts))
            more = tile.annotation if isinstance(scorer, BlockScorer) else tile.features if tile.features.size else None
            extra = None if more is None else torch.from_numpy(more).to(device)
            clean = scorer.score(codes, tracks, starts, extra, batch_size=batch_size, amp=amp)
            scores[windows.clean[tile.rows]] = clean.cpu().numpy()
        _check_finite(scores, windows, tile.rows, store, cell)
        yield windows.rows[tile.rows], scores


def check_mean_signal(network: AnyNetwork, store: Store, chroms: Iterable[int]) -> None:
    """Check that the mean signal that a network sees covers chromosomes, given by their index in a store.

    Raises:
        UsageError: it lacks one of them, or has another length of it.
    """
    if not isinstance(network, BlockEnsemble) or not network.config.mean_tracks:
        return
    if network.mean_signal is None:
        raise UsageError(
            f"the mean signal of {', '.join(network.config.mean_tracks)} is missing; load it with the model"
        )
    for chrom in chroms:
        network.mean_signal.check_chromosome(store.coordinates.names[chrom], store.coordinates.lengths[chrom])


def _is_shared(windows: SortedWindows, tiles: Sequence[slice], shared: bool | None) -> bool:
    """Return whether windows share their convolution, as asked for or else as is faster."""
    if shared is None:
        n_tiles = sum(bool(windows.clean[rows].any()) for rows in tiles)
        shared = is_sharing_worthwhile(int(windows.clean.sum()), n_tiles)
    method = "neighbouring windows share the convolution" if shared else "too far apart to share, so one by one"
    once, per_window = windows.bases_to_scan()
    _log.info(
        f"{len(windows.rows)} windows, {method}: {(once if shared else per_window) / 1e6:.2f} M bases to scan of "
        f"{per_window / 1e6:.2f} M"
    )
    return shared


def tile_bases(config: AnyConfig) -> int:
    """Return the bases within which the windows of a tile start: both strands' activations take 128 MiB."""
    return max(2**24 // config.kernels, 2**14)


def is_sharing_worthwhile(n_windows: int, n_tiles: int) -> bool:
    """Return whether windows are close enough together to share their convolution.

    Positions to scan would always favour it: sharing never scans more of them, and scanning a tile is faster per
    position even if windows do not overlap. The overhead of a tile, reading its bases and a batch of its own for the
    LSTM, takes 20 windows to recover (docs/performance.md).
    """
    return n_windows >= 20 * n_tiles


def _one_by_one(
    network: FactorNet,
    store: Store,
    cell: str,
    windows: SortedWindows,
    *,
    device: torch.device,
    batch_size: int,
    amp: bool,
) -> Iterator[Scored]:
    """Predict as `predict_tiles`, every window alone."""
    clean = np.flatnonzero(windows.clean)
    zeros = np.zeros(clean.size, np.int64)
    # A plan has first bases of bins; their middle is the middle of the window.
    start = windows.start[clean] + network.config.window_length // 2 - BIN // 2
    plan = SamplingPlan((cell,), zeros, windows.chrom[clean], start, zeros, np.zeros((clean.size, 0), np.uint8))
    stream = WindowStream(store, plan, stream_settings(network.config, batch_size=batch_size), seed=None)
    done = 0
    for index, batch_scores in scored_batches(network, TensorStream(stream, device), device, amp=amp):
        stop = int(clean[index[-1]]) + 1  # batches come in genome order
        scores = np.zeros((stop - done, batch_scores.shape[1]), np.float32)
        scores[clean[index] - done] = batch_scores
        _check_finite(scores, windows, slice(done, stop), store, cell)
        yield windows.rows[done:stop], scores
        done = stop
    if done < len(windows.rows):
        yield windows.rows[done:], np.zeros((len(windows.rows) - done, len(network.config.tasks)), np.float32)


def _check_finite(scores: NDArray[np.float32], windows: SortedWindows, rows: slice, store: Store, cell: str) -> None:
    """Check that the scores of some windows are finite.

    Raises:
        StoreError: some are not; the message names the bases in the first such windows.
    """
    odd = rows.start + np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if not odd.size:
        return
    chrom = int(windows.chrom[odd[0]])
    starts = windows.start[odd[windows.chrom[odd] == chrom]]
    stop = min(int(starts[-1]) + windows.length, store.coordinates.lengths[chrom])
    region = Region(store.coordinates.names[chrom], max(int(starts[0]), 0), stop)
    raise StoreError(
        store.location,
        f"cell line {cell}: scores of {odd.size} windows of {len(scores)} are not finite, in {region}",
        hint="check the tracks in this region and the weights of the model for infinite or very large values",
    )


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
    """
    scores = np.zeros((len(bins), len(network.config.tasks)), np.float32)
    tiles = predict_tiles(network, store, cell, bins, device=device, batch_size=batch_size, amp=amp, shared=shared)
    for rows, tile_scores in tiles:
        scores[rows] = tile_scores
        on_batch(len(rows))
    return scores
