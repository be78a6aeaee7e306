"""Predict to files: intervals in their order, or all bins of regions, resumable region by region."""

from __future__ import annotations

import hashlib
import json
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
from ...store.files.atomic_write import named_write_errors, replacing
from ...store.files.outputs import check_output_file, output_lock, remove, remove_temporary_files
from ...store.genome.intervals import GenomeCoordinates
from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.schema import BIN
from ..data.inputs import network_inputs
from ..network.factornet import FactorNet
from .bigwig_writer import open_bigwig, open_bigwig_of
from .bins import Bins, count_bins, first_and_count, pieces_of_region
from .predict import predict_tiles
from .region_parts import RegionParts
from .writers import ScoreWriter, open_bedgraph, open_raw_scores, write_bedgraph

OnBins = Callable[[int], None]
BIGWIG_SUFFIXES = (".bw", ".bigwig", ".bigWig")


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A network that predicts one of its factors in a cell line; other fields as for `predict_tiles`.

    Raises:
        UsageError: the network does not predict the factor, or the cell line lacks inputs of the network.
    """

    network: FactorNet
    store: Store
    cell: str
    factor: str
    device: torch.device
    batch_size: int = 512
    amp: bool = False

    def __post_init__(self) -> None:
        tasks = self.network.config.tasks
        if self.factor not in tasks:
            raise UsageError(f"the model does not predict {self.factor!r}; it predicts {', '.join(tasks)}")
        network_inputs(self.network.config, self.store, (self.cell,))  # an error before any file is created

    def scored(self, bins: Bins) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows of the bins and their probabilities, (n,), in genome order."""
        column = self.network.config.tasks.index(self.factor)
        for rows, scores in predict_tiles(
            self.network, self.store, self.cell, bins, device=self.device, batch_size=self.batch_size, amp=self.amp
        ):
            yield rows, scores[:, column]

    def settings(self) -> dict[str, Any]:
        """Return all that a score depends on, as JSON values."""
        digest = hashlib.sha256(json.dumps(self.network.config.to_json()).encode())
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        attributes = [self.store.info.to_attributes(), self.store.cell(self.cell).to_attributes()]
        return {
            "factornet": __version__,
            "model": digest.hexdigest(),
            "store": hashlib.sha256(json.dumps(attributes).encode()).hexdigest(),
            "cell": self.cell,
            "factor": self.factor,
            "batch": self.batch_size,
            "amp": self.amp,
            "device": self.device.type,
        }


def predict_intervals(
    predictor: Predictor,
    bins: Bins,
    output: Path,
    on_bins: OnBins = lambda n: None,
    *,
    overwrite: bool = False,
) -> None:
    """Write the scores of intervals: bigWig or, by the suffix of `output`, bedGraph in the order of the intervals.

    Scores are written as they are computed. Only a bedGraph of unsorted intervals is written at the end; until then
    4 bytes per bin are held. The file is replaced in one step, once what is read back equals what was written.

    Args:
        predictor: network, store, cell line and factor.
        bins: the intervals.
        output: the file.
        on_bins: called with the number of bins just predicted.
        overwrite: replace an existing file.

    Raises:
        InputError: another process writes the file, or it cannot be written.
        UsageError: as for `predict_tiles`, or `output` is a bigWig and there is no interval or two have the same
            middle, or the file exists and `overwrite` is false.
        StoreError: as for `predict_tiles`.
    """
    with output_lock(output):
        check_output_file(output, overwrite=overwrite)
        _predict_intervals(predictor, bins, output, on_bins)


def _predict_intervals(predictor: Predictor, bins: Bins, output: Path, on_bins: OnBins) -> None:
    coordinates = predictor.store.coordinates
    bigwig = output.suffix in BIGWIG_SUFFIXES
    if not bigwig and (bins.genome_order() != np.arange(len(bins))).any():
        column = np.empty(len(bins), np.float32)
        for rows, scores in predictor.scored(bins):
            column[rows] = scores
            on_bins(rows.size)
        write_bedgraph(output, bins, column, coordinates)
        return
    with open_bigwig_of(output, bins, coordinates) if bigwig else open_bedgraph(output, coordinates) as file:
        _predict_to(file, predictor, bins, on_bins)


def _predict_to(file: ScoreWriter, predictor: Predictor, bins: Bins, on_bins: OnBins) -> None:
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
    overwrite: bool = False,
    on_bins: OnBins = lambda n: None,
    on_kept: OnBins = lambda n: None,
) -> None:
    """Write the scores of all bins of regions: bigWig or, by the suffix of `output`, bedGraph.

    The scores of each region become a file in a folder next to the output; at the end they are joined. An interrupted
    run resumes after the last finished region and ends in the same bytes.

    Args:
        predictor: network, store, cell line and factor.
        regions: in the order of the output.
        output: the file; it is replaced in one step.
        stride: bases between the starts of bins.
        resume: keep finished regions of an interrupted run.
        overwrite: replace an existing file.
        on_bins: called with the number of bins just predicted.
        on_kept: called with the number of bins of each region that an interrupted run finished.

    Raises:
        InputError: another process writes the file, or it cannot be written.
        UsageError: no bin is inside the regions, `output` is a bigWig and regions overlap, an interrupted run had other
            settings, or the file exists and `overwrite` is false.
        StoreError: as for `predict_tiles`.
    """
    coordinates, bigwig = predictor.store.coordinates, output.suffix in BIGWIG_SUFFIXES
    count_bins(regions, coordinates, stride=stride)
    if bigwig:
        _check_no_overlap(regions, output, stride=stride)
    with output_lock(output):
        check_output_file(output, overwrite=overwrite)
        named = {"stride": stride, "regions": [str(r) for r in regions], "format": "bigWig" if bigwig else "bedgraph"}
        parts = RegionParts.begin(output, regions, predictor.settings() | named, resume=resume)
        try:
            _predict_parts(parts, predictor, stride=stride, bigwig=bigwig, on_bins=on_bins, on_kept=on_kept)
            if bigwig:
                _join_bigwig(parts, output, coordinates, stride=stride)
            else:
                _join_gzip(parts, output)
        except BaseException:
            if not parts.digests:  # nothing to resume
                parts.remove()
            raise
        parts.remove()


def _predict_parts(
    parts: RegionParts, predictor: Predictor, *, stride: int, bigwig: bool, on_bins: OnBins, on_kept: OnBins
) -> None:
    """Write the scores of the regions that are not finished yet."""
    coordinates = predictor.store.coordinates
    remove_temporary_files(parts.folder)
    for i, region in enumerate(parts.regions):
        if parts.is_finished(i):
            on_kept(first_and_count(region, stride=stride)[1])
            continue
        remove(parts.path(i))  # of a run that was killed before its digest was written
        with open_raw_scores(parts.path(i)) if bigwig else open_bedgraph(parts.path(i), coordinates) as file:
            for bins in pieces_of_region(region, coordinates, stride=stride):
                _predict_to(file, predictor, bins, on_bins)
        parts.finish(i)


def _check_no_overlap(regions: list[Region], output: Path, *, stride: int) -> None:
    for a, b in pairwise(sorted(regions, key=lambda r: (r.chrom, r.start))):
        first, count = first_and_count(a, stride=stride)
        if a.chrom == b.chrom and count and first_and_count(b, stride=stride)[0] <= first + stride * (count - 1):
            raise UsageError(f"{output}: a bigWig has one value per base, but {a} and {b} overlap; write .bed.gz")


def _join_bigwig(parts: RegionParts, output: Path, coordinates: GenomeCoordinates, *, stride: int) -> None:
    """Join raw scores to a bigWig, whose entries must be in genome order, whatever the order of the regions."""
    total = count_bins(list(parts.regions), coordinates, stride=stride)
    span = min(stride, BIN) if total > 1 else BIN
    chroms = sorted({coordinates.index(r.chrom) for r in parts.regions if first_and_count(r, stride=stride)[1]})
    genome_order = sorted((coordinates.index(r.chrom), r.start, i) for i, r in enumerate(parts.regions))
    with open_bigwig(output, coordinates, chroms=chroms, span=span, single=total < 2) as file:
        for _, _, i in genome_order:
            sha256 = hashlib.sha256()
            with parts.path(i).open("rb") as scores:
                for bins in pieces_of_region(parts.regions[i], coordinates, stride=stride):
                    sha256.update(data := scores.read(4 * len(bins)))
                    file.add(bins, np.frombuffer(data, "<f4"))
            parts.check(i, sha256.hexdigest())


def _join_gzip(parts: RegionParts, output: Path) -> None:
    """Concatenate gzip files, which gives a gzip file."""
    with named_write_errors(output), replacing(output) as joined, joined.open("wb") as file:
        for i in range(len(parts.regions)):
            sha256 = hashlib.sha256()
            with parts.path(i).open("rb") as part:
                while data := part.read(1 << 20):
                    sha256.update(data)
                    file.write(data)
            parts.check(i, sha256.hexdigest())
