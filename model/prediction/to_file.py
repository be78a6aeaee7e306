"""Predict one file: intervals in their order, or all bins of regions, resumable part by part.

A run of one file (`runs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...store.errors import UsageError
from ...store.files.outputs import output_lock
from ...store.genome.regions import Region
from .bins import Bins
from .predictor import Predictor
from .runs.interval_run import IntervalBins, predict_outputs_for_intervals
from .runs.interval_tiles import TileRule
from .runs.outputs import Output
from .runs.region_bins import RegionBins
from .runs.region_run import OnBins, predict_outputs_in_regions, remove_left_parts
from .runs.workers import RegionWorkers
from .sidecar import PredictionRecord, read_record


def predict_intervals(
    predictor: Predictor,
    bins: Bins,
    output: Path,
    on_bins: OnBins = lambda n: None,
    *,
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
    tile: TileRule | None = None,
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
        tile: give an interval that is longer than a bin the highest score ("max") or the mean ("mean") of the bins in
            it; None scores the bin in its middle.

    Returns:
        The record of the file, written next to it (`sidecar`).

    Raises:
        InputError: another process writes the file, or it cannot be written.
        UsageError: as for `predict_tiles` and `score_format`, or `output` is a bigWig and there is no interval or two
            have the same middle, or the file exists and `overwrite` is false.
        StoreError: as for `predict_tiles`.
    """
    intervals = IntervalBins(bins=bins, origin=options or {}, tile=tile)
    of_file = Output(path=output, predictors=(predictor,))
    predict_outputs_for_intervals([of_file], intervals, overwrite=overwrite, on_bins=on_bins)
    return read_record(output)


@contextmanager
def existing_predictions(predictor: Predictor, bins: RegionBins | IntervalBins, output: Path) -> Iterator[None]:
    """Hold the lock of a finished file of predictions, after checking that they are those of a predictor.

    What its run has left beside it, killed once the file was there, is removed.

    Args:
        predictor: network, store, cell line and factor.
        bins: that are to be predicted.
        output: the file.

    Raises:
        UsageError: they are others.
        InputError: it is not recorded what they are, or another process writes the file.
    """
    with output_lock(output):
        if changes := predictor.differences(read_record(output), bins.options()):
            raise UsageError(
                f"{output}: already exists, and is not what this command predicts ({'; '.join(changes)}); give another "
                "name, or replace it with the force option"
            )
        if isinstance(bins, RegionBins):
            remove_left_parts(Output(path=output, predictors=(predictor,)), bins)
        yield


def predict_regions(
    predictor: Predictor,
    regions: list[Region],
    output: Path,
    *,
    stride: int,
    resume: bool = False,
    overwrite: bool = False,
    workers: RegionWorkers | None = None,
    on_bins: OnBins = lambda n: None,
    on_kept: OnBins = lambda n: None,
) -> PredictionRecord:
    """Write the scores of all bins of regions: bigWig or bedGraph, by the name of `output`.

    The scores of each part, some Mb of a region, become a file in a folder next to the output; at the end they are
    joined. An interrupted run resumes after the last finished part and ends in the same bytes.

    Args:
        predictor: network, store, cell line and factor.
        regions: in the order of the output.
        output: the file; it is replaced in one step.
        stride: bases between the starts of bins.
        resume: keep finished parts of an interrupted run.
        overwrite: replace an existing file.
        workers: compute the parts on these (`runs.workers`); None computes them here.
        on_bins: called with the number of bins just predicted.
        on_kept: called with the number of bins of each part that an interrupted run finished.

    Returns:
        The record of the file, written next to it (`sidecar`).

    Raises:
        InputError: another process writes the file, or it cannot be written.
        UsageError: as for `score_format`, no bin is inside the regions, `output` is a bigWig and regions overlap, an
            interrupted run had other settings, or the file exists and `overwrite` is false.
        StoreError: as for `predict_tiles`.
        WorkersError: workers were lost, or failed.
    """
    of_file = Output(path=output, predictors=(predictor,))
    bins = RegionBins(regions=tuple(regions), stride=stride)
    predict_outputs_in_regions(
        [of_file], bins, resume=resume, overwrite=overwrite, workers=workers, on_bins=on_bins, on_kept=on_kept
    )
    return read_record(output)
