"""Predict: intervals in, probabilities out, written as FactorNet's gzipped bedgraph or as bigWig."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig
import torch
from numpy.typing import NDArray

from ..store.axis import GenomeAxis, Intervals, overlaps
from ..store.errors import InputError, UsageError
from ..store.plan import Plan
from ..store.reader import Store
from ..store.regions import Region
from ..store.sampling import widened_blacklist
from ..store.schema import BIN, bin_count
from ..store.stream import WindowStream
from .batches import TensorStream, stream_settings
from .network import FactorNet, NetworkConfig


@dataclass(frozen=True)
class Bins:
    """Intervals to predict, in the order of the output; int64 arrays of one length, `chrom` indexes the store's."""

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of intervals."""
        return int(self.start.size)


def bins_of_regions(regions: list[Region], axis: GenomeAxis, *, stride: int) -> Bins:
    """All 200-base bins that lie inside the regions, one every `stride` bases, counted from each chromosome's start."""
    parts = []
    for region in regions:
        count = bin_count(axis.lengths[axis.index(region.chrom)])
        if count == 0 or stride < 1:
            raise UsageError(f"{region}: no bin of {BIN} bases fits, or --stride {stride} is not a positive number")
        first = -(-region.start // stride) * stride
        start = np.arange(first, region.stop - BIN + 1, stride, dtype=np.int64)
        parts.append((np.full(start.size, axis.index(region.chrom), np.int64), start))
    chrom, start = (np.concatenate([p[i] for p in parts]) for i in range(2))
    return Bins(chrom, start, start + BIN)


@torch.inference_mode()
def predict_plan(
    network: FactorNet,
    stream: WindowStream,
    windows: int,
    device: torch.device,
    on_batch: Callable[[int], None] = lambda windows: None,
    *,
    amp: bool = False,
) -> NDArray[np.float32]:
    """Probabilities in the order of the plan, float32 (windows, tasks); `amp` computes in bfloat16 where it is safe."""
    network.eval()
    scores = np.empty((windows, len(network.config.tasks)), np.float32)
    for batch in TensorStream(stream, device):
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            probabilities = network(batch.codes, batch.tracks, batch.features)
        scores[batch.index] = probabilities.float().cpu().numpy()
        on_batch(len(batch.index))
    return scores


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


def predict_bins(
    network: FactorNet,
    store: Store,
    cell: str,
    bins: Bins,
    *,
    device: torch.device,
    batch: int = 512,
    on_batch: Callable[[int], None] = lambda windows: None,
) -> NDArray[np.float32]:
    """Probability of each bin, float32 (bins, tasks); 0 where the bin touches the widened blacklist.

    Raises:
        UsageError: as for `check_inputs`.
    """
    check_inputs(network.config, store, cell)
    axis = store.axis
    placed = Intervals(axis.place(bins.chrom, bins.start), axis.place(bins.chrom, bins.stop))
    clean = np.flatnonzero(~overlaps(placed, widened_blacklist(store, network.config.length)))
    zeros = np.zeros(clean.size, np.int64)
    middle = (bins.start[clean] + bins.stop[clean]) // 2
    no_label = np.zeros((clean.size, 0), np.uint8)
    plan = Plan((cell,), zeros, bins.chrom[clean], middle - BIN // 2, zeros, no_label)
    stream = WindowStream(store, plan, stream_settings(network.config, batch=batch), seed=None)
    scores = np.zeros((len(bins), len(network.config.tasks)), np.float32)
    scores[clean] = predict_plan(network.to(device), stream, clean.size, device, on_batch)
    return scores


def write_bedgraph(path: Path, bins: Bins, scores: NDArray[np.float32], axis: GenomeAxis) -> None:
    """``chrom start stop score`` with tabs and ``%.3e``, gzipped, in the order of the bins, as FactorNet's predict."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for i in range(0, len(bins), 65536):
            piece = slice(i, i + 65536)
            rows = zip(bins.chrom[piece], bins.start[piece], bins.stop[piece], scores[piece], strict=True)
            file.write("".join(f"{axis.names[c]}\t{a}\t{b}\t{s:.3e}\n" for c, a, b, s in rows).encode())
    part.replace(path)


def write_bigwig(path: Path, bins: Bins, scores: NDArray[np.float32], axis: GenomeAxis) -> None:
    """The scores as bigWig. Overlapping bins share the genome: each gets the bases around its middle, as many as there
    are between the closest two middles (50 for the usual stride).
    """
    order = np.lexsort((bins.start + bins.stop, bins.chrom))
    chrom, middle = bins.chrom[order], (bins.start + bins.stop)[order] // 2
    gaps = np.diff(middle)[np.diff(chrom) == 0]
    if (gaps == 0).any():
        raise UsageError(
            f"{path}: a bigWig has one value a base, but two intervals have the same middle; write .bed.gz"
        )
    span = int(min(gaps.min() if gaps.size else BIN, BIN))
    part = path.with_name(f".{path.name}.part")
    file = pyBigWig.open(str(part), "w")
    used = sorted({int(c) for c in chrom})
    file.addHeader([(axis.names[c], axis.lengths[c]) for c in used], maxZooms=10 if len(bins) > 1 else 0)
    for c in used:
        here = chrom == c
        starts = np.maximum(middle[here] - span // 2, 0)
        stops = np.minimum(starts + span, axis.lengths[c])
        values = scores[order][here].astype(np.float64)
        for i in range(0, starts.size, 1_000_000):
            piece = slice(i, i + 1_000_000)
            names = [axis.names[c]] * len(starts[piece])
            file.addEntries(names, starts[piece].tolist(), ends=stops[piece].tolist(), values=values[piece].tolist())
    file.close()
    part.replace(path)


def read_bedgraph(path: Path, axis: GenomeAxis) -> tuple[Bins, NDArray[np.float32]]:
    """Bins and scores of a (gzipped) bedgraph.

    Raises:
        InputError: no such file, or a line is not ``chrom start stop score`` on a chromosome of the store.
    """
    index = {name: i for i, name in enumerate(axis.names)}
    if not path.is_file():
        raise InputError(path, "no such file", cure="write it with factornet-predict")
    rows: list[tuple[int, int, int]] = []
    scores: list[float] = []
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt") if zipped else path.open() as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            try:
                rows.append((index[fields[0]], int(fields[1]), int(fields[2])))
                scores.append(float(fields[3]))
            except (KeyError, IndexError, ValueError) as e:
                cure = "write CHROM START STOP SCORE, with chromosomes of the store"
                raise InputError(path, f"cannot be read: {line.strip()[:60]!r}", cure=cure, line=number) from e
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Bins(table[:, 0], table[:, 1], table[:, 2]), np.array(scores, np.float32)
