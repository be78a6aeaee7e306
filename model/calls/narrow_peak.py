"""Call the sites of a file of predictions, and write them as ENCODE's narrowPeak next to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...store.files.atomic_write import named_write_errors
from ...store.files.file_kinds import file_kind
from ...store.genome.bigwig_format import check_structure, read_blocks
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from ..evaluation.score_file import read_scores
from ..model_dir.calibration import Calibration
from ..prediction.runs.outputs import output_locks
from ..prediction.sidecar import PredictionRecord, read_record, replacing_with_sidecar
from .call_sites import Sites, call_sites

_SUFFIX = ".narrowPeak"
_HIGHEST = 1000  # of the score in a narrowPeak
_MISSING = -1  # p-value: there is none

_Scored = tuple[int, NDArray[np.int64], NDArray[np.float32]]


def calls_path(predictions: Path) -> Path:
    """Return the path of the sites of a file of predictions: ``x.narrowPeak`` for ``x.bw`` or ``x.bed.gz``."""
    name = predictions.name.removesuffix(".gz")
    return predictions.with_name(name.rpartition(".")[0] + _SUFFIX)


@contextmanager
def calls_lock(predictions: Path, *, overwrite: bool) -> Iterator[None]:
    """Hold the lock of the sites of a file of predictions: before that is computed, until they are called.

    Raises:
        UsageError: the file of sites exists and `overwrite` is false, or it or its record cannot be replaced.
        InputError: another process writes it.
    """
    with output_locks([calls_path(predictions)], overwrite=overwrite):
        yield


def call_predictions(predictions: Path, coordinates: GenomeCoordinates, calibration: Calibration, *, fdr: float) -> int:
    """Write the sites of predictions, and a record next to them; return their number.

    The caller holds their lock (`calls_lock`).

    A site is a run of bins that touch, all with scores at which the false discovery rate among the validation bins was
    at most `fdr`. Of a bigWig one chromosome is held at a time.

    Columns: chrom, start, stop, ``<factor>_<cell>_<number>``, 1000 times the highest score, ``.``, the highest score,
    -1, -log10 of the false discovery rate at that score, and the summit, counted from the start.

    Args:
        predictions: file of calibrated scores, with its record.
        coordinates: the store's chromosomes.
        calibration: of the factor, with rates at the prevalence of the scores (`Calibration.with_rates_at`).
        fdr: false discovery rate.

    Raises:
        UsageError: no threshold has so low a false discovery rate.
        InputError: the predictions have no record or cannot be read, or the sites cannot be written.
    """
    threshold = calibration.threshold_for(fdr)
    record, output = read_record(predictions), calls_path(predictions)
    count = 0
    content = partial(_record, record, predictions.name, fdr, threshold)
    with named_write_errors(output), replacing_with_sidecar(output, content) as part, part.open("w") as file:
        for chrom, starts, scores in _by_chromosome(predictions, coordinates):
            sites = call_sites(starts, scores, threshold)
            file.writelines(_lines(sites, coordinates.names[chrom], record, calibration, count))
            count += len(sites)
    return count


def _record(
    record: PredictionRecord, predictions: str, fdr: float, threshold: float, *, file_sha256: str
) -> PredictionRecord:
    called = {"predictions": predictions, "predictions_sha256": record.file_sha256, "fdr": fdr, "threshold": threshold}
    return replace(record, options={**record.options, "called": called}, file_sha256=file_sha256)


def _lines(sites: Sites, chrom: str, record: PredictionRecord, calibration: Calibration, before: int) -> Iterator[str]:
    # No bound on a rate is lower than one false site in as many as the validation regions have.
    q = np.maximum(calibration.q_values(sites.score), 1 / (calibration.bound + 1))
    columns = (sites.start, sites.stop, sites.summit - sites.start, sites.score, -np.log10(q))
    for i, (start, stop, summit, score, minus_log_q) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        name = f"{record.factor}_{record.cell}_{before + i + 1}"
        height = round(_HIGHEST * score)
        yield f"{chrom}\t{start}\t{stop}\t{name}\t{height}\t.\t{score:.4g}\t{_MISSING}\t{minus_log_q:.3f}\t{summit}\n"


def _by_chromosome(path: Path, coordinates: GenomeCoordinates) -> Iterator[_Scored]:
    """Yield the bins of a file of predictions and their scores, chromosome by chromosome."""
    if file_kind(path) != "a bigWig":
        table = read_scores(path, coordinates)
        for chrom in np.unique(table.bins.chrom).tolist():
            rows = np.flatnonzero(table.bins.chrom == chrom)
            yield chrom, table.bins.middle[rows] - BIN // 2, table.scores[rows]
        return
    for name, length in check_structure(path).lengths.items():
        blocks = list(read_blocks(path, name, 0, length))
        if blocks:
            starts, stops = (np.concatenate([getattr(b, key) for b in blocks]) for key in ("starts", "stops"))
            middle = (starts.astype(np.int64) + stops) // 2
            yield coordinates.index(name), middle - BIN // 2, np.concatenate([b.values for b in blocks])
