"""``factornet-train``: train a model on windows streamed from a store."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .. import __version__
from ..store.errors import UsageError
from ..store.reader import Store, open_store
from ..store.regions import Region, parse_region
from ..store.sampling import Sampler, split_genome
from ..store.stream import shared_meta, shared_tracks
from .common import HelpFormatter, megabytes, peak_memory, positive, progress_line, run_command

_DEFAULT_VALID = ("chr11",)
_DEFAULT_TEST = ("chr1", "chr8", "chr21")


def make_parser() -> argparse.ArgumentParser:
    """The parser; letters and defaults are the original FactorNet's."""
    parser = argparse.ArgumentParser(
        prog="factornet-train",
        description="Train a FactorNet model on windows streamed from a store.",
        epilog="example:\n  factornet-train --store hg19.zarr -f MAX -i GM12878 K562 -n 3 -o models/MAX\n"
        "  factornet-train --store chr20.zarr -f CTCF -i K562 -v chr20:40000000-45000000 \\\n"
        "      -t chr20:45000000-63025520 -mo --motifs HOCOMOCOv9.meme -oc models/CTCF",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    data = parser.add_argument_group("data")
    data.add_argument("--store", type=Path, required=True, help="a store made by factornet-etl")
    data.add_argument(
        "-i", "--cells", nargs="+", required=True, metavar="CELL", help="cell lines (or their folders) to train on"
    )
    data.add_argument(
        "-vi", "--valid-cells", nargs="+", default=[], metavar="CELL", help="to validate on; default: those of -i"
    )
    data.add_argument(
        "-f", "--factor", help="transcription factor to learn; without it, all those of the one cell line"
    )
    data.add_argument("-m", "--meta", action="store_true", help="with -f: use the cell lines' values (meta.txt)")
    data.add_argument("-g", "--gencode", action="store_true", help="with -f: use gene annotation and CpG islands")
    data.add_argument(
        "-v", "--valid", nargs="+", metavar="REGION", help="validation: chromosomes or chr20:0-1000; default chr11"
    )
    data.add_argument("-t", "--test", nargs="+", metavar="REGION", help="never touched; default chr1 chr8 chr21")
    data.add_argument("-n", "--negatives", type=positive, default=1, help="negatives a positive, drawn anew each epoch")
    data.add_argument("-L", "--length", type=positive, default=1000, help="bases of a window")
    network = parser.add_argument_group("network")
    network.add_argument("-k", "--kernels", type=positive, default=32, help="kernels of the convolution")
    network.add_argument("-w", "--width", type=positive, default=26, help="bases a kernel spans")
    network.add_argument(
        "-r", "--recurrent", type=int, default=32, help="LSTM cells each way; 0 leaves it out, -1 pools over the window"
    )
    network.add_argument("-d", "--dense", type=positive, default=64, help="units of the dense layer")
    network.add_argument(
        "-p", "--dropout", type=float, default=0.5, help="share dropped before and after the dense layer"
    )
    network.add_argument("-mo", "--motif", action="store_true", help="start two kernels from the factor's known motif")
    network.add_argument(
        "--motifs", type=Path, metavar="MEME", help="motif file for -mo, MEME format (HOCOMOCO, JASPAR)"
    )
    network.add_argument("--motif-name", metavar="NAME", help="which matrix of the file; default: the factor's")
    training = parser.add_argument_group("training")
    training.add_argument("-e", "--epochs", type=positive, default=100, help="at most so many")
    training.add_argument(
        "-ep", "--patience", type=positive, default=20, help="epochs without a better validation loss"
    )
    training.add_argument("-lr", "--learning-rate", type=float, default=0.001, help="of Adam")
    training.add_argument("-b", "--batch", type=positive, default=100, help="windows a step")
    training.add_argument("-s", "--seed", type=int, default=420, help="of all that is drawn")
    training.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; only auto may choose")
    training.add_argument("--threads", type=positive, help="CPU threads of torch; default: all")
    output = parser.add_argument_group("output")
    where = output.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=Path, metavar="DIR", help="model folder; must not be there")
    where.add_argument(
        "-oc", "--output-clobber", type=Path, metavar="DIR", help="model folder; a model in it is replaced"
    )
    output.add_argument("--resume", action="store_true", help="go on with the training in the folder of -o")
    # -v means validation here, as in the original, so the common option keeps its long form only.
    output.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    output.add_argument("--verbose", action="store_true", help="say more; show where in the code an error arose")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status comes back."""
    return run_command(make_parser(), _run, argv)


def cell_name(text: str) -> str:
    """A cell line's name; of a FactorNet folder (``data/HepG2``), its last part."""
    return Path(text).name


def regions_of(items: Sequence[str] | None, default: Sequence[str], store: Store) -> list[Region]:
    """Regions the user named, which must be there, or those of the default that the store has."""
    if items is None:
        items = [name for name in default if name in store.axis.names]
    return [parse_region(item, store.axis) for item in items]


def _sampler(options: argparse.Namespace, store: Store) -> Sampler:
    if options.factor is None and (options.meta or options.gencode):
        raise UsageError("-m and -g need a factor (-f): the multi-task model takes neither")
    valid = regions_of(options.valid, _DEFAULT_VALID, store)
    if not valid:
        raise UsageError(f"{options.store} has no {_DEFAULT_VALID[0]}: name validation regions with -v")
    return Sampler(
        store,
        cells=tuple(cell_name(c) for c in options.cells),
        valid_cells=tuple(cell_name(c) for c in options.valid_cells),
        factor=options.factor,
        split=split_genome(store.axis, valid=valid, test=regions_of(options.test, _DEFAULT_TEST, store)),
        length=options.length,
        negatives=options.negatives,
    )


def _run(options: argparse.Namespace) -> int:
    # torch takes a second to import: --help and mistakes in the options should not wait for it.
    import torch

    from ..model.batches import choose_device
    from ..model.plots import plot_history
    from ..model.runs import Motifs, open_run
    from ..model.training import EpochRecord, StepReport, TrainingOptions, train

    device = choose_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.motif and options.motifs is None:
        raise UsageError("-mo needs the motif file: --motifs FILE.meme (HOCOMOCO or JASPAR in MEME format)")
    store = open_store(options.store)
    sampler = _sampler(options, store)
    cells = sampler.cells + sampler.valid_cells
    folder = options.output or options.output_clobber
    settings = TrainingOptions(
        epochs=options.epochs,
        patience=options.patience,
        learning_rate=options.learning_rate,
        batch=options.batch,
        seed=options.seed,
    )
    network = open_run(
        folder,
        store=store,
        sampler=sampler,
        network={
            "tracks": shared_tracks(store, cells),
            "meta": shared_meta(store, cells) if options.meta else (),
            "gencode": options.gencode,
            "length": options.length,
            "kernels": options.kernels,
            "kernel_width": options.width,
            "recurrent": options.recurrent,
            "dense": options.dense,
            "dropout": options.dropout,
        },
        options=settings,
        motif=Motifs(options.motifs, options.motif_name or options.factor) if options.motif else None,
        resume=options.resume,
        overwrite=options.output_clobber is not None,
    )
    say = sys.stderr if options.json else sys.stdout
    counts = ", ".join(f"{n} of {c}" for c, n in zip(sampler.cells, sampler.positives_per_epoch, strict=True))
    print(
        f"{', '.join(sampler.tasks)}: positives {counts}; {options.negatives} negatives each; device {device}", file=say
    )

    with progress_line("training", options.epochs) as line:

        def on_step(step: StepReport) -> None:
            line.advance(0, f"epoch {step.epoch}: {step.done}/{step.windows} windows, loss {step.loss:.4f}")

        def on_epoch(record: EpochRecord) -> None:
            line.advance(1)
            print(
                f"epoch {record.epoch:3d}  loss {record.loss:.4f}  val_loss {record.val_loss:.4f}  "
                f"val_auPRC {record.val_average_precision:.4f}  {record.windows_per_second:.0f} windows/s  "
                f"data-wait {record.data_wait:.1%}",
                file=say,
                flush=True,
            )

        result = train(
            network,
            sampler,
            folder,
            settings,
            device=device,
            resume=options.resume,
            on_step=on_step,
            on_epoch=on_epoch,
            on_warning=lambda text: print(f"warning: {text}", file=sys.stderr),
        )
    plot_history(result.history, folder / "training.png")
    if options.json:
        print(
            json.dumps(
                {"model": str(folder), "best": asdict(result.best), "stopped": result.reason, "peak_rss": peak_memory()}
            )
        )
    else:
        print(
            f"{folder}: best epoch {result.best.epoch} with validation loss {result.best.val_loss:.4f}; stopped: "
            f"{result.reason}; peak memory {megabytes(peak_memory())}"
        )
    return 0
