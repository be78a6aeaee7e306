"""Predict to files: intervals in their order, or all bins of regions, resumable region by region."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...store.errors import UsageError
from ...store.files.atomic_write import named_write_errors
from ...store.files.outputs import check_output_file, output_lock, remove, remove_temporary_files
from ...store.genome.bigwig_file import Replace
from ...store.genome.intervals import GenomeCoordinates
from ...store.genome.regions import Region
from ...store.schema import BIN
from .bigwig_writer import open_bigwig, open_bigwig_of
from .bins import Bins, count_bins, first_and_count, pieces_of_region
from .output_names import ScoreFormat, score_format
from .predict import check_mean_signal
from .predictor import Predictor
from .region_parts import RegionParts
from .sidecar import PredictionRecord, check_sidecar, read_record, replacing_with_sidecar, sidecar_path
from .writers import ScoreWriter, open_bedgraph, open_raw_scores

OnBins = Callable[[int], None]


def predict_intervals(
    predictor: Predictor,
    bins: Bins,
    output: Path,
    on_bins: OnBins = lambda n: None,
    *,
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
) -> PredictionRecord:
    """Write the scores of intervals: bigWig or bedGraph, by the name of `output`, in the order of the intervals.

    Scores are written as they are computed. Only a bedGraph of unsorted intervals is written at the end; until then
    4 bytes per bin are held. The file is replaced in one step, once what is read back equals what was written.

    Args:
        predictor: network, store, cell line and factor.
        bins: the intervals.
        output: the file.
        on_bins: called with the number of bins just predicted.
        overwrite: replace an existing file.
        options: where the intervals are from, to be recorded, as JSON values.

    Returns:
        The record of the file, written next to it (`sidecar`).

    Raises:
        InputError: another process writes the file, or it cannot be written.
        UsageError: as for `predict_tiles` and `score_format`, or `output` is a bigWig and there is no interval or two
            have the same middle, or the file exists and `overwrite` is false.
        StoreError: as for `predict_tiles`.
    """
    score_format(output)  # an error before any work
    replace = partial(replacing_with_sidecar, record=partial(predictor.record, [bins], options or {}))
    with _prediction_lock(output, overwrite=overwrite):
        _predict_intervals(predictor, bins, output, on_bins, replace)
        return read_record(output)


@contextmanager
def _prediction_lock(output: Path, *, overwrite: bool) -> Iterator[None]:
    """Hold the lock of a file of predictions and its sidecar file, which may be replaced."""
    with output_lock(output):
        check_output_file(output, overwrite=overwrite)
        check_sidecar(output)
        remove_temporary_files(output.absolute().parent, sidecar_path(output).name)
        yield


def _predict_intervals(predictor: Predictor, bins: Bins, output: Path, on_bins: OnBins, replace: Replace) -> None:
    coordinates = predictor.store.coordinates
    kind = score_format(output)
    open_text = partial(open_bedgraph, output, gzipped=kind == "gzipped bedgraph")
    if kind != "bigWig" and (bins.genome_order() != np.arange(len(bins))).any():
        column = np.empty(len(bins), np.float32)
        for rows, scores in predictor.scored(bins):
            column[rows] = scores
            on_bins(rows.size)
        with open_text(coordinates, replace=replace) as file:
            file.add(bins, column)
        return
    open_file = partial(open_bigwig_of, output, bins) if kind == "bigWig" else open_text
    with open_file(coordinates, replace=replace) as file:
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
) -> PredictionRecord:
    """Write the scores of all bins of regions: bigWig or bedGraph, by the name of `output`.

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

    Returns:
        The record of the file, written next to it (`sidecar`).

    Raises:
        InputError: another process writes the file, or it cannot be written.
        UsageError: as for `score_format`, no bin is inside the regions, `output` is a bigWig and regions overlap, an
            interrupted run had other settings, or the file exists and `overwrite` is false.
        StoreError: as for `predict_tiles`.
    """
    coordinates, kind = predictor.store.coordinates, score_format(output)
    count_bins(regions, coordinates, stride=stride)
    chroms = {coordinates.index(region.chrom) for region in regions}
    check_mean_signal(predictor.network, predictor.store, sorted(chroms))
    if kind == "bigWig":
        _check_no_overlap(regions, output, stride=stride)
    named = {"stride": stride, "regions": [str(r) for r in regions]}
    pieces = (p for region in regions for p in pieces_of_region(region, coordinates, stride=stride))
    replace = partial(replacing_with_sidecar, record=partial(predictor.record, pieces, named))
    with _prediction_lock(output, overwrite=overwrite):
        settings = predictor.settings() | named | {"format": kind}
        parts = RegionParts.begin(output, regions, settings, resume=resume)
        try:
            _predict_parts(parts, predictor, stride=stride, kind=kind, on_bins=on_bins, on_kept=on_kept)
            if kind == "bigWig":
                _join_bigwig(parts, output, coordinates, stride=stride, replace=replace)
            else:
                _join_bedgraph(parts, output, replace)
        except BaseException:
            if not parts.digests:  # nothing to resume
                parts.remove()
            raise
        parts.remove()
        return read_record(output)


def _predict_parts(
    parts: RegionParts, predictor: Predictor, *, stride: int, kind: ScoreFormat, on_bins: OnBins, on_kept: OnBins
) -> None:
    """Write the scores of the regions that are not finished yet."""
    open_text = partial(open_bedgraph, coordinates=predictor.store.coordinates, gzipped=kind == "gzipped bedgraph")
    open_part = open_raw_scores if kind == "bigWig" else open_text
    remove_temporary_files(parts.folder)
    for i, region in enumerate(parts.regions):
        if parts.is_finished(i):
            on_kept(first_and_count(region, stride=stride)[1])
            continue
        remove(parts.path(i))  # of a run that was killed before its digest was written
        with open_part(parts.path(i)) as file:
            for bins in pieces_of_region(region, predictor.store.coordinates, stride=stride):
                _predict_to(file, predictor, bins, on_bins)
        parts.finish(i)


def _check_no_overlap(regions: list[Region], output: Path, *, stride: int) -> None:
    for a, b in pairwise(sorted(regions, key=lambda r: (r.chrom, r.start))):
        first, count = first_and_count(a, stride=stride)
        if a.chrom == b.chrom and count and first_and_count(b, stride=stride)[0] <= first + stride * (count - 1):
            raise UsageError(f"{output}: a bigWig has one value per base, but {a} and {b} overlap; write .bed.gz")


def _join_bigwig(
    parts: RegionParts, output: Path, coordinates: GenomeCoordinates, *, stride: int, replace: Replace
) -> None:
    """Join raw scores to a bigWig, whose entries must be in genome order, whatever the order of the regions."""
    total = count_bins(list(parts.regions), coordinates, stride=stride)
    span = min(stride, BIN) if total > 1 else BIN
    chroms = sorted({coordinates.index(r.chrom) for r in parts.regions if first_and_count(r, stride=stride)[1]})
    genome_order = sorted((coordinates.index(r.chrom), r.start, i) for i, r in enumerate(parts.regions))
    with open_bigwig(output, coordinates, chroms=chroms, span=span, replace=replace) as file:
        for _, _, i in genome_order:
            sha256 = hashlib.sha256()
            with parts.path(i).open("rb") as scores:
                for bins in pieces_of_region(parts.regions[i], coordinates, stride=stride):
                    sha256.update(data := scores.read(4 * len(bins)))
                    file.add(bins, np.frombuffer(data, "<f4"))
            parts.check(i, sha256.hexdigest())


def _join_bedgraph(parts: RegionParts, output: Path, replace: Replace) -> None:
    """Concatenate texts, or gzip files, which gives a gzip file."""
    with named_write_errors(output), replace(output) as joined, joined.open("wb") as file:
        for i in range(len(parts.regions)):
            sha256 = hashlib.sha256()
            with parts.path(i).open("rb") as part:
                while data := part.read(1 << 20):
                    sha256.update(data)
                    file.write(data)
            parts.check(i, sha256.hexdigest())
