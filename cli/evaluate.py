"""``factornet-evaluate``: score predictions against the labels of a store."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

from .. import __version__
from ..store.errors import UsageError
from ..store.files.outputs import check_output_file, output_lock
from ..store.reader import Store
from .common.arguments import CHROM_ALIAS_HELP, HelpFormatter, add_common_options, parse_regions, positive_int
from .common.output import print_json
from .common.runner import run_command
from .common.store_options import add_store_options, open_store_from_args
from .evaluation.baseline_options import BASELINE, add_baseline_options, baseline_scores
from .evaluation.predictions import Predictions, name_models, read_predictions
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
        "  factornet-evaluate F.MAX.K562.tab.gz --store hg19.zarr -i K562 -f MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    parser.add_argument(
        "predictions",
        type=Path,
        nargs="+",
        help="bedgraph or bigWig written by factornet-predict, or by others (chrom, start, stop, score)",
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
    if options.picture is not None and len(options.predictions) > 1:
        raise UsageError(f"--picture draws one file, not {len(options.predictions)}; --plot compares them")
    with ExitStack() as stack:
        for name, path in pictures.items():
            stack.enter_context(output_lock(path))
            _check_picture(name, path, options.predictions)
        return _evaluate(options)


def _check_picture(option: str, path: Path, predictions: Sequence[Path]) -> None:
    from ..model.figures import FIGURE_SUFFIXES

    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(f"--{option} {path}: a picture is named {', '.join(f'*{s}' for s in FIGURE_SUFFIXES)}")
    check_output_file(path, overwrite=True)
    if path.exists() and any(given.exists() and path.samefile(given) for given in predictions):
        raise UsageError(f"--{option} {path}: is the file of predictions; give another name")


def _evaluate(options: argparse.Namespace) -> int:
    from ..model.evaluation.comparison_plot import plot_comparison

    store = open_store_from_args(options)
    files = [read_predictions(options, store, path) for path in dict.fromkeys(options.predictions)]
    groups = [_compare(options, store, group, only=len(files) == 1) for group in _by_factor_and_cell(files)]
    if options.picture is not None:
        _draw_locus(options, store, files[0])
    if options.plot is not None:
        baselines = ("accessibility alone", "motif alone", BASELINE)
        plot_comparison([group.comparison for group in groups], options.plot, baselines=baselines)
    measures = {f"{g.comparison.factor} in {g.comparison.cell}": g.to_json()["scores"] for g in groups}
    drawn = [path for path in (options.picture, options.plot) if path is not None]
    note_run(options, outputs=[*(file.path for file in files), *drawn], scores=measures)
    if not options.json:
        for group in groups:
            print_report(group)
    elif len(files) > 1:
        print_json({"comparisons": [group.to_json() for group in groups]})
    else:
        found = groups[0].to_json()
        print_json(found | found["models"]["model"])
    return 0


def _by_factor_and_cell(files: Sequence[Predictions]) -> Iterator[list[Predictions]]:
    """Yield the files of each factor and cell line, in the order of the first of them."""
    for key in dict.fromkeys((file.factor, file.cell) for file in files):
        yield [file for file in files if (file.factor, file.cell) == key]


def _compare(options: argparse.Namespace, store: Store, group: Sequence[Predictions], *, only: bool) -> GroupReport:
    """Compare files of one factor and cell line with each other and with the baselines."""
    from ..model.evaluation.comparison import compare

    cell, factor = group[0].cell, group[0].factor
    models = dict(zip(name_models(group, only=only), group, strict=True))
    record = next((file.record for file in group if file.record is not None), None)
    baselines, fitted = baseline_scores(options, store, cell=cell, factor=factor, scored=group[0].scores, record=record)
    fitted_pairs = [(name, BASELINE) for name in models if BASELINE in baselines]
    comparison = compare(
        store,
        cell=cell,
        factor=factor,
        scores={name: file.scores for name, file in models.items()} | baselines,
        pairs=[*combinations(models, 2), *fitted_pairs],
        by_chromosome=options.by_chromosome,
        replicates=options.replicates,
    )
    return GroupReport(comparison=comparison, models=models, baseline=fitted)


def _draw_locus(options: argparse.Namespace, store: Store, file: Predictions) -> None:
    from ..model.evaluation.locus_plot import best_locus, plot_locus

    coordinates = store.coordinates
    if options.region:
        [region] = parse_regions([options.region], store, option="--region")
    else:
        region = best_locus(*file.scores.best(), coordinates.names, coordinates.lengths)
    bins, scores = file.scores.within(region, coordinates)
    plot_locus(store, file.cell, file.factor, bins=bins, scores=scores, region=region, path=options.picture)
