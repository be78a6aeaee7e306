"""The options of ``factornet-train``; letters, defaults and meaning are the original FactorNet's."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import __version__
from .common.arguments import HelpFormatter, positive
from .common.store_options import add_store

DEFAULT_VALID = ("chr11",)
DEFAULT_TEST = ("chr1", "chr8", "chr21")

_EXAMPLES = """\
examples, one of each kind of model:
  factornet-train --store hg19.zarr -i HepG2 -o models/all                 # multi-task: all factors of one cell line
  factornet-train --store hg19.zarr -f MAX -i GM12878 K562 -o models/MAX   # one factor
  factornet-train --store hg19.zarr -f GABPA -m -i GM12878 K562 -o models/GABPA    # with the cell lines' meta values
  factornet-train --store hg19.zarr -f REST -g -i HepG2 -o models/REST             # with gene annotation
  factornet-train --store hg19.zarr -f CTCF -m -g -i A549 K562 -o models/CTCF      # with both
several GPUs (the batch is shared between them):
  torchrun --nproc-per-node 4 -m factornet.cli.train --store hg19.zarr -f MAX -i GM12878 K562 -b 400 -o models/MAX"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``factornet-train``."""
    parser = argparse.ArgumentParser(
        prog="factornet-train",
        description="Train a FactorNet model on windows streamed from a store.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    _add_data(parser.add_argument_group("data"))
    _add_network(parser.add_argument_group("network"))
    _add_training(parser.add_argument_group("training"))
    _add_output(parser.add_argument_group("output"))
    return parser


def _add_data(group: argparse._ArgumentGroup) -> None:
    add_store(group)
    group.add_argument(
        "-i", "--cells", nargs="+", required=True, metavar="CELL", help="cell lines (or their folders) to train on"
    )
    group.add_argument(
        "-vi", "--valid-cells", nargs="+", default=[], metavar="CELL", help="to validate on; default: those of -i"
    )
    group.add_argument("-f", "--factor", help="transcription factor to learn; without it, all of the one cell line")
    group.add_argument("-m", "--meta", action="store_true", help="with -f: use the cell lines' values (meta.txt)")
    group.add_argument("-g", "--gencode", action="store_true", help="with -f: use gene annotation and CpG islands")
    group.add_argument(
        "-v", "--valid", nargs="+", metavar="REGION", help="validation: chromosomes or chr20:0-1000; default chr11"
    )
    group.add_argument("-t", "--test", nargs="+", metavar="REGION", help="never touched; default chr1 chr8 chr21")
    group.add_argument(
        "-n", "--negatives", type=positive, default=1, help="negatives a positive, drawn anew each epoch"
    )
    group.add_argument("-L", "--length", type=positive, help="bases of a window (default: 1000)")


def _add_network(group: argparse._ArgumentGroup) -> None:
    # No defaults here: what is not given is NetworkConfig's, or the value of --init-from's model.
    group.add_argument("-k", "--kernels", type=positive, help="kernels of the convolution (default: 32)")
    group.add_argument("-w", "--width", type=positive, help="bases a kernel spans (default: 26)")
    group.add_argument(
        "-r",
        "--recurrent",
        type=int,
        help="LSTM cells each way; 0 leaves it out, -1 pools over the window (default: 32)",
    )
    group.add_argument("-d", "--dense", type=positive, help="units of the dense layer (default: 64)")
    group.add_argument(
        "-p", "--dropout", type=float, help="share dropped before and after the dense layer (default: 0.5)"
    )
    group.add_argument("-mo", "--motif", action="store_true", help="start two kernels from the factor's known motif")
    group.add_argument(
        "--motifs", type=Path, metavar="MEME", help="motif file for -mo, MEME format (HOCOMOCO, JASPAR); else pyjaspar"
    )
    group.add_argument("--motif-name", metavar="NAME", help="which matrix for -mo; default: the factor's")
    group.add_argument(
        "--init-from", type=Path, metavar="MODEL", help="start from the weights and settings of this model folder"
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-e", "--epochs", type=positive, default=100, help="at most so many")
    group.add_argument("-ep", "--patience", type=positive, default=20, help="epochs without a better validation loss")
    group.add_argument("-lr", "--learning-rate", type=float, default=0.001, help="of Adam")
    group.add_argument("-b", "--batch", type=positive, default=100, help="windows a step, of all processes together")
    group.add_argument("-s", "--seed", type=int, default=420, help="of all that is drawn")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; only auto may choose")
    group.add_argument(
        "--resident",
        choices=("auto", "no", "host", "device"),
        default="auto",
        help="hold the arrays in memory instead of reading the store as it goes; auto: on a GPU that has room",
    )
    group.add_argument("--threads", type=positive, help="CPU threads of torch; default: all")
    precision = group.add_mutually_exclusive_group()
    precision.add_argument(
        "--amp",
        action="store_const",
        dest="precision",
        const="bfloat16",
        default="float32",
        help="mixed precision: bfloat16 where it is safe",
    )
    precision.add_argument(
        "--double", action="store_const", dest="precision", const="float64", help="float64, slow: for comparisons"
    )
    group.add_argument("--compile", action="store_true", help="let torch compile the network; pays in long trainings")


def _add_output(group: argparse._ArgumentGroup) -> None:
    where = group.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", type=Path, metavar="DIR", help="model folder; must not be there")
    where.add_argument(
        "-oc",
        "--output-clobber",
        type=Path,
        metavar="DIR",
        help="model folder; a model in it is kept until the new one is complete, then replaced",
    )
    group.add_argument("--resume", action="store_true", help="go on with the training in the folder of -o")
    group.add_argument("--dry-run", action="store_true", help="only say what would be done, in which time and memory")
    group.add_argument("--tensorboard", action="store_true", help="also write logs for TensorBoard into the folder")
    # -v means validation here, as in the original, so the common option keeps its long form only.
    group.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    group.add_argument("--verbose", action="store_true", help="say more; show where in the code an error arose")
