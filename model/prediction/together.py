"""Score intervals by one network or several, tile by tile, in bounded memory; what they share is read once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

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
from ..network.variants import AnyNetwork
from .bins import Bins, SortedWindows
from .scorers.block_scores import BlockScorer
from .scorers.shared_convolution import SharedConvolution
from .tiling.groups import NetworkGroup, Step, group_networks, steps_along_genome
from .tiling.span_buffer import SpanBuffer
from .tiling.tiles import Tile, TileReader, prefetch

_log = logging.getLogger("factornet-predict")


@dataclass(frozen=True, eq=False, slots=True)
class NetworkScores:
    """Scores of some bins by one of several networks.

    Attributes:
        network: its index among those given.
        rows: of the bins, int64 (n,).
        scores: probabilities, float32 (n, tasks).
        seconds: that computing them took; reading is not in it.
    """

    network: int
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    seconds: float


def predict_together(
    networks: Sequence[AnyNetwork],
    store: Store,
    cell: str,
    bins: Bins,
    *,
    device: torch.device,
    batch_size: int = 512,
    amp: bool = False,
    shared: bool | None = None,
) -> Iterator[NetworkScores]:
    """Yield scores of all bins by each network, a tile of a chromosome at a time.

    A network's tiles are those it has alone, and so, bit by bit, are its scores. Of each network every row comes once,
    in genome order. Bases and signal are read once for all networks, and cut once for those with the same inputs; only
    windows that are scored one by one (`shared`) are read once for each such group. Bins that touch the widened
    blacklist get 0. Memory is bounded by the largest tile: it does not grow with the bins, and with the networks by
    their weights alone.

    Args:
        networks: any variants; they are moved to the device and set to evaluation.
        store: an open store.
        cell: cell line to predict for.
        bins: in any order; they may overlap and repeat.
        device: to compute on.
        batch_size: maximum number of windows at once.
        amp: compute in bfloat16 where it is safe.
        shared: whether windows of a FactorNet share the convolution of the bases they have in common
            (`shared_convolution`); None chooses the faster way. A network over blocks always computes bins together.

    Raises:
        UsageError: the cell line's tracks or meta values are not a network's, or one uses annotation and the store has
            none.
        StoreError: a chunk of the store is missing or damaged, or a score is not finite.
    """
    chroms = np.unique(bins.chrom).tolist()
    for network in networks:
        network_inputs(network.config, store, (cell,))
        check_mean_signal(network, store, chroms)
    networks = [network.to(device).eval() for network in networks]
    tiled, separate = list[NetworkGroup](), list[NetworkGroup]()
    for group in group_networks(networks, bins, store):
        (tiled if _is_tiled(group, networks, shared) else separate).append(group)
    scorers = {i: _make_scorer(networks[i]) for group in tiled for i in group.networks}
    buffer = SpanBuffer(store)
    readers = {g.networks: TileReader(store, cell, g.config, g.means, buffer=buffer) for g in tiled}

    def read(step: Step) -> tuple[Step, Tile]:
        return step, readers[step.group.networks].read(step.group.windows, step.rows)

    for step, tile in prefetch(read, steps_along_genome(tiled)):
        windows = step.group.windows
        tensors = _to_device(tile, device)
        for i in step.group.networks:
            begin = perf_counter()
            scores = np.zeros((tile.rows.stop - tile.rows.start, len(networks[i].config.tasks)), np.float32)
            if tile.starts.size:
                extra = tensors.annotation if isinstance(scorers[i], BlockScorer) else tensors.features
                clean = scorers[i].score(
                    tensors.codes, tensors.tracks, tensors.starts, extra, batch_size=batch_size, amp=amp
                )
                scores[windows.clean[tile.rows]] = clean.cpu().numpy()
            seconds = perf_counter() - begin
            _check_finite(scores, windows, tile.rows, store, cell)
            yield NetworkScores(i, windows.rows[tile.rows], scores, seconds)
    for group in separate:
        yield from _one_by_one(group, networks, store, cell, device=device, batch_size=batch_size, amp=amp)


def check_mean_signal(network: AnyNetwork, store: Store, chroms: Iterable[int]) -> None:
    """Check that the mean signal that a network sees covers chromosomes, given by their index in a store.

    Raises:
        UsageError: it lacks one of them, or has another length or sequence of it.
    """
    if not isinstance(network, BlockEnsemble) or not network.config.mean_tracks:
        return
    if network.mean_signal is None:
        raise UsageError(
            f"the mean signal of {', '.join(network.config.mean_tracks)} is missing; load it with the model"
        )
    for chrom in chroms:
        found = store.info.chromosomes[chrom]
        network.mean_signal.check_chromosome(found.name, found.length, found.digest)


@dataclass(frozen=True, eq=False, slots=True)
class _TileTensors:
    """Arrays of a `Tile` on the device; None where a network has no such input."""

    codes: torch.Tensor
    tracks: torch.Tensor
    starts: torch.Tensor
    features: torch.Tensor | None
    annotation: torch.Tensor | None


def _to_device(tile: Tile, device: torch.device) -> _TileTensors:
    codes, tracks, starts = (torch.from_numpy(a).to(device) for a in (tile.codes, tile.tracks, tile.starts))
    features = torch.from_numpy(tile.features).to(device) if tile.features.size else None
    annotation = None if tile.annotation is None else torch.from_numpy(tile.annotation).to(device)
    return _TileTensors(codes, tracks, starts, features, annotation)


def _make_scorer(network: AnyNetwork) -> BlockScorer | SharedConvolution:
    return BlockScorer(network) if isinstance(network, BlockEnsemble) else SharedConvolution(network)


def _is_tiled(group: NetworkGroup, networks: Sequence[AnyNetwork], shared: bool | None) -> bool:
    """Return whether the networks of a group compute neighbouring bins together, as asked for or else as is faster."""
    windows = group.windows
    if isinstance(networks[group.networks[0]], BlockEnsemble):
        _log.info(f"{len(windows.rows)} bins, neighbours are computed together")
        return True
    if shared is None:
        n_tiles = sum(bool(windows.clean[rows].any()) for rows in group.tiles)
        shared = is_sharing_worthwhile(int(windows.clean.sum()), n_tiles)
    method = "neighbouring windows share the convolution" if shared else "too far apart to share, so one by one"
    once, per_window = windows.bases_to_scan()
    _log.info(
        f"{len(windows.rows)} windows, {method}: {(once if shared else per_window) / 1e6:.2f} M bases to scan of "
        f"{per_window / 1e6:.2f} M"
    )
    return shared


def is_sharing_worthwhile(n_windows: int, n_tiles: int) -> bool:
    """Return whether windows are close enough together to share their convolution.

    Positions to scan would always favour it: sharing never scans more of them, and scanning a tile is faster per
    position even if windows do not overlap. The overhead of a tile, reading its bases and a batch of its own for the
    LSTM, takes 20 windows to recover (docs/performance.md).
    """
    return n_windows >= 20 * n_tiles


def scored_batches(
    networks: Sequence[FactorNet], batches: Iterable[TensorBatch], device: torch.device, *, amp: bool
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32], float]]:
    """Yield index of a network, rows of the plan, their probabilities and the seconds, batch by batch.

    Every window is computed alone.
    """
    for network in networks:
        network.eval()
    for batch in batches:
        for i, network in enumerate(networks):
            begin = perf_counter()
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=amp):
                probabilities = network(batch.codes, batch.tracks, batch.features)
            scores = probabilities.float().cpu().numpy()
            yield i, batch.index, scores, perf_counter() - begin


def _one_by_one(
    group: NetworkGroup,
    networks: Sequence[AnyNetwork],
    store: Store,
    cell: str,
    *,
    device: torch.device,
    batch_size: int,
    amp: bool,
) -> Iterator[NetworkScores]:
    """Predict as `predict_together` for the networks of one group, every window alone."""
    windows = group.windows
    clean = np.flatnonzero(windows.clean)
    zeros = np.zeros(clean.size, np.int64)
    # A plan has first bases of bins; their middle is the middle of the window.
    start = windows.start[clean] + group.config.window_length // 2 - BIN // 2
    plan = SamplingPlan((cell,), zeros, windows.chrom[clean], start, zeros, np.zeros((clean.size, 0), np.uint8))
    stream = WindowStream(store, plan, stream_settings(group.config, batch_size=batch_size), seed=None)
    of_group = [network for i in group.networks if isinstance(network := networks[i], FactorNet)]
    done = [0] * len(of_group)
    for k, index, batch_scores, seconds in scored_batches(of_group, TensorStream(stream, device), device, amp=amp):
        first, stop = done[k], int(clean[index[-1]]) + 1  # batches come in genome order
        scores = np.zeros((stop - first, batch_scores.shape[1]), np.float32)
        scores[clean[index] - first] = batch_scores
        _check_finite(scores, windows, slice(first, stop), store, cell)
        yield NetworkScores(group.networks[k], windows.rows[first:stop], scores, seconds)
        done[k] = stop
    for i, network, first in zip(group.networks, of_group, done, strict=True):
        if first < len(windows.rows):
            rest = np.zeros((len(windows.rows) - first, len(network.config.tasks)), np.float32)
            yield NetworkScores(i, windows.rows[first:], rest, 0.0)


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
