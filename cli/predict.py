"""``factornet-predict``: probabilities of binding for intervals."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from .. import __version__
from ..etl.inputs.bed import read_intervals
from ..etl.inputs.chrom_aliases import read_aliases
from ..store.errors import UsageError
from ..store.genome.regions import parse_region
from ..store.machine import peak_memory
from ..store.schema import STRIDE
from ..store.text import format_bytes
from .common.arguments import HelpFormatter, add_common, cell_name, positive
from .common.progress import ProgressLine, progress_line
from .common.runner import report_interrupt, run_command
from .common.store_options import add_store, open_store_from_args


def make_parser() -> argparse.ArgumentParser:
    """The parser; letters are the original FactorNet's."""
    parser = argparse.ArgumentParser(
        prog="factornet-predict",
        description="Predict the probability of binding for the intervals of a BED file, or for all bins of regions.",
        epilog="examples:\n"
        "  factornet-predict --store hg19.zarr -f MAX -i PC-3 -m models/MAX -b regions.bed.gz -o MAX_PC-3.bed.gz\n"
        "  factornet-predict --store hg19.zarr -f MAX -i PC-3 -m models/MAX --regions chr21 -o MAX_PC-3.bw",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    add_store(parser)
    parser.add_argument("-i", "--cell", required=True, help="cell line (or its folder) to predict for")
    parser.add_argument("-m", "--model", type=Path, required=True, help="model folder made by factornet-train")
    parser.add_argument("-f", "--factor", required=True, help="transcription factor; one of the model's")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-b", "--bed", type=Path, help="intervals to predict; the model looks at their middles")
    what.add_argument("--regions", nargs="+", metavar="REGION", help="chromosomes or chr20:0-1000: all bins in them")
    parser.add_argument("--stride", type=positive, default=STRIDE, help="bases from bin to bin, with --regions")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="*.bw for bigWig, else gzipped bedgraph: chrom start stop score",
    )
    parser.add_argument("--resume", action="store_true", help="keep the regions that an interrupted run finished")
    parser.add_argument("--force", action="store_true", help="replace the output file")
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help="names in the BED, as 20=chr20")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which weights of the model")
    parser.add_argument("--batch", type=positive, default=512, help="windows at once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; only auto may choose")
    parser.add_argument("--amp", action="store_true", help="compute in bfloat16 where it is safe: scores to 2 digits")
    add_common(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status comes back."""
    return run_command(make_parser(), _run, argv)


def _run(options: argparse.Namespace) -> int:
    from ..model.data.device import choose_device
    from ..model.model_dir.checkpoint import load_network
    from ..model.prediction.bins import Bins, count_bins
    from ..model.prediction.to_file import Predictor, predict_intervals, predict_regions

    _check_output(options)
    store = open_store_from_args(options)
    predictor = Predictor(
        network=load_network(options.model, weights=options.weights),
        store=store,
        cell=cell_name(options.cell),
        factor=options.factor,
        device=choose_device(options.device),
        batch=options.batch,
        amp=options.amp,
    )
    regions = [parse_region(r, store.coordinates) for r in options.regions or ()]
    if regions:
        count = count_bins(regions, store.coordinates, stride=options.stride)
    else:
        bins = Bins(*read_intervals(options.bed, store.coordinates, read_aliases(options.chrom_alias)))
        count = len(bins)
    with progress_line("predicting", count, unit="windows") as line:
        rate = _Rate(line)
        if regions:
            with report_interrupt("the same command with --resume goes on after the last whole region"):
                predict_regions(
                    predictor,
                    regions,
                    options.output,
                    stride=options.stride,
                    resume=options.resume,
                    on_bins=rate.tell,
                    on_kept=line.advance,
                )
        else:
            predict_intervals(predictor, bins, options.output, rate.tell)
    content = {"output": str(options.output), "intervals": count, "predicted": rate.windows}
    if options.json:
        print(json.dumps(content | {"seconds": rate.seconds, "peak_rss": peak_memory()}))
    else:
        kept = f" ({count - rate.windows:,} of them kept from before)" if count > rate.windows else ""
        print(
            f"{options.output}: {count:,} intervals{kept} in {rate.seconds:.1f} s ({rate.per_second:,.0f}/s) on "
            f"{predictor.device}; peak memory {format_bytes(peak_memory())}"
        )
    return 0


class _Rate:
    """Counts windows as they are predicted, and shows how many a second on a progress line."""

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._begin = line, perf_counter()
        self.windows = 0

    def tell(self, windows: int) -> None:
        self.windows += windows
        self._line.advance(windows, f"{self.per_second:,.0f} windows/s")

    @property
    def seconds(self) -> float:
        return perf_counter() - self._begin

    @property
    def per_second(self) -> float:
        return self.windows / self.seconds


def _check_output(options: argparse.Namespace) -> None:
    if options.output.exists() and not options.force:
        raise UsageError(f"{options.output}: is there already; give another name, or --force to replace it")
    if not options.output.absolute().parent.is_dir():
        raise UsageError(f"{options.output}: its folder is not there; make it first")
    if options.resume and options.bed is not None:
        raise UsageError("--resume works with --regions, of which each is kept as it is finished; -b runs in one go")
