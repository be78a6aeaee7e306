"""Predictions as files: intervals of a BED in its order, or all bins of regions, resumable region by region."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ... import __version__
from ...store.errors import UsageError
from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.schema import BIN
from ..network.factornet import FactorNet
from .bins import Bins, count_bins, first_and_count, pieces_of_region
from .predict import predict_tiles
from .region_parts import Parts
from .writers import BedgraphFile, BigwigFile, RawScoreFile, ScoreFile, bigwig_of, write_bedgraph

OnBins = Callable[[int], None]
BIGWIG_SUFFIXES = (".bw", ".bigwig", ".bigWig")


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Who predicts what: a network for one of its factors in a cell line; fields as for `predict_tiles`."""

    network: FactorNet
    store: Store
    cell: str
    factor: str
    device: torch.device
    batch: int = 512
    amp: bool = False

    def __post_init__(self) -> None:
        tasks = self.network.config.tasks
        if self.factor not in tasks:
            raise UsageError(f"the model does not predict {self.factor!r}; it predicts {', '.join(tasks)}")

    def scored(self, bins: Bins) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Rows of the bins and their probabilities, (n,), in order of place."""
        column = self.network.config.tasks.index(self.factor)
        for rows, scores in predict_tiles(
            self.network, self.store, self.cell, bins, device=self.device, batch=self.batch, amp=self.amp
        ):
            yield rows, scores[:, column]

    def settings(self) -> dict[str, Any]:
        """All that a score depends on, as JSON values."""
        digest = hashlib.sha256(json.dumps(self.network.config.to_json()).encode())
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        about = [self.store.info.to_attributes(), self.store.cell(self.cell).to_attributes()]
        return {
            "factornet": __version__,
            "model": digest.hexdigest(),
            "store": hashlib.sha256(json.dumps(about).encode()).hexdigest(),
            "cell": self.cell,
            "factor": self.factor,
            "batch": self.batch,
            "amp": self.amp,
            "device": self.device.type,
        }


def predict_intervals(predictor: Predictor, bins: Bins, output: Path, on_bins: OnBins = lambda n: None) -> None:
    """Write the scores of intervals: a bigWig where the name says so, else a bedgraph in the order of the intervals.

    Scores are written as they come. Only a bedgraph of unsorted intervals waits for the last, with 4 bytes a bin held.

    Raises:
        UsageError: as for `predict_tiles`, or a bigWig is asked for and two intervals have the same middle.
    """
    coordinates = predictor.store.coordinates
    bigwig = output.suffix in BIGWIG_SUFFIXES
    if not bigwig and (bins.by_place() != np.arange(len(bins))).any():
        column = np.empty(len(bins), np.float32)
        for rows, scores in predictor.scored(bins):
            column[rows] = scores
            on_bins(rows.size)
        write_bedgraph(output, bins, column, coordinates)
        return
    with bigwig_of(output, bins, coordinates) if bigwig else BedgraphFile(output, coordinates) as file:
        _stream(predictor, bins, file, on_bins)


def _stream(predictor: Predictor, bins: Bins, file: ScoreFile, on_bins: OnBins) -> None:
    for rows, scores in predictor.scored(bins):
        file.add(bins.take(rows), scores)
        on_bins(rows.size)


def predict_regions(
    predictor: Predictor,
    regions: list[Region],
    output: Path,
    *,
    stride: int,
    resume: bool = False,
    on_bins: OnBins = lambda n: None,
    on_kept: OnBins = lambda n: None,
) -> None:
    """Write the scores of all bins of regions: a bigWig where the name says so, else a bedgraph.

    Each region's scores become a file in a folder beside the output, which is joined from them at the end. A run that
    was cut off is resumed after the last whole region, and ends in the same bytes. `on_bins` hears of bins as they are
    predicted, `on_kept` of those that an interrupted run left.

    Raises:
        UsageError: no bin lies in the regions, a bigWig is asked for and regions overlap, or an interrupted run had
            other settings.
    """
    coordinates, bigwig = predictor.store.coordinates, output.suffix in BIGWIG_SUFFIXES
    total = count_bins(regions, coordinates, stride=stride)
    if bigwig:
        _refuse_overlap(regions, output, stride=stride)
    named = {"stride": stride, "regions": [str(r) for r in regions], "format": "bigWig" if bigwig else "bedgraph"}
    parts = Parts.begin(output, regions, predictor.settings() | named, resume=resume)
    for i, region in enumerate(regions):
        if parts.path(i).exists():
            on_kept(first_and_count(region, stride=stride)[1])
            continue
        with RawScoreFile(parts.path(i)) if bigwig else BedgraphFile(parts.path(i), coordinates) as file:
            for bins in pieces_of_region(region, coordinates, stride=stride):
                _stream(predictor, bins, file, on_bins)
    if bigwig:
        span = min(stride, BIN) if total > 1 else BIN
        chroms = sorted({coordinates.index(r.chrom) for r in regions if first_and_count(r, stride=stride)[1]})
        with BigwigFile(output, coordinates, chroms=chroms, span=span, single=total < 2) as file:
            _join_bigwig(parts, file, predictor.store, stride=stride)
    else:
        _join_gzip(parts, output)
    parts.remove()


def _refuse_overlap(regions: list[Region], output: Path, *, stride: int) -> None:
    near = sorted(regions, key=lambda r: (r.chrom, r.start))
    for a, b in pairwise(near):
        first, count = first_and_count(a, stride=stride)
        if a.chrom == b.chrom and count and first_and_count(b, stride=stride)[0] <= first + stride * (count - 1):
            raise UsageError(f"{output}: a bigWig has one value a base, but {a} and {b} overlap; write .bed.gz")


def _join_bigwig(parts: Parts, file: BigwigFile, store: Store, *, stride: int) -> None:
    """A bigWig wants its entries in order of place, whatever the order of the regions."""
    coordinates = store.coordinates
    location = [(coordinates.index(region.chrom), region.start, i) for i, region in enumerate(parts.regions)]
    for _, _, i in sorted(location):
        with parts.path(i).open("rb") as scores:
            for bins in pieces_of_region(parts.regions[i], coordinates, stride=stride):
                file.add(bins, np.frombuffer(scores.read(4 * len(bins)), "<f4"))


def _join_gzip(parts: Parts, output: Path) -> None:
    """gzip files one after the other are a gzip file."""
    part = output.with_name(f".{output.name}.part")
    with part.open("wb") as joined:
        for i in range(len(parts.regions)):
            with parts.path(i).open("rb") as file:
                shutil.copyfileobj(file, joined, 1 << 20)
    part.replace(output)
