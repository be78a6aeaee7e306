"""Predict: intervals in, probabilities out, stretch by stretch in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.errors import StoreError, UsageError
from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan
from ...store.schema import BIN
from ...store.text import format_count
from ...store.windows.loader import WindowStream
from ..data.batches import TensorBatch, TensorStream, stream_settings
from ..network.config import NetworkConfig
from ..network.factornet import FactorNet
from .bins import Bins, SortedWindows
from .shared_convolution import SharedConvolution
from .tiles import Tile, TileReader, prefetch

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
    """Probabilities in the order of the plan, float32 (windows, tasks); `amp` computes in bfloat16 where it is safe."""
    scores = np.empty((windows, len(network.config.tasks)), np.float32)
    for index, some in scored_batches(network, batches, device, amp=amp):
        scores[index] = some
        on_batch(len(index))
    return scores


def scored_batches(
    network: FactorNet, batches: Iterable[TensorBatch], device: torch.device, *, amp: bool
) -> Iterator[Scored]:
    """Rows of the plan and their probabilities, a batch at a time, every window computed alone."""
    network.eval()
    for batch in batches:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=amp):
            probabilities = network(batch.codes, batch.tracks, batch.features)
        yield batch.index, probabilities.float().cpu().numpy()


def check_inputs(config: NetworkConfig, store: Store, cell: str) -> None:
    """See that a cell line has what a network takes: its tracks and meta values, in its order.

    Raises:
        UsageError: it has others, or in another order; both are named.
    """
    info = store.cell(cell)
    wanted = {"tracks": (info.track_names, config.tracks)}
    if config.meta:
        wanted["meta values"] = (info.meta, config.meta)
    for what, (has, needs) in wanted.items():
        if has != needs:
            raise UsageError(
                f"cell line {cell} has the {what} {', '.join(has) or 'none'}; the model was trained on "
                f"{', '.join(needs) or 'none'}, in that order"
            )


def predict_tiles(
    network: FactorNet,
    store: Store,
    cell: str,
    bins: Bins,
    *,
    device: torch.device,
    batch: int = 512,
    amp: bool = False,
    shared: bool | None = None,
) -> Iterator[Scored]:
    """Probabilities of the bins in order of place, a stretch of a chromosome at a time; every row comes once.

    Bins that touch the widened blacklist get 0. Memory is bounded by the stretch: it does not grow with the bins.

    Args:
        network: any variant; it is moved to the device and set to evaluation.
        store: with the cell line.
        cell: whose tracks to read.
        bins: in any order; they may overlap and repeat.
        device: to compute on.
        batch: windows at once, at most.
        amp: compute in bfloat16 where it is safe.
        shared: whether windows share the convolution of the bases they have in common (`model.genome_wide`); None
            chooses by what is to be done.

    Raises:
        UsageError: as for `check_inputs`, or the store has no annotation and the network needs it.
        StoreError: a chunk of the store is missing or damaged, or a score is no number.
    """
    check_inputs(network.config, store, cell)
    network = network.to(device).eval()
    placed = SortedWindows.of(bins, store, length=network.config.window_length)
    stretches = placed.stretches(tile_bases(network.config))
    once, each = placed.bases_to_scan()
    if shared is None:
        shared = is_sharing_worthwhile(
            int(placed.clean.sum()), sum(bool(placed.clean[part].any()) for part in stretches)
        )
    way = "neighbouring windows share the convolution" if shared else "too far apart to share, so one by one"
    _log.info(
        f"{len(bins)} windows, {way}: {(once if shared else each) / 1e6:.2f} M bases to scan of {each / 1e6:.2f} M"
    )
    if not shared:
        yield from _one_by_one(network, store, cell, placed, device=device, batch=batch, amp=amp)
        return
    scan, reader = SharedConvolution(network), TileReader(store, cell, network.config)
    for stretch in prefetch(lambda part: reader.read(placed, part), stretches):
        scores = np.zeros((stretch.part.stop - stretch.part.start, len(network.config.tasks)), np.float32)
        if stretch.starts.size:
            codes, tracks, starts, features = _tensors(stretch, device)
            clean = scan.score(codes, tracks, starts, features=features, batch=batch, amp=amp)
            scores[placed.clean[stretch.part]] = clean.cpu().numpy()
        _refuse_odd(scores, placed, stretch.part, store, cell)
        yield placed.rows[stretch.part], scores


def tile_bases(config: NetworkConfig) -> int:
    """Bases within which the windows of a stretch begin: what both strands' activations, 128 MiB of them, allow."""
    return max(2**24 // config.kernels, 2**14)


def is_sharing_worthwhile(windows: int, stretches: int) -> bool:
    """Whether so many windows in so many stretches lie close enough together.

    Positions to scan would always say yes: shared they are never more, and the scan of a stretch is faster a position
    even where windows do not overlap. What a stretch costs besides, its bases read and a batch of its own for the LSTM,
    takes 20 windows to earn back (docs/performance.md).
    """
    return windows >= 20 * stretches


def _tensors(stretch: Tile, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Codes, tracks, starts and features (None where there are none) on the device."""
    arrays = (stretch.codes, stretch.tracks, stretch.starts, stretch.features)
    codes, tracks, starts, features = (torch.from_numpy(array).to(device) for array in arrays)
    return codes, tracks, starts, features if features.shape[1] else None


def _one_by_one(
    network: FactorNet, store: Store, cell: str, placed: SortedWindows, *, device: torch.device, batch: int, amp: bool
) -> Iterator[Scored]:
    """As `predict_tiles`, every window alone."""
    clean = np.flatnonzero(placed.clean)
    zeros = np.zeros(clean.size, np.int64)
    # A plan holds first bases of bins, of which the window's middle is the middle.
    start = placed.start[clean] + network.config.window_length // 2 - BIN // 2
    plan = SamplingPlan((cell,), zeros, placed.chrom[clean], start, zeros, np.zeros((clean.size, 0), np.uint8))
    stream = WindowStream(store, plan, stream_settings(network.config, batch_size=batch), seed=None)
    done = 0
    for index, some in scored_batches(network, TensorStream(stream, device), device, amp=amp):
        stop = int(clean[index[-1]]) + 1  # batches come in order of place
        scores = np.zeros((stop - done, some.shape[1]), np.float32)
        scores[clean[index] - done] = some
        _refuse_odd(scores, placed, slice(done, stop), store, cell)
        yield placed.rows[done:stop], scores
        done = stop
    if done < len(placed.rows):
        yield placed.rows[done:], np.zeros((len(placed.rows) - done, len(network.config.tasks)), np.float32)


def _refuse_odd(scores: NDArray[np.float32], placed: SortedWindows, part: slice, store: Store, cell: str) -> None:
    """See that all scores of a part of the bins are numbers.

    Raises:
        StoreError: some are not; the message names the bases that the first such windows see.
    """
    odd = part.start + np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if not odd.size:
        return
    chrom = int(placed.chrom[odd[0]])
    here = placed.start[odd[placed.chrom[odd] == chrom]]
    stop = min(int(here[-1]) + placed.length, store.coordinates.lengths[chrom])
    raise StoreError(
        store.location,
        f"cell line {cell}: {format_count(odd.size, 'window')} of {len(scores)} have no number "
        f"for a score, in {Region(store.coordinates.names[chrom], max(int(here[0]), 0), stop)}",
        hint="look there for values in its tracks that are infinite or far too large, and for such "
        "weights in the model",
    )


def predict_bins(
    network: FactorNet,
    store: Store,
    cell: str,
    bins: Bins,
    *,
    device: torch.device,
    batch: int = 512,
    on_batch: Callable[[int], None] = lambda windows: None,
    amp: bool = False,
    shared: bool | None = None,
) -> NDArray[np.float32]:
    """Probability of each bin, float32 (bins, tasks); 0 where the bin touches the widened blacklist.

    Arguments and errors as for `predict_tiles`; `on_batch` hears of every so many bins done.
    """
    scores = np.zeros((len(bins), len(network.config.tasks)), np.float32)
    for rows, some in predict_tiles(network, store, cell, bins, device=device, batch=batch, amp=amp, shared=shared):
        scores[rows] = some
        on_batch(len(rows))
    return scores
