"""Write the scores of intervals to several files in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....store.genome.bigwig_file import Replace
from ....store.reader import Store
from ..bigwig_writer import open_bigwig_of
from ..bins import Bins
from ..output_names import score_format
from ..predictor import BinSummary, Predictor, PredictorScores, score_together
from ..sidecar import PredictionRecord, replacing_with_sidecar
from ..writers import ScoreWriter, open_bedgraph
from .ensemble import ComputedBins, mean_of_computed, rank_scores
from .interval_tiles import TileRule, score_tiled, summarize_tiled, tiled_computed
from .outputs import Output, output_locks
from .region_run import OnBins, OnSeconds


@dataclass(frozen=True, kw_only=True, eq=False)
class IntervalBins:
    """Intervals to predict, and how long ones are scored.

    Attributes:
        bins: the intervals, in the order of the file.
        origin: where they are from, to be recorded, as JSON values.
        tile: how the scores of the bins in an interval that is longer than a bin are joined; None scores the bin in
            its middle.
    """

    bins: Bins
    origin: Mapping[str, Any] = field(default_factory=dict)
    tile: TileRule | None = None
    _summaries: dict[int, BinSummary] = field(default_factory=dict, init=False, repr=False)

    def scores(self, predictors: Sequence[Predictor]) -> Iterator[PredictorScores]:
        """Yield the scores of the intervals, as `score_together` does."""
        if self.tile is None:
            return score_together(predictors, self.bins)
        return score_tiled(predictors, self.bins, self.tile)

    def options(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return dict(self.origin) | ({} if self.tile is None else {"tile": self.tile})

    def summary(self, store: Store, margin: int) -> BinSummary:
        """Return what records say of the intervals; they are counted once for each margin."""
        if margin not in self._summaries:
            self._summaries[margin] = (
                BinSummary.of([self.bins], store, margin=margin)
                if self.tile is None
                else summarize_tiled(self.bins, store, margin=margin, rule=self.tile)
            )
        return self._summaries[margin]

    def computed(self, store: Store, margin: int) -> NDArray[np.bool_]:
        """Return which intervals are computed, (intervals,)."""
        if self.tile is not None:
            return tiled_computed(self.bins, store, margin=margin)
        return ComputedBins(store).of(self.bins, margin)

    def record(self, output: Output, *, file_sha256: str) -> PredictionRecord:
        """Return the record of a file."""
        summary = self.summary(output.predictors[0].store, output.margin)
        return output.record(summary, self.options(), file_sha256=file_sha256)


def predict_outputs_for_intervals(
    outputs: Sequence[Output],
    intervals: IntervalBins,
    *,
    overwrite: bool = False,
    on_bins: OnBins = lambda n: None,
    on_seconds: OnSeconds = lambda predictor, n, seconds: None,
) -> None:
    """Write the scores of intervals to files, each in the format of its name, in their order, with its record.

    Windows are read as `predict_together` says. Scores are written as they are computed; those of an ensemble, and of a
    bedGraph of unsorted intervals, are held until the end, 4 bytes an interval and predictor.

    Args:
        outputs: files, and what computes them: in one cell line of one store, on one device.
        intervals: what to predict.
        overwrite: replace existing files.
        on_bins, on_seconds: as for `predict_outputs_in_regions`.

    Raises:
        InputError: another process writes a file, or one cannot be written.
        UsageError: as for `predict_together` and `score_format`, or a file is a bigWig and there is no interval or two
            have the same middle, or one exists and `overwrite` is false.
        StoreError: as for `predict_together`.
    """
    for output in outputs:
        score_format(output.path)  # an error before any work
    with output_locks([output.path for output in outputs], overwrite=overwrite), ExitStack() as stack:
        _predict(outputs, intervals, stack, on_bins, on_seconds)


def _predict(
    outputs: Sequence[Output], intervals: IntervalBins, stack: ExitStack, on_bins: OnBins, on_seconds: OnSeconds
) -> None:
    bins = intervals.bins
    is_sorted = bool((bins.genome_order() == np.arange(len(bins))).all())
    predictors = [p for output in outputs for p in output.predictors]
    writers: dict[int, ScoreWriter] = {}
    columns: dict[int, NDArray[np.float32]] = {}
    first = 0
    for output in outputs:
        if output.ensemble is None and (is_sorted or score_format(output.path) == "bigWig"):
            writers[first] = stack.enter_context(_open(output, intervals))
        else:
            columns |= {first + i: np.empty(len(bins), np.float32) for i in range(len(output.predictors))}
        first += len(output.predictors)
    for found in intervals.scores(predictors):
        rows = bins.take(found.rows)
        for k, scores in zip(found.predictors, found.scores, strict=True):
            if k in writers:
                writers[k].add(rows, scores)
            else:
                columns[k][found.rows] = scores
        on_seconds(predictors[found.predictors[0]], len(rows), found.seconds)
        on_bins(len(rows))
    first = 0
    for output in outputs:
        if first not in writers:
            found_columns = [columns.pop(first + i) for i in range(len(output.predictors))]
            _write(output, intervals, found_columns)
        first += len(output.predictors)


def _open(output: Output, intervals: IntervalBins) -> AbstractContextManager[ScoreWriter]:
    coordinates, kind = output.predictors[0].store.coordinates, score_format(output.path)
    replace: Replace = partial(replacing_with_sidecar, record=partial(intervals.record, output))
    if kind == "bigWig":
        return open_bigwig_of(output.path, intervals.bins, coordinates, replace=replace)
    return open_bedgraph(output.path, coordinates, gzipped=kind == "gzipped bedgraph", replace=replace)


def _write(output: Output, intervals: IntervalBins, columns: Sequence[NDArray[np.float32]]) -> None:
    """Write the scores of all predictors of an output, joined."""
    bins = intervals.bins
    scores = columns[0] if output.ensemble is None else _join(output, intervals, columns)
    order = bins.genome_order() if score_format(output.path) == "bigWig" else np.arange(len(bins))
    with _open(output, intervals) as file:
        file.add(bins.take(order), scores[order])


def _join(output: Output, intervals: IntervalBins, columns: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    store = output.predictors[0].store
    computed = [intervals.computed(store, p.network.config.excluded_margin) for p in output.predictors]
    values = [column.astype(np.float64) for column in columns]
    if output.ensemble == "rank":
        for i, column in enumerate(columns):
            values[i] = np.zeros(len(column))
            values[i][computed[i]] = rank_scores(column[computed[i]], np.sort(column[computed[i]]))
    return mean_of_computed(values, computed)
