"""Read predictions with their record, and check that they may be evaluated."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...etl.inputs.alias_tables import read_aliases
from ...etl.inputs.chrom_aliases import abbreviate, alias_hint
from ...store.errors import InputError, UsageError
from ...store.genome.intervals import GenomeCoordinates
from ...store.reader import Store
from ...store.schema import BIN
from ...store.text import format_count
from ..common.arguments import cell_name
from .notes import Notes

if TYPE_CHECKING:
    from ...model.evaluation.bin_scores import Rule
    from ...model.evaluation.genome_scores import GenomeScores
    from ...model.evaluation.provenance import SeenBins
    from ...model.prediction.score_table import ScoreTable
    from ...model.prediction.sidecar import PredictionRecord


@dataclass(frozen=True, kw_only=True)
class PredictionFile:
    """A file of scores to be read.

    Attributes:
        path: as given.
        location: absolute path.
        factor, cell: evaluated.
    """

    path: Path
    location: Path
    factor: str
    cell: str


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What is known of a file of scores, without these.

    Attributes:
        path: of the file, as given.
        counts: what the file has beside scores, as JSON values.
        record: of the predictions; None without one.
        seen: bins that the training has seen; None where that is not known.
    """

    path: Path
    counts: Mapping[str, Any]
    record: PredictionRecord | None
    seen: SeenBins | None

    @property
    def model(self) -> str:
        """Name of the model folder as recorded; empty where it is not."""
        return str(self.record.model.get("name", "")) if self.record else ""


def find_prediction_file(options: argparse.Namespace, store: Store, path: Path) -> PredictionFile:
    """Find of which factor and cell line a file is, without reading its scores.

    Raises:
        UsageError: that is neither given nor recorded, or the store has no such cell line.
        InputError: the file or its record cannot be read.
    """
    from ...model.prediction.score_table import check_is_file

    check_is_file(path)
    record, _ = _record_of(options, path, check=False)
    factor, cell = options.factor, options.cell and cell_name(options.cell)
    if record is not None:
        factor, cell = factor or record.factor, cell or _cell_of(record, store, path)
    return PredictionFile(path=path, location=path.absolute(), factor=factor, cell=cell)


def _record_of(options: argparse.Namespace, path: Path, *, check: bool) -> tuple[PredictionRecord | None, str]:
    """Return the record of a file, or None and why there is none.

    Raises:
        UsageError: there is none, and factor and cell line are not given.
        InputError: it is damaged.
    """
    from ...model.prediction.sidecar import NoRecordError, read_record

    try:
        return read_record(path, check=check), ""
    except NoRecordError as e:
        if options.factor is None or options.cell is None:
            raise UsageError(f"{e}{', or' if e.hint else ';'} give its factor and cell line with -f and -i") from e
        return None, f"{e.path}: {e.problem}"


def read_predictions(
    options: argparse.Namespace, store: Store, file: PredictionFile, notes: Notes
) -> tuple[Predictions, GenomeScores]:
    """Read a file of scores; note what of it was left out, and what is not known of it.

    Raises:
        UsageError: it is of another factor or cell line, or the training has seen its bins, and the options do not
            allow it; or its intervals are no bins.
        InputError: the file or its record cannot be read.
    """
    store.cell(file.cell).factor_index(file.factor)
    record, why_unknown = _record_of(options, file.location, check=True)
    found = _read_scores(options, store, file.location)
    if why_unknown:
        notes.warn(f"{why_unknown}, so nothing protects against evaluating bins that the model was trained on")
    seen = None if record is None else _check_record(options, store, file, record=record, found=found, notes=notes)
    _note_counts(notes, file.path, found.counts)
    return Predictions(path=file.path, counts=found.counts, record=record, seen=seen), found.scores


def _cell_of(record: PredictionRecord, store: Store, path: Path) -> str:
    """Return the cell line of the store that predictions are of: of the recorded name.

    Raises:
        UsageError: the store has no such cell line.
    """
    if record.cell not in store.cells:
        raise UsageError(
            f"{path}: its predictions are for {record.cell}, and the store has {', '.join(store.cells)}; give one of "
            "the same data with -i"
        )
    return record.cell


@dataclass(frozen=True)
class _Found:
    """Scores of the store's bins, how these were found, and what the file has beside them, as JSON values."""

    scores: GenomeScores
    rule: Rule
    counts: Mapping[str, Any] = field(default_factory=dict)


def _read_scores(options: argparse.Namespace, store: Store, path: Path) -> _Found:
    """Read the scores of the store's bins, and count what the file has beside them.

    Raises:
        InputError: as for `read_scores`; also a file without a score on a chromosome of the store.
        UsageError: as for `score_bins`.
    """
    from ...model.evaluation.bin_scores import score_genome
    from ...model.evaluation.score_file import read_scores, read_scores_in_parts

    coordinates = store.coordinates
    aliases = read_aliases(options.chrom_alias, coordinates.names)
    counter, found = _TableCounter(), None
    with suppress(UsageError):  # a chromosome alone may not show what its intervals are
        found = score_genome(counter.counting(read_scores_in_parts(path, coordinates, aliases)), coordinates)
    if found is None:
        counter = _TableCounter()
        try:
            found = score_genome(counter.counting([read_scores(path, coordinates, aliases)]), coordinates)
        except UsageError as error:
            if not counter.n_intervals:
                raise counter.nothing_found(path, coordinates) from error
            raise UsageError(f"{path}: {error}") from error
        assert found is not None  # one table is not two
    counts = {
        "bins": len(found.scores),
        "bins_from": found.rule,
        "bins_without_score": found.n_missing,
        "intervals_on_other_chromosomes": dict(counter.others),
        "intervals_without_score": counter.counts["without_score"],
        "intervals_past_the_end": counter.counts["past_end"],
        "intervals_repeated": found.n_repeated,
        "repeated_with_another_score": found.n_conflicting,
        "scores_outside_0_to_1": found.n_outside,
        "headings": counter.counts["headings"],
        "lines_with_more_columns": counter.counts["more_columns"],
    }
    return _Found(found.scores, found.rule, counts)


class _TableCounter:
    """Counts what tables of scores have beside scores, as they are read."""

    def __init__(self) -> None:
        self.others, self.counts, self.n_intervals = Counter[str](), Counter[str](), 0

    def counting(self, tables: Iterable[ScoreTable]) -> Iterator[ScoreTable]:
        """Yield the tables, counted."""
        for table in tables:
            self.others.update(table.other_chromosomes)
            self.n_intervals += len(table.bins)
            for name in ("without_score", "past_end", "headings", "more_columns"):
                self.counts[name] += getattr(table, f"n_{name}")
            yield table

    def nothing_found(self, path: Path, coordinates: GenomeCoordinates) -> InputError:
        """Return the error of a file without a score on a chromosome of the store."""
        if self.others:
            problem = f"the file has {abbreviate(self.others)}, the store {abbreviate(coordinates.names)}"
            hint = alias_hint(self.others, coordinates.names)
            return InputError(path, f"no score on a chromosome of the store; {problem}", hint=hint)
        n = self.counts["without_score"]
        return InputError(
            path, "no score in the file" + f" ({n:,} intervals without one)" * bool(n), hint="predict again"
        )


def _note_counts(notes: Notes, path: Path, counts: Mapping[str, Any]) -> None:
    """Note how bins were found in the file, and what of it was left out."""
    others, numbers = counts["intervals_on_other_chromosomes"], {k: n for k, n in counts.items() if isinstance(n, int)}
    rule = counts["bins_from"]
    texts = [
        (rule == "middles", "each interval is the bin of 200 bases around its middle"),
        (rule == "signal", "the intervals are not bins: each bin has the score of the base in its middle"),
        (
            others,
            f"{format_count(sum(others.values()), 'interval')} left out: on {abbreviate(others)}, not in the store",
        ),
    ]
    for key, noun, text in (
        ("bins_without_score", "bin", "of these chromosomes left out: no score"),
        ("intervals_without_score", "interval", "left out: no score"),
        ("intervals_past_the_end", "interval", "left out: past the end of the chromosome"),
        ("intervals_repeated", "interval", "left out: repeated; the first is used"),
        ("repeated_with_another_score", "repeated interval", "with another score than the first"),
        ("scores_outside_0_to_1", "score", "outside 0 to 1: only their order counts"),
        ("headings", "heading", "skipped"),
        ("lines_with_more_columns", "line", "with more than 4 columns: the others are not used"),
    ):
        texts.append((numbers[key], f"{format_count(numbers[key], noun)} {text}"))
    for applies, text in texts:
        if applies:
            notes.say(f"{path}: {text}")


def _check_record(
    options: argparse.Namespace,
    store: Store,
    file: PredictionFile,
    *,
    record: PredictionRecord,
    found: _Found,
    notes: Notes,
) -> SeenBins | None:
    """Check that predictions are of this factor and cell line, and of bins that the training has not seen.

    Returns how many bins it has seen; None where that is not known, which is noted as a warning.

    Raises:
        UsageError: they are not, and the options do not allow it; or they are of intervals that are not bins.
    """
    from ...model.evaluation.provenance import count_seen, find_changes, find_mismatches
    from ...model.prediction.bins import Bins

    path, factor, cell, scores = file.path, file.factor, file.cell, found.scores
    if found.rule == "signal":
        raise UsageError(
            f"{path}: it is recorded that intervals were predicted which are not bins with labels; "
            "predict all bins with --regions, at a stride that is a multiple of 50"
        )
    chroms = np.array(sorted(scores.by_chrom), np.int64)
    firsts = Bins(chroms, np.zeros_like(chroms), np.full_like(chroms, BIN))
    if problems := find_mismatches(record, store, cell, factor, firsts):
        text = f"{path}: its predictions are {'; '.join(problems)}"
        _refuse(text, notes, allowed=options.allow_mismatch, hint="give others, or allow it with --allow-mismatch")
    for group in find_changes(record, store, cell):
        notes.warn(f"{group} was rebuilt from other data since {path} was predicted")
    counts = [count_seen(record.trainings, store, cell, bins) for bins, _ in scores.pieces()]
    known = [seen for seen in counts if seen is not None]
    if not known:
        notes.warn(f"{path}: it is not recorded on what the model was trained")
        return None
    seen = sum(known[1:], known[0])
    _check_seen(options, file, record, seen, notes)
    return seen


def _check_seen(
    options: argparse.Namespace, file: PredictionFile, record: PredictionRecord, seen: SeenBins, notes: Notes
) -> None:
    """Check that the training of the model has seen none of the bins; note how many it has seen in other cell lines.

    Raises:
        UsageError: it has, and the options do not allow it.
    """
    counts = {"trained": seen.trained, "validated": seen.validated}
    if seen.in_sample:
        parts = " and ".join(f"{what} on {n:,}" for what, n in counts.items() if n)
        first, *earlier = record.trainings  # an earlier one may have seen what the last was tested on
        test = ", ".join(region for region in first.test if all(region in each.test for each in earlier))
        regions = f"its test regions ({test}), or " if test else ""
        text = f"{file.path}: the model was {parts} of the {seen.total:,} bins, in {file.cell}: too good a score"
        hint = f"predict {regions}another cell line, or allow it with --allow-seen"
        _refuse(text, notes, allowed=options.allow_seen, hint=hint)
    if not seen.complete:
        notes.warn(f"{file.path}: the training started from a model, and on what that was trained is not recorded")
    if seen.elsewhere:
        notes.say(
            f"the model was trained or validated on {seen.elsewhere:,} of the {seen.total:,} bins in other cell lines"
        )


def _refuse(problem: str, notes: Notes, *, allowed: bool, hint: str) -> None:
    """Refuse to evaluate, or warn if the options allow it."""
    if not allowed:
        raise UsageError(f"{problem}; {hint}")
    notes.warn(problem)
