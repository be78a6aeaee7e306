"""``factornet-evaluate``: score predictions against the labels of a store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .. import __version__
from ..store.errors import UsageError
from ..store.reader import Store
from .common.arguments import CHROM_ALIAS_HELP, HelpFormatter, add_common_options, picture_lock, positive_int
from .common.output import print_json
from .common.runner import run_command
from .common.store_options import add_store_options, open_store_from_args
from .common.worker_options import add_worker_options, cluster_from_args, store_folder
from .evaluation.baseline_options import BASELINE, add_baseline_options
from .evaluation.groups import GroupFailure, evaluate_groups, group_files
from .evaluation.notes import Notes
from .evaluation.report import GroupReport, print_report
from .run.parser import CommandParser
from .run.record import note_run


def make_parser(prog: str = "factornet-evaluate") -> argparse.ArgumentParser:
    """Return the parser of ``factornet-evaluate``."""
    parser = CommandParser(
        prog=prog,
        description="Score predictions by the rules of the ENCODE-DREAM challenge: 200-base bins, without ambiguous "
        "ones. Measures have 95 % intervals, by bootstrap of blocks of the genome. Files of one factor and cell line "
        "are compared on the same bins. --baselines compares them with accessibility, the best hit of the motif, and a "
        "regression on both.",
        epilog="examples:\n  factornet-evaluate MAX_HeLa-S3.bed.gz --store hg19.zarr --baselines --picture locus.png\n"
        "  factornet-evaluate a/MAX.bw b/MAX.bw a/CTCF.bw --store hg19.zarr --plot models.png\n"
        "  factornet-evaluate K562/ --store hg38.zarr --workers 8 --json > scores.json\n"
        "  factornet-evaluate F.MAX.K562.tab.gz --store hg19.zarr -i K562 -f MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    parser.add_argument(
        "predictions",
        type=Path,
        nargs="+",
        help="bedgraph or bigWig written by factornet-predict, or by others (chrom, start, stop, score); or a folder "
        "of such files that factornet-predict wrote",
    )
    add_store_options(parser)
    recorded = "default: as recorded next to the file"
    parser.add_argument("-i", "--cell", help=f"cell line (or its folder) of the predictions; {recorded}")
    parser.add_argument("-f", "--factor", help=f"transcription factor of the predictions; {recorded}")
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="evaluate predictions of another factor, cell line or genome"
    )
    parser.add_argument(
        "--allow-seen", action="store_true", help="evaluate on bins that the model was trained or validated on"
    )
    parser.add_argument("--by-chromosome", action="store_true", help="measure each chromosome, too")
    parser.add_argument(
        "--replicates", type=positive_int, default=1000, metavar="N", help="bootstrap samples of the intervals"
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="save a plot of the measures with their intervals")
    parser.add_argument(
        "--picture", type=Path, metavar="PNG", help="save a picture of the region with the highest score of one file"
    )
    parser.add_argument("--region", metavar="REGION", help="draw this region instead, such as chr20:1000000-1020000")
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help=CHROM_ALIAS_HELP)
    add_worker_options(parser, processes="each with the files of one factor and cell line at a time")
    add_baseline_options(parser)
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-evaluate") -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), _run, argv)


def _run(options: argparse.Namespace) -> int:
    pictures = {name: getattr(options, name) for name in ("picture", "plot") if getattr(options, name) is not None}
    if len({path.absolute() for path in pictures.values()}) < len(pictures):
        raise UsageError(f"--plot {options.plot}: is the file of --picture; give another name")
    with ExitStack() as stack:
        for name, path in pictures.items():
            stack.enter_context(picture_lock(f"--{name}", path, options.predictions))
        return _evaluate(options)


def _evaluate(options: argparse.Namespace) -> int:
    store, notes, found = open_store_from_args(options), Notes(), list[GroupReport | GroupFailure]()
    groups = group_files(options, store, notes)
    notes.print(warnings_only=options.json)
    if options.picture is not None and not groups[0].only:
        raise UsageError(f"--picture draws one file, not {sum(len(g.files) for g in groups)}; --plot compares them")

    def receive(result: GroupReport | GroupFailure) -> None:
        found.append(result)
        if isinstance(result, GroupReport):
            result.notes.print(warnings_only=options.json)
            if not options.json:
                print_report(result)

    with cluster_from_args(options, tasks=len(groups), locations=_locations(options, store)) as client:
        evaluate_groups(groups, client, receive)
    reports = [result for result in found if isinstance(result, GroupReport)]
    if options.plot is not None and reports:
        _plot(options.plot, reports)
    measures = {f"{r.comparison.factor} in {r.comparison.cell}": r.to_json()["scores"] for r in reports}
    drawn = [path for path in (options.picture, options.plot) if path is not None]
    note_run(options, outputs=[*(p.path for r in reports for p in r.models.values()), *drawn], scores=measures)
    if options.json:
        print_json(_to_json(found, only=groups[0].only))
    if failures := [result for result in found if isinstance(result, GroupFailure)]:
        texts = "; ".join(map(str, failures))
        raise UsageError(f"{len(failures)} of {len(found)} factors in cell lines could not be evaluated: {texts}")
    return 0


def _locations(options: argparse.Namespace, store: Store) -> list[Path]:
    """Return the files that workers read."""
    motifs = [] if options.motifs is None else [options.motifs]
    return [*options.predictions, *store_folder(store), *motifs]


def _plot(path: Path, reports: Sequence[GroupReport]) -> None:
    from ..model.evaluation.comparison_plot import plot_comparison

    baselines = ("accessibility alone", "motif alone", BASELINE)
    plot_comparison([report.comparison for report in reports], path, baselines=baselines)


def _to_json(found: Sequence[GroupReport | GroupFailure], *, only: bool) -> dict[str, Any]:
    reports = [result.to_json() for result in found if isinstance(result, GroupReport)]
    if only:
        found_one: dict[str, Any] = reports[0] | reports[0]["models"]["model"]
        return found_one
    failed = [vars(f) | {"error": str(f.error)} for f in found if isinstance(f, GroupFailure)]
    return {"comparisons": reports, "failed": failed}


if __name__ == "__main__":
    sys.exit(main())
