"""``factornet-evaluate``: score predictions against the labels of a store."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..etl.inputs.alias_tables import read_aliases
from ..etl.inputs.chrom_aliases import abbreviate, alias_hint
from ..store.errors import InputError, UsageError
from ..store.files.outputs import check_output_file, output_lock
from ..store.text import format_count
from .common.arguments import (
    CHROM_ALIAS_HELP,
    HelpFormatter,
    add_common_options,
    cell_name,
    parse_regions,
)
from .common.output import print_json, print_line, print_table, print_warning
from .common.runner import run_command
from .common.store_options import add_store_options, open_store_from_args
from .evaluation.baseline_options import BASELINE, add_baseline_options, baseline_scores

if TYPE_CHECKING:
    from ..model.evaluation.bin_scores import BinScores
    from ..model.evaluation.provenance import SeenBins
    from ..model.prediction.sidecar import PredictionRecord
    from ..store.reader import Store


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``factornet-evaluate``."""
    parser = argparse.ArgumentParser(
        prog="factornet-evaluate",
        description="Score predictions by the rules of the ENCODE-DREAM challenge: 200-base bins, without ambiguous "
        "ones. --baselines compares them with accessibility, the best hit of the motif, and a regression on both.",
        epilog="example:\n  factornet-evaluate MAX_K562.bed.gz --store hg19.zarr -i K562 -f MAX --baselines \\\n"
        "      --picture MAX_K562.png",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    parser.add_argument(
        "predictions",
        type=Path,
        help="bedgraph or bigWig written by factornet-predict, or by others (chrom, start, stop, score)",
    )
    add_store_options(parser)
    parser.add_argument("-i", "--cell", required=True, help="cell line (or its folder) of the predictions")
    parser.add_argument("-f", "--factor", required=True, help="transcription factor of the predictions")
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="evaluate predictions of another factor, cell line or genome"
    )
    parser.add_argument(
        "--allow-seen", action="store_true", help="evaluate on bins that the model was trained or validated on"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="PNG", help="save a picture of the region with the highest score"
    )
    parser.add_argument("--region", metavar="REGION", help="draw this region instead, such as chr20:1000000-1020000")
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help=CHROM_ALIAS_HELP)
    add_baseline_options(parser)
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(), _run, argv)


def _run(options: argparse.Namespace) -> int:
    if options.picture is None:
        return _evaluate(options)
    with output_lock(options.picture):
        _check_picture(options)
        return _evaluate(options)


def _check_picture(options: argparse.Namespace) -> None:
    from ..model.figures import FIGURE_SUFFIXES

    picture = options.picture
    if picture.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(f"--picture {picture}: a picture is named {', '.join(f'*{s}' for s in FIGURE_SUFFIXES)}")
    check_output_file(picture, overwrite=True)
    if picture.exists() and options.predictions.exists() and picture.samefile(options.predictions):
        raise UsageError(f"--picture {picture}: is the file of predictions; give another name")


def _evaluate(options: argparse.Namespace) -> int:
    from ..model.evaluation.locus_plot import best_locus, plot_locus
    from ..model.evaluation.scoring import evaluate

    store = open_store_from_args(options)
    cell = cell_name(options.cell)
    predicted, counts = _read_scores(options, store)
    bins, scores = predicted.bins, predicted.scores
    record, seen = _check_provenance(options, store, cell, predicted)
    _print_input(options, predicted, counts)
    others, fitted = baseline_scores(options, store, cell=cell, factor=options.factor, bins=bins, record=record)
    result = evaluate(store, cell, options.factor, bins, scores, others=others)
    if options.picture is not None:
        if options.region:
            [region] = parse_regions([options.region], store, option="--region")
        else:
            region = best_locus(bins, scores, store.coordinates.names, store.coordinates.lengths)
        plot_locus(store, cell, options.factor, bins=bins, scores=scores, region=region, path=options.picture)
    if fitted and not options.json:
        print_line(
            f"{BASELINE}: motif {fitted['motif']} and track {fitted['track']}, fitted on {fitted['n_bound']:,} bound "
            f"and {fitted['n_unbound']:,} unbound bins of {', '.join(fitted['cells'])}"
        )
    if options.json:
        measures = {name: s.to_json() for name, s in result.scores.items()}
        print_json(
            {"cell": cell, "factor": options.factor, "ambiguous": result.n_ambiguous, "scores": measures}
            | {"input": counts, "record": record.to_json() if record else None}
            | {"seen": asdict(seen) if seen else None, "baseline": fitted}
        )
        return 0
    model = result.scores["model"]
    print_line(
        f"{options.factor} in {cell}: {model.n:,} bins, {model.positives:,} bound "
        f"(prevalence {model.prevalence:.4f}), {result.n_ambiguous:,} ambiguous excluded"
    )
    columns = ("", "average precision", "auPRC (PRROC)", "auROC", "recall at 10 % FDR", "recall at 50 % FDR")
    rows = []
    for name, s in result.scores.items():
        values = (s.average_precision, s.auprc_davis_goadrich, s.auroc, s.recall_at_10_fdr, s.recall_at_50_fdr)
        rows.append((name, *(f"{x:.4f}" for x in values)))
    print_table("", columns, rows)
    return 0


def _read_scores(options: argparse.Namespace, store: Store) -> tuple[BinScores, dict[str, Any]]:
    """Read the scores of the store's bins, and count what the file has beside them, as JSON values.

    Raises:
        InputError: as for `read_scores`; also a file without a score on a chromosome of the store.
        UsageError: as for `score_bins`.
    """
    from ..model.evaluation.bin_scores import score_bins
    from ..model.evaluation.score_file import read_scores

    path, coordinates = options.predictions, store.coordinates
    table = read_scores(path, coordinates, read_aliases(options.chrom_alias, coordinates.names))
    others = dict(table.other_chromosomes)
    if not len(table.bins):
        if others:
            problem = f"the file has {abbreviate(others)}, the store {abbreviate(coordinates.names)}"
            hint = alias_hint(others, coordinates.names) + " with --chrom-alias"
            raise InputError(path, f"no score on a chromosome of the store; {problem}", hint=hint)
        without = f" ({table.n_without_score:,} intervals without one)" if table.n_without_score else ""
        raise InputError(path, f"no score in the file{without}", hint="predict again")
    try:
        found = score_bins(table.bins, table.scores, coordinates)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    counts = {
        "bins": len(found.bins),
        "bins_from": found.rule,
        "bins_without_score": found.n_missing,
        "intervals_on_other_chromosomes": others,
        "intervals_without_score": table.n_without_score,
        "intervals_past_the_end": table.n_past_end,
        "intervals_repeated": found.n_repeated,
        "repeated_with_another_score": found.n_conflicting,
        "scores_outside_0_to_1": int(((found.scores < 0) | (found.scores > 1)).sum()),
        "headings": table.n_headings,
        "lines_with_more_columns": table.n_more_columns,
    }
    return found, counts


def _print_input(options: argparse.Namespace, found: BinScores, counts: Mapping[str, Any]) -> None:
    """Print how bins were found in the file, and what of it was left out."""
    others, numbers = counts["intervals_on_other_chromosomes"], {k: n for k, n in counts.items() if isinstance(n, int)}
    notes = [
        (found.rule == "middles", "each interval is the bin of 200 bases around its middle"),
        (found.rule == "signal", "the intervals are not bins: each bin has the score of the base in its middle"),
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
        notes.append((numbers[key], f"{format_count(numbers[key], noun)} {text}"))
    for applies, text in () if options.json else notes:
        if applies:
            print_line(f"{options.predictions}: {text}")


def _check_provenance(
    options: argparse.Namespace, store: Store, cell: str, found: BinScores
) -> tuple[PredictionRecord | None, SeenBins | None]:
    """Check that the predictions are of this factor and cell line, and of bins that the training has not seen.

    Returns what is known of them: their record, and how many bins the training has seen. What cannot be known is None,
    and printed as a warning.

    Raises:
        UsageError: they are not, and the options do not allow it; or they are of intervals that are not bins.
        InputError: the record of the predictions is damaged.
    """
    from ..model.evaluation.provenance import count_seen, find_changes, find_mismatches
    from ..model.prediction.sidecar import NoRecordError, read_record

    try:
        record = read_record(options.predictions)
    except NoRecordError as e:
        print_warning(f"{e}, so nothing protects against evaluating bins that the model was trained on")
        return None, None
    if found.rule == "signal":
        raise UsageError(
            f"{options.predictions}: it is recorded that intervals were predicted which are not bins with labels; "
            "predict all bins with --regions, at a stride that is a multiple of 50"
        )
    bins = found.bins
    if problems := find_mismatches(record, store, cell, options.factor, bins):
        text = f"{options.predictions}: its predictions are {'; '.join(problems)}"
        _refuse(text, allowed=options.allow_mismatch, hint="give others, or allow it with --allow-mismatch")
    for group in find_changes(record, store, cell):
        print_warning(f"{group} was rebuilt from other data since {options.predictions} was predicted")
    seen = count_seen(record, store, cell, bins)
    if seen is None:
        print_warning(f"{options.predictions}: it is not recorded on what the model was trained")
    else:
        _check_seen(options, record, seen, cell)
    return record, seen


def _check_seen(options: argparse.Namespace, record: PredictionRecord, seen: SeenBins, cell: str) -> None:
    """Check that the training of the model has seen none of the bins; print how many it has seen in other cell lines.

    Raises:
        UsageError: it has, and the options do not allow it.
    """
    counts = {"trained": seen.trained, "validated": seen.validated}
    if seen.in_sample:
        parts = " and ".join(f"{what} on {n:,}" for what, n in counts.items() if n)
        test = ", ".join(record.trainings[0].test) or "none"
        text = f"{options.predictions}: the model was {parts} of the {seen.total:,} bins, in {cell}: too good a score"
        hint = f"predict its test regions ({test}), or another cell line, or allow it with --allow-seen"
        _refuse(text, allowed=options.allow_seen, hint=hint)
    if not seen.complete:
        print_warning(
            f"{options.predictions}: the training started from a model, and on what that was trained is not recorded"
        )
    if seen.elsewhere and not options.json:
        print_line(
            f"the model was trained or validated on {seen.elsewhere:,} of the {seen.total:,} bins in other cell lines"
        )


def _refuse(problem: str, *, allowed: bool, hint: str) -> None:
    """Refuse to evaluate, or warn if the options allow it."""
    if not allowed:
        raise UsageError(f"{problem}; {hint}")
    print_warning(problem)
