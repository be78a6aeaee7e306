"""``factornet-predict``: predict the probability of binding for intervals."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from .. import __version__
from ..etl.inputs.alias_tables import read_aliases
from ..etl.inputs.bed import read_intervals
from ..etl.inputs.chrom_aliases import abbreviate
from ..store.errors import UsageError
from ..store.files.digest import file_digest
from ..store.genome.regions import Region
from ..store.machine import peak_memory
from ..store.schema import BIN, STRIDE, bin_count
from ..store.text import format_bytes, format_count
from .common.annotation_check import add_ignore_annotation_rules, check_annotation_rules
from .common.arguments import (
    CHROM_ALIAS_HELP,
    DEVICE_HELP,
    HelpFormatter,
    add_common_options,
    cell_name,
    parse_regions,
    positive_int,
)
from .common.calibration import (
    add_calibration_options,
    calibration_from_args,
    call_existing,
    call_from_args,
    print_scores,
    print_sites,
)
from .common.model_options import add_model_options, open_model_from_args
from .common.output import print_json, print_line, print_warning
from .common.progress import ProgressLine, progress_line
from .common.runner import report_interrupt, run_command
from .common.signal_check import add_ignore_units, check_signals
from .common.store_options import add_store_options, open_store_from_args

if TYPE_CHECKING:
    from ..model.prediction.bins import Bins
    from ..model.prediction.predictor import Predictor
    from ..model.prediction.sidecar import PredictionRecord
    from ..store.reader import Store


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``factornet-predict``; short options are the original FactorNet's."""
    parser = argparse.ArgumentParser(
        prog="factornet-predict",
        description="Predict the probability of binding for the intervals of a BED file, or for all bins of regions.",
        epilog="examples:\n"
        "  factornet-predict --store hg19.zarr -f MAX -i PC-3 -m models/MAX -b regions.bed.gz -o MAX_PC-3.bed.gz\n"
        "  factornet-predict --store hg19.zarr -f MAX -i PC-3 -m models/MAX --regions chr21 -o MAX_PC-3.bw",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    add_store_options(parser)
    parser.add_argument("-i", "--cell", "--inputdir", required=True, help="cell line (or its folder) to predict for")
    add_model_options(parser)
    parser.add_argument("-f", "--factor", required=True, help="transcription factor, one of the model's")
    bins = parser.add_mutually_exclusive_group(required=True)
    bins.add_argument("-b", "--bed", type=Path, help="predict intervals; windows are centred on their middles")
    bins.add_argument(
        "--regions",
        nargs="+",
        metavar="REGION",
        help="predict all bins in chromosomes, in regions (chr20:0-1000), or in `all` chromosomes of the store",
    )
    parser.add_argument(
        "--stride", type=positive_int, help=f"with --regions: bases between the starts of bins; default: {STRIDE}"
    )
    parser.add_argument(
        "-o",
        "--output",
        "--outputfile",
        type=Path,
        required=True,
        help="bigWig if named *.bw or *.bigWig; bedgraph (chrom, start, stop, score) if named *.bed, *.bedgraph, *.bg, "
        "*.bdg, *.tsv, *.tab or *.txt, gzipped with .gz after it; other names are refused",
    )
    add_calibration_options(parser)
    parser.add_argument("--resume", action="store_true", help="resume an interrupted run with --regions")
    parser.add_argument("--force", action="store_true", help="replace the output file")
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help=CHROM_ALIAS_HELP)
    parser.add_argument("--batch", type=positive_int, default=512, help="windows per batch")
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    parser.add_argument("--amp", action="store_true", help="use bfloat16 where it is safe: scores to 2 digits")
    add_ignore_units(parser)
    add_ignore_annotation_rules(parser)
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(), _run, argv)


def _run(options: argparse.Namespace) -> int:
    from ..model.data.device import choose_device
    from ..model.prediction.bins import Bins, count_bins
    from ..model.prediction.predictor import Predictor
    from ..model.prediction.to_file import predict_intervals, predict_regions

    _check_output(options)
    store = open_store_from_args(options)
    model = open_model_from_args(options)
    calibration = calibration_from_args(options, model)
    predictor = Predictor(
        network=model.network,
        source=model,
        store=store,
        cell=cell_name(options.cell),
        factor=options.factor,
        device=choose_device(options.device),
        batch_size=options.batch,
        amp=options.amp,
        calibration=calibration,
        prevalence=options.prevalence,
    )
    if options.fdr is not None and options.output.exists() and not options.force:
        return call_existing(options, predictor)
    regions, stride = _choose_regions(options, store), options.stride or STRIDE
    if regions:
        count = count_bins(regions, store.coordinates, stride=stride)
    else:
        bins = Bins(
            *read_intervals(options.bed, store.coordinates, read_aliases(options.chrom_alias, store.coordinates.names))
        )
        count = len(bins)
        _warn_of_long_intervals(options, bins)
    check_signals(model.card, options, store)
    check_annotation_rules(model.card, options, store)
    with progress_line("predicting", count, unit="windows") as line:
        rate = _Rate(line)
        if regions:
            with report_interrupt("repeat the command with --resume to resume after the last finished region"):
                record = predict_regions(
                    predictor,
                    regions,
                    options.output,
                    stride=stride,
                    resume=options.resume,
                    overwrite=options.force,
                    on_bins=rate.add,
                    on_kept=line.advance,
                )
        else:
            origin = {"bed": options.bed.name, "bed_sha256": file_digest(options.bed)}
            record = predict_intervals(
                predictor, bins, options.output, rate.add, overwrite=options.force, options=origin
            )
    n_sites = call_from_args(options, predictor) if options.fdr is not None else None
    _print_result(options, predictor, record, count, rate, n_sites=n_sites)
    return 0


def _print_result(
    options: argparse.Namespace,
    predictor: Predictor,
    record: PredictionRecord,
    count: int,
    rate: _Rate,
    *,
    n_sites: int | None,
) -> None:
    from ..model.prediction.sidecar import sidecar_path

    content = {"output": str(options.output), "intervals": count, "predicted": rate.windows}
    content |= {"not_computed": record.intervals["not_computed"], "record": str(sidecar_path(options.output))}
    content["calibrated"] = predictor.calibration is not None
    if n_sites is not None:
        content |= {"sites": n_sites}
    if options.json:
        print_json(content | {"seconds": rate.seconds, "peak_rss": peak_memory()})
    else:
        kept = f" ({count - rate.windows:,} of them from the interrupted run)" if count > rate.windows else ""
        print_line(
            f"{options.output}: {count:,} intervals{kept} in {rate.seconds:.1f} s ({rate.per_second:,.0f}/s) on "
            f"{predictor.device}; peak memory {format_bytes(peak_memory())}"
        )
        print_line(f"{sidecar_path(options.output)}: model, factor, cell line and data of these predictions")
        _print_uncomputed(record.intervals["not_computed"], predictor.network.config.excluded_margin)
        print_scores(predictor)
        if n_sites is not None:
            print_sites(options, predictor, n_sites)


def _choose_regions(options: argparse.Namespace, store: Store) -> list[Region]:
    """Return the regions to predict; none with ``-b``.

    Raises:
        UsageError: a region is none of the store, or ``all`` is not alone, or no chromosome has a bin.
    """
    if "all" not in (options.regions or ()) or "all" in store.coordinates.names:
        return parse_regions(options.regions or (), store, option="--regions")
    if len(options.regions) > 1:
        raise UsageError("--regions all: has all chromosomes of the store; give no other region")
    lengths = dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
    regions = [Region(name, 0, length) for name, length in lengths.items() if bin_count(length)]
    if not regions:
        raise UsageError(f"--regions all: no chromosome of the store is as long as a bin of {BIN} bases")
    if short := [name for name in lengths if not bin_count(lengths[name])]:
        print_warning(f"--regions all: {abbreviate(short)} left out, shorter than a bin of {BIN} bases")
    return regions


def _warn_of_long_intervals(options: argparse.Namespace, bins: Bins) -> None:
    """Warn of intervals that are longer than a bin: they get one score each."""
    length = bins.stop - bins.start
    if n := int((length > BIN).sum()):
        print_warning(
            f"{options.bed}: {n:,} of {format_count(len(bins), 'interval')} longer than a bin of {BIN} bases (up to "
            f"{length.max():,}): each gets one score, that of the bin in its middle; --regions predicts all bins of "
            "regions"
        )


def _print_uncomputed(counts: Mapping[str, int], margin: int) -> None:
    """Print how many intervals have a score that was not computed, if any, and why."""
    reasons = {"chromosome_ends": "an end of their chromosome", "blacklist": "the blacklist"}
    where = f"within {margin:,} bases of" if margin else "on"
    named = [f"{counts[key]:,} {where} {what}" for key, what in reasons.items() if counts[key]]
    if sum(counts.values()):
        print_line(f"{sum(counts.values()):,} intervals were not computed, their score is 0: {', '.join(named)}")


class _Rate:
    """Count predicted windows, and show windows per second on a progress line."""

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._begin = line, perf_counter()
        self.windows = 0

    def add(self, windows: int) -> None:
        self.windows += windows
        self._line.advance(windows, f"{self.per_second:,.0f} windows/s")

    @property
    def seconds(self) -> float:
        return perf_counter() - self._begin

    @property
    def per_second(self) -> float:
        return self.windows / self.seconds


def _check_output(options: argparse.Namespace) -> None:
    from ..model.prediction.output_names import score_format

    score_format(options.output)
    if options.output.exists() and not options.force and options.fdr is None:
        raise UsageError(f"{options.output}: already exists; give another name, or replace it with --force")
    if not options.output.absolute().parent.is_dir():
        raise UsageError(f"{options.output}: its folder does not exist; create it first")
    if options.resume and options.bed is not None:
        raise UsageError("--resume needs --regions, which are saved one by one; -b predicts all intervals in one pass")
    if options.stride is not None and options.bed is not None:
        raise UsageError("--stride needs --regions; -b gives each interval one score")
