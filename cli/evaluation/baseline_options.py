"""Choose what baselines use and what they are fitted on, and score bins by them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...store.errors import Problems, UsageError
from ...store.genome.intervals import Intervals, subtract
from ...store.genome.regions import region_intervals, to_regions
from ...store.reader import Store
from ..common.arguments import cell_name, parse_regions
from ..common.known_motifs import MOTIFS_HELP, choose_motif, default_motifs
from ..common.signal_check import zero_warnings
from .notes import Notes

if TYPE_CHECKING:
    from ...model.evaluation.genome_scores import GenomeScores
    from ...model.model_dir.card import TrainingData
    from ...model.motifs.pwm import Motif
    from ...model.prediction.sidecar import PredictionRecord

BASELINE = "PWM x accessibility"
"""Name of the fitted baseline in tables and JSON, as in `model.evaluation.baselines`, which is slow to import."""
_ACCESSIBILITY = re.compile("dnase|atac|dgf|faire", re.IGNORECASE)


def add_baseline_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose baselines."""
    group = parser.add_argument_group("baselines")
    group.add_argument(
        "--baselines",
        action="store_true",
        help="also score accessibility alone, the factor's motif (a position weight matrix, PWM) alone, and both "
        f"together ({BASELINE}), which is fitted on what the model was trained on",
    )
    group.add_argument(
        "--track", help="also score the mean signal of this track; default with --baselines: the cell line's own one"
    )
    group.add_argument(
        "--motifs",
        type=Path,
        metavar="FILE",
        help=f"also score the factor's motif: {MOTIFS_HELP}; default with --baselines: HOCOMOCO v9, if downloaded",
    )
    group.add_argument("--motif-name", metavar="NAME", help="name of the motif; default: the factor")
    group.add_argument(
        "--fit-cells",
        nargs="+",
        metavar="CELL",
        help="cell lines to fit on; default: those of the model's training, from the record of the predictions",
    )
    group.add_argument(
        "--fit-regions",
        nargs="+",
        metavar="REGION",
        help="regions to fit on, such as chr2 or chr20:0-40000000; default: those of the model's training",
    )


def baseline_scores(
    options: argparse.Namespace,
    store: Store,
    *,
    cell: str,
    factor: str,
    scored: GenomeScores,
    record: PredictionRecord | None,
    notes: Notes,
) -> tuple[dict[str, GenomeScores], dict[str, Any] | None]:
    """Return scores by the baselines that the options ask for, by name, and the fitted one as JSON values.

    Args:
        options: of `add_baseline_options`.
        store: holds tracks, sequence, and the labels to fit on.
        cell, factor: evaluated.
        scored: bins to score; in this cell line, none of them is fitted on.
        record: of the predictions; None if there is none.
        notes: receives a warning where the signal is on another scale than that of the cell lines fitted on.

    Raises:
        UsageError: it is not known what to fit on, or which track or motif to use; the message has all options that
            are missing.
        InputError: the file of motifs cannot be read.
    """
    from ...model.data.inputs import manifest_digests
    from ...model.evaluation.baselines import baselines, fit_baseline
    from ...model.evaluation.provenance import is_same_cell
    from ...model.motifs.pwm import log_odds

    if (options.fit_cells or options.fit_regions) and not options.baselines:
        raise UsageError("--fit-cells and --fit-regions say on what to fit a baseline: give --baselines, too")
    problems = Problems(collect=options.baselines)  # all that is missing at once
    motif, track, fitted = None, options.track, None
    with problems.catch():
        motif = _choose_motif(options, factor)
    odds = None if motif is None else log_odds(motif.probabilities)
    if options.baselines:
        cells, regions = _fit_on(options, store, factor, record, problems)
        assert odds is not None
        if is_same_cell(store, cell, cells, manifest_digests(store, cells)):
            regions = _without_evaluated(regions, scored, store, cell)
        track = track or _own_track(store, (cell, *cells))
        for warning in _other_signals(store, cell, cells, track):
            notes.warn(warning)
        _warn_of_zeros(store, cells, track, [r.chrom for r in to_regions(regions, store.coordinates)], notes)
        fitted = fit_baseline(store, cells=cells, factor=factor, regions=regions, track=track, log_odds=odds)
    if track is not None:
        _warn_of_zeros(store, (cell,), track, [store.coordinates.names[c] for c in scored.by_chrom], notes)
    found = scored.rescore(lambda bins: baselines(store, cell, bins, track=track, log_odds=odds, fitted=fitted))
    if fitted is None:
        return found, None
    assert motif is not None
    return found, fitted.to_json() | {"motif": motif.name}


def _other_signals(store: Store, cell: str, cells: Sequence[str], track: str) -> list[str]:
    """Return what of a cell line's track is unlike those that a baseline is fitted on, which makes it a worse one."""
    from ...model.data.signals import compare_signals, track_signals

    fitted_on = track_signals(store, cells, (track,))
    compared = compare_signals(fitted_on, track_signals(store, (cell,), (track,)), ignore_units=True)
    return [f"--baselines: fitted on {', '.join(cells)}: {warning}" for warning in compared]


def _warn_of_zeros(store: Store, cells: Sequence[str], track: str, chroms: Iterable[str], notes: Notes) -> None:
    for warning in zero_warnings(store, cells, (track,), chroms):
        notes.warn(warning)


def _choose_motif(options: argparse.Namespace, factor: str) -> Motif | None:
    if options.motifs is None and not options.baselines:
        return None
    return choose_motif(options.motifs or default_motifs(option="--baselines"), options.motif_name or factor)


def _fit_on(
    options: argparse.Namespace, store: Store, factor: str, record: PredictionRecord | None, problems: Problems
) -> tuple[tuple[str, ...], Intervals]:
    """Return the cell lines and the regions to fit on.

    Raises:
        FactorNetError: these are not known, or there were problems before; the message has all of them.
    """
    cells, regions = None, None
    with problems.catch():
        cells = _fit_cells(options, store, factor, record)
    with problems.catch():
        regions = _fit_regions(options, store, record)
    if len(problems.errors) > 1:
        raise UsageError("; ".join(map(str, problems.errors)))
    if problems.errors:
        raise problems.errors[0]
    assert cells is not None
    assert regions is not None
    return cells, regions


def _fit_cells(
    options: argparse.Namespace, store: Store, factor: str, record: PredictionRecord | None
) -> tuple[str, ...]:
    """Return the cell lines to fit on: those asked for, or those of the training that the store has with the factor."""
    if options.fit_cells:
        return tuple(dict.fromkeys(cell_name(c) for c in options.fit_cells))
    training = _training(record)
    trained = () if training is None else training.cells
    found = tuple(c for c in trained if c in store.cells and factor in store.cell(c).factor_names)
    if not found:
        why = (
            f"the store has none of the training's cell lines {', '.join(trained)} with peaks of {factor}"
            if trained
            else "no record of the predictions names the cell lines of the training"
        )
        raise UsageError(f"--baselines: {why}; give cell lines to fit on with --fit-cells")
    return found


def _fit_regions(options: argparse.Namespace, store: Store, record: PredictionRecord | None) -> Intervals:
    from ...model.evaluation.provenance import training_regions

    if options.fit_regions:
        return region_intervals(parse_regions(options.fit_regions, store, option="--fit-regions"), store.coordinates)
    training = _training(record)
    if training is None:
        raise UsageError(
            "--baselines: no record of the predictions names the regions of the training; give regions to fit on with "
            "--fit-regions"
        )
    return training_regions(training, store.coordinates)[0]


def _without_evaluated(regions: Intervals, scored: GenomeScores, store: Store, cell: str) -> Intervals:
    """Return the parts of regions without a bin that is evaluated.

    Raises:
        UsageError: nothing is left.
    """
    left = subtract(regions, scored.covered(store.coordinates))
    if not left.starts.size:
        raise UsageError(
            f"--baselines: all regions to fit on are evaluated, in the same cell line {cell}; give others with "
            "--fit-regions, or other cell lines with --fit-cells"
        )
    return left


def _training(record: PredictionRecord | None) -> TrainingData | None:
    """Return the last training of the model, if it is recorded."""
    if record is None or not record.trainings or not record.trainings[0].is_recorded:
        return None
    return record.trainings[0]


def _own_track(store: Store, cells: Sequence[str]) -> str:
    """Return the track of accessibility of cell lines: the only one of each one's own, or the only one so named.

    Tracks that all cell lines share, such as uniqueness, say nothing of a cell line.

    Raises:
        UsageError: there is none, or more than one.
    """
    own = [t for t in store.cell(cells[0]).tracks if not t.shared]
    common = [t for t in own if all(t.name in store.cell(c).track_names for c in cells)]
    named = [t for t in common if _ACCESSIBILITY.search(f"{t.name} {t.assay}")]
    for candidates in (common, named):
        if len(candidates) == 1:
            return candidates[0].name
    has = "several tracks of their own" if common else "no track of their own in common"
    names = ", ".join(t.name for t in common or own) or "none"
    raise UsageError(f"--baselines: {', '.join(dict.fromkeys(cells))} have {has} ({names}); choose one with --track")
