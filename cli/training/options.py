"""Options of ``factornet-train``; short options, defaults and meaning are the original FactorNet's.

Its long options are accepted too, next to those that say the same here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ... import __version__
from ..common.annotation_check import add_ignore_annotation_rules
from ..common.arguments import (
    DEVICE_HELP,
    NOTHING,
    HelpFormatter,
    add_run_options,
    finite_number,
    natural_number,
    positive_int,
    positive_number,
    seed_number,
    whole_number,
)
from ..common.known_motifs import MOTIFS_HELP
from ..common.signal_check import add_ignore_units
from ..common.store_options import add_store_options
from ..run.parser import CommandParser
from .presets import MEMBERS, PRESETS, TREES, describe_default

_EXAMPLES = """\
examples, one for each kind of model:
  factornet-train --store hg19.zarr -i HepG2 -o models/all                 # multi-task: all factors of one cell line
  factornet-train --store hg19.zarr -f MAX -i GM12878 K562 -o models/MAX   # one factor
  factornet-train --store hg19.zarr -f GABPA -m -i GM12878 K562 -o models/GABPA    # with the cell lines' meta values
  factornet-train --store hg19.zarr -f REST -g -i HepG2 -o models/REST             # with gene annotation
  factornet-train --store hg19.zarr -f CTCF -m -g -i A549 K562 -o models/CTCF      # with both
several factors, where a cell line may lack some:
  factornet-train --store hg19.zarr --preset blocks -f MAX TAF1 SRF -i GM12878 K562 -o models/three
several GPUs (each batch is divided between them):
  torchrun --nproc-per-node 4 -m factornet.cli.train --store hg19.zarr -f MAX -i GM12878 K562 -b 400 -o models/MAX"""


def make_parser(prog: str = "factornet-train") -> argparse.ArgumentParser:
    """Return the parser of ``factornet-train``."""
    parser = CommandParser(
        prog=prog,
        description="Train a FactorNet model on windows streamed from a store.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default="published",
        help="network and training: published is FactorNet's; blocks is a network over blocks of 50 bases that learns "
        "all bins of active stretches",
    )
    _add_data(parser.add_argument_group("data"))
    _add_network(parser.add_argument_group("network"))
    _add_training(parser.add_argument_group("training"))
    _add_output(parser.add_argument_group("output"))
    return parser


def _add_data(group: argparse._ArgumentGroup) -> None:
    add_store_options(group)
    group.add_argument(
        "-i",
        "--cells",
        "--inputdirs",
        nargs="+",
        required=True,
        metavar="CELL",
        help="cell lines (or their folders) to train on",
    )
    group.add_argument(
        "-vi",
        "--valid-cells",
        "--validinputdirs",
        nargs="+",
        default=[],
        metavar="CELL",
        help="cell lines to validate on; default: those of -i",
    )
    group.add_argument(
        "--tracks",
        nargs="*",
        metavar="NAME",
        help="tracks to use, in this order; none: sequence alone; default: all of the cell lines, which must then have "
        "the same, or those of the model of --init-from",
    )
    add_ignore_units(group)
    add_ignore_annotation_rules(group)
    group.add_argument(
        "-f",
        "--factor",
        nargs="+",
        metavar="FACTOR",
        help="transcription factor, or several that one network predicts; default: all factors of the one cell line "
        "(with --preset blocks: of all cell lines, each of which may lack some)",
    )
    group.add_argument(
        "-m",
        "--meta",
        action="store_true",
        help="with -f: use the cell lines' meta values (meta.txt); elsewhere -m is --model",
    )
    group.add_argument(
        "-g",
        "--gencode",
        action=argparse.BooleanOptionalAction,
        help="with -f: use gene annotation and CpG islands (default: no; with --preset blocks: yes, where there "
        "are some)",
    )
    _add_split(group)


def _add_split(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-v",
        "--valid",
        "--validchroms",
        nargs="+",
        metavar="REGION",
        help="validation: chromosomes, or regions such as chr20:0-1000; elsewhere -v is --verbose; default: chr11",
    )
    group.add_argument(
        "-t",
        "--test",
        "--testchroms",
        nargs="*",
        metavar="REGION",
        help="test: regions that are held out, or none; default: those of chr1 chr8 chr21 that the store has",
    )
    group.add_argument(
        "-n",
        "--negatives",
        type=positive_int,
        help="negatives per positive, drawn again for each epoch (default: 1); elsewhere -n is --components",
    )
    group.add_argument(
        "-L",
        "--length",
        "--seqlen",
        type=positive_int,
        dest="window_length",
        metavar="BASES",
        help="length of a window (default: 1000)",
    )


def _add_network(group: argparse._ArgumentGroup) -> None:
    # No defaults: they are NetworkConfig's, or the settings of --init-from's model.
    group.add_argument(
        "-k",
        "--kernels",
        type=positive_int,
        help="kernels of the convolution; elsewhere -k is --kmer-length (default: 32; 48 with --preset blocks)",
    )
    group.add_argument(
        "-w",
        "--width",
        "--motifwidth",
        type=positive_int,
        dest="kernel_width",
        metavar="BASES",
        help="width of a kernel (default: 26; 24 with --preset blocks)",
    )
    group.add_argument(
        "-r",
        "--recurrent",
        type=whole_number,
        help="LSTM cells in each direction; 0: no LSTM, -1: pool over the window instead (default: 32)",
    )
    group.add_argument("-d", "--dense", type=positive_int, help="units of the dense layer (default: 64)")
    group.add_argument(
        "-p",
        "--dropout",
        type=finite_number,
        help="dropout rate before and after the dense layer (default: 0.5), or the layer over the blocks of a bin "
        "(0.3 with --preset blocks); elsewhere -p is --processes",
    )
    group.add_argument(
        "-mo",
        "--motif",
        action=argparse.BooleanOptionalAction,
        help="initialize two kernels with the factor's known motif (default: no; with --preset blocks those of all "
        "factors that have one)",
    )
    group.add_argument(
        "--motifs",
        type=Path,
        metavar="FILE",
        help=f"for -mo: {MOTIFS_HELP}; default: HOCOMOCO v9, as downloaded by factornet-etl fetch motifs",
    )
    group.add_argument("--motif-name", metavar="NAME", help="name of the motif for -mo; default: the factor's best")
    group.add_argument(
        "--init-from",
        type=Path,
        metavar="MODEL",
        help="start from the weights and settings of this model folder, or of one of the original FactorNet",
    )
    _add_ensemble(group)


def _add_ensemble(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--mean-cells",
        nargs="+",
        metavar="CELL",
        help="with --preset blocks: cell lines whose mean signal, which the model keeps, is an input for every cell "
        f"line; {NOTHING}: none; default: all of the store that have the tracks, if there are several",
    )
    group.add_argument(
        "--auxiliary",
        nargs="+",
        metavar="FACTOR",
        help="with --preset blocks: factors that the networks learn beside, which makes them better at their own; "
        f"{NOTHING}: none; default: all others of the training cell lines",
    )
    group.add_argument(
        "--members",
        type=positive_int,
        metavar="N",
        help="with --preset blocks: networks, different in their first weights and in what they learn beside, whose "
        f"logits are averaged (default: {MEMBERS})",
    )
    group.add_argument(
        "--trees",
        type=natural_number,
        metavar="N",
        help="with --preset blocks: boosted trees of each factor, blended with the networks as is best on the "
        f"validation regions; 0 for none (default: {TREES} if LightGBM is installed)",
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-e", "--epochs", type=positive_int, help=f"maximum number of epochs {describe_default('epochs')}"
    )
    group.add_argument(
        "-ep",
        "--patience",
        type=positive_int,
        help=f"stop after so many epochs without a better one {describe_default('patience')}",
    )
    group.add_argument(
        "-lr",
        "--learning-rate",
        "--learningrate",
        type=positive_number,
        help=f"learning rate of Adam {describe_default('learning_rate')}",
    )
    group.add_argument(
        "-b",
        "--batch",
        type=positive_int,
        dest="batch_size",
        metavar="WINDOWS",
        help="windows (or segments) per step, over all processes; elsewhere -b is --bed "
        f"{describe_default('batch_size')}",
    )
    group.add_argument(
        "--select",
        choices=("loss", "ap"),
        help="choose the best epoch by the validation loss, or by the average precision of all bins of the validation "
        f"regions {describe_default('select')}",
    )
    group.add_argument(
        "--labels",
        choices=("hard", "core", "soft"),
        dest="label_mode",
        help="with --preset blocks: bound bins all count (hard), those within 75 bases of a summit (core), or the less "
        "the farther (soft) (default: hard)",
    )
    group.add_argument("-s", "--seed", type=seed_number, default=420, help="seed of all random numbers")
    _add_computing(group)


def _add_computing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", default="auto", help=DEVICE_HELP)
    group.add_argument(
        "--resident",
        choices=("auto", "no", "host", "device"),
        help="hold the arrays in memory of the host or device instead of streaming them; auto: on a GPU, if they fit "
        "(default: auto)",
    )
    group.add_argument("--threads", type=positive_int, help="CPU threads of torch (default: all cores)")
    precision = group.add_mutually_exclusive_group()
    precision.add_argument(
        "--amp",
        action="store_const",
        dest="precision",
        const="bfloat16",
        help="mixed precision: bfloat16 where it is safe",
    )
    precision.add_argument(
        "--double", action="store_const", dest="precision", const="float64", help="float64: slow, for comparisons"
    )
    group.add_argument(
        "--compile", action="store_true", help="compile the network with torch.compile; pays off in long trainings"
    )
    group.add_argument(
        "--no-cuda-graph",
        action="store_true",
        help="on a GPU, launch the kernels of a step one by one and not as one CUDA graph: slower; for comparisons",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    folder = group.add_mutually_exclusive_group()
    folder.add_argument("-o", "--output", "--outputdir", type=Path, metavar="DIR", help="model folder to create")
    folder.add_argument(
        "-oc",
        "--output-clobber",
        "--outputdirc",
        type=Path,
        metavar="DIR",
        help="model folder to create or replace; a model in it is kept until the new one is complete",
    )
    group.add_argument(
        "--cross-validation",
        type=Path,
        metavar="FILE",
        help="scores.json of factornet-crossval, to be kept in model.json",
    )
    group.add_argument("--resume", action="store_true", help="resume the training in the folder of -o")
    group.add_argument("--dry-run", action="store_true", help="only estimate time and memory, write nothing")
    group.add_argument("--tensorboard", action="store_true", help="also write TensorBoard logs to the model folder")
    # -v means validation, as in the original; --verbose has no short form.
    group.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    group.add_argument("--verbose", action="store_true", help="log more; show the traceback of errors")
    add_run_options(group)
