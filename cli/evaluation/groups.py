"""Evaluate the files of each factor and cell line together, here or on workers.

group_files       what files there are, by factor and cell line
EvaluationGroup   those of one: a task, which reads them and compares them
evaluate_groups   do all of them, one at a time or on workers, and hand their reports on in order
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...store.errors import FactorNetError, UsageError
from ...store.reader import Store
from ...store.sampling.peak_warnings import peak_warnings
from ...store.text import format_count
from ..common.arguments import parse_regions
from .baseline_options import BASELINE, baseline_scores
from .notes import Notes
from .predictions import PredictionFile, find_prediction_file, read_predictions
from .report import GroupReport, name_models

if TYPE_CHECKING:
    from ...model.evaluation.genome_scores import GenomeScores


@dataclass(frozen=True)
class GroupFailure:
    """Why the files of a factor and cell line could not be evaluated."""

    cell: str
    factor: str
    error: FactorNetError

    def __str__(self) -> str:
        return f"{self.factor} in {self.cell}: {self.error}"


@dataclass(frozen=True, kw_only=True)
class EvaluationGroup:
    """Files of one factor and cell line.

    Attributes:
        options: of the command.
        store: holds the labels.
        files: at least one.
        only: whether there is no other file.
    """

    options: argparse.Namespace
    store: Store
    files: tuple[PredictionFile, ...]
    only: bool

    def __call__(self) -> GroupReport:
        """Compare the files with each other and with the baselines.

        Raises:
            UsageError, InputError: as for `read_predictions`, `baseline_scores` and `compare`.
        """
        from ...model.evaluation.comparison import compare

        options, store, notes = self.options, self.store, Notes()
        cell, factor = self.files[0].cell, self.files[0].factor
        read = [read_predictions(options, store, file, notes) for file in self.files]
        models = dict(zip(name_models([p for p, _ in read], only=self.only), read, strict=True))
        record = next((p.record for p, _ in read if p.record is not None), None)
        baselines, fitted = baseline_scores(
            options, store, cell=cell, factor=factor, scored=read[0][1], record=record, notes=notes
        )
        fitted_pairs = [(name, BASELINE) for name in models if BASELINE in baselines]
        with _noting_peaks(store, cell, factor, read[0][1], notes):
            comparison = compare(
                store,
                cell=cell,
                factor=factor,
                scores={name: scores for name, (_, scores) in models.items()} | baselines,
                pairs=[*combinations(models, 2), *fitted_pairs],
                by_chromosome=options.by_chromosome,
                replicates=options.replicates,
            )
        if options.picture is not None:
            _draw_locus(options, store, self.files[0], read[0][1])
        described = {name: p for name, (p, _) in models.items()}
        return GroupReport(comparison=comparison, models=described, baseline=fitted, notes=notes)

    def attempt(self) -> GroupReport | GroupFailure:
        """Return the report, or why there is none."""
        try:
            return self()
        except FactorNetError as error:
            return GroupFailure(self.files[0].cell, self.files[0].factor, error)


@contextmanager
def _noting_peaks(store: Store, cell: str, factor: str, scores: GenomeScores, notes: Notes) -> Iterator[None]:
    """Warn of chromosomes without a peak of the factor; where nothing can be measured for that, the error says it."""
    warnings = peak_warnings(store, (cell,), (factor,), (store.coordinates.names[c] for c in scores.by_chrom))
    for warning in warnings:
        notes.warn(warning)
    try:
        yield
    except UsageError as error:
        if not warnings:
            raise
        raise UsageError(f"{error}; {'; '.join(warnings)}") from error


def _draw_locus(options: argparse.Namespace, store: Store, file: PredictionFile, scores: GenomeScores) -> None:
    from ...model.evaluation.locus_plot import best_locus, plot_locus

    coordinates = store.coordinates
    if options.region:
        [region] = parse_regions([options.region], store, option="--region")
    else:
        region = best_locus(*scores.best(), coordinates.names, coordinates.lengths)
    bins, found = scores.within(region, coordinates)
    plot_locus(store, file.cell, file.factor, bins=bins, scores=found, region=region, path=options.picture)


def group_files(options: argparse.Namespace, store: Store, notes: Notes) -> list[EvaluationGroup]:
    """Return the files that the options name by factor and cell line, in the order of the first of them.

    Of a folder, these are the files in its table whose factor has labels in the store; the others are noted.

    Raises:
        UsageError: a file has neither record nor options that say what it is of, the store has no labels of that, or of
            no file of a folder.
        InputError: a file, its record, or the table of a folder cannot be read.
    """
    files = [file for path in options.predictions for file in _files_at(options, store, path, notes)]
    groups: dict[tuple[str, str], dict[Path, PredictionFile]] = {}
    for file in files:
        groups.setdefault((file.factor, file.cell), {})[file.location] = file
    only = sum(map(len, groups.values())) == 1
    options, store = _for_workers(options), store.for_workers()
    return [
        EvaluationGroup(options=options, store=store, files=tuple(group.values()), only=only)
        for group in groups.values()
    ]


def _for_workers(options: argparse.Namespace) -> argparse.Namespace:
    """Return options with absolute paths, and the file of motifs that this process would use."""
    from ...etl.download.user_data import find_motifs_file

    if options.baselines and options.motifs is None:
        options.motifs = find_motifs_file()
    paths = {name: path.absolute() for name in ("motifs", "picture") if (path := getattr(options, name)) is not None}
    return argparse.Namespace(**(vars(options) | paths))


def _files_at(options: argparse.Namespace, store: Store, path: Path, notes: Notes) -> Iterator[PredictionFile]:
    if not path.is_dir():
        file = find_prediction_file(options, store, path)
        store.cell(file.cell).factor_index(file.factor)
        yield file
        return
    from ...model.prediction.runs.report import predicted_files

    found = [find_prediction_file(options, store, path) for path in predicted_files(path)]
    unlabelled = [f for f in found if f.factor not in store.cell(f.cell).factor_names]
    names = [f"{f.factor} in {f.cell}" for f in unlabelled]
    if len(unlabelled) == len(found):
        raise UsageError(f"{path}: the store has labels of none of its files: {', '.join(names)}")
    if unlabelled:
        notes.warn(
            f"{path}: {format_count(len(names), 'file')} left out, without labels in the store: {', '.join(names)}"
        )
    yield from (f for f in found if f not in unlabelled)


def evaluate_groups(
    groups: Sequence[EvaluationGroup], client: Any | None, on_result: Callable[[GroupReport | GroupFailure], None]
) -> None:
    """Evaluate groups; `on_result` receives their reports in order, each as soon as those before it are there.

    Args:
        groups: at least one; an only one raises its error, and is evaluated here.
        client: of a cluster of dask.distributed, or None to evaluate them here, one at a time.
        on_result: called in this process.

    Raises:
        WorkersError: workers were lost.
    """
    if len(groups) == 1:
        on_result(groups[0]())
    elif client is None:
        for group in groups:
            on_result(group.attempt())
    else:
        from ...store.workers.cluster import delayed_call, run_on

        waiting, first = dict[int, GroupReport | GroupFailure](), 0

        def receive(numbered: tuple[int, GroupReport | GroupFailure]) -> None:
            nonlocal first
            waiting[numbered[0]] = numbered[1]
            while first in waiting:
                on_result(waiting.pop(first))
                first += 1

        run_on(client, [delayed_call(_Numbered(i, group), priority=-i) for i, group in enumerate(groups)], receive)


@dataclass(frozen=True)
class _Numbered:
    """A task that also returns its number."""

    number: int
    group: EvaluationGroup

    def __call__(self) -> tuple[int, GroupReport | GroupFailure]:
        return self.number, self.group.attempt()
