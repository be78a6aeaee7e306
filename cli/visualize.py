"""``factornet-visualize``: show the motifs that the kernels of a model detect."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from .. import __version__
from ..etl.inputs.alias_tables import read_aliases
from ..etl.inputs.bed import read_peaks
from ..etl.inputs.chrom_aliases import abbreviate
from ..store.errors import InputError, UsageError
from ..store.files.outputs import output_lock, staged_folder
from ..store.files.sealed_toml import RUN_FILE
from ..store.genome.regions import find_synonym
from ..store.machine import peak_memory
from ..store.text import format_bytes
from .common.annotation_check import add_ignore_annotation_rules, check_annotation_rules
from .common.arguments import CHROM_ALIAS_HELP, DEVICE_HELP, HelpFormatter, add_common_options, cell_name
from .common.model_options import add_model_options, open_model_from_args
from .common.output import print_json, print_line, print_table, print_warning
from .common.progress import progress_line
from .common.runner import run_command
from .common.signal_check import add_ignore_units, check_signals
from .common.store_options import add_store_options, open_store_from_args
from .run.parser import CommandParser
from .run.record import check_results_folder, note_run

if TYPE_CHECKING:
    from ..model.motifs.html_report import LayerReport
    from ..model.motifs.kernel_motifs import KernelSites
    from ..model.motifs.pwm import Motif
    from ..model.motifs.tomtom import MotifMatch
    from ..model.prediction.bins import Bins
    from ..store.genome.intervals import GenomeCoordinates


_DEFAULT_CHROMOSOME = "chr11"
_PAGE_FILES = (
    "index.html",
    "kernels.csv",
    "motifs.txt",
    "motifs2.txt",
    "*_meansignal.npy",
    "*_meansignal2.npy",
    "logos",
)
"""What this command writes; other files in the folder are the user's."""
_SHOWN = 10  # kernels of a layer on the terminal


def make_parser(prog: str = "factornet-visualize") -> argparse.ArgumentParser:
    """Return the parser of ``factornet-visualize``; short options are the original FactorNet's."""
    parser = CommandParser(
        prog=prog,
        description="Show the motifs that the kernels of a model detect in the sequences of a BED file on one "
        "chromosome, with the mean signal of each track: as FactorNet's files (motifs.txt, motifs2.txt, *.npy), as a "
        "table (kernels.csv) and as a web page (index.html).",
        epilog="examples:\n"
        "  factornet-visualize --store hg19.zarr -i HepG2 -b data/HepG2/REST.narrowPeak.gz -m models/REST -o REST\n"
        "  factornet-visualize --store chr20.zarr -i K562 -b MAX.narrowPeak.gz -c chr20 -m models/MAX \\\n"
        "      --motifs HOCOMOCOv9.meme --pictures png svg -oc MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    add_store_options(parser)
    parser.add_argument(
        "-i", "--cell", "--inputdir", required=True, help="cell line (or its folder) whose signal is shown"
    )
    parser.add_argument(
        "-b", "--bed", type=Path, required=True, help="BED or narrowPeak file; windows are centred on the middles"
    )
    add_model_options(parser)
    parser.add_argument(
        "-f", "--factor", help="one of the model's factors, to be named in the output; all factors share the kernels"
    )
    parser.add_argument("-c", "--chrom", help=f"chromosome to use; default: {_DEFAULT_CHROMOSOME}")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", "--outputdir", type=Path, metavar="DIR", help="output folder to create")
    where.add_argument(
        "-oc",
        "--output-clobber",
        "--outputdirc",
        type=Path,
        metavar="DIR",
        help="output folder to create, or to replace files in",
    )
    parser.add_argument("--motifs", type=Path, metavar="FILE", help="known motifs to compare the kernels with")
    parser.add_argument(
        "--pictures", nargs="+", choices=("png", "svg"), default=[], help="also save a picture of each kernel"
    )
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help=CHROM_ALIAS_HELP)
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    add_ignore_units(parser)
    add_ignore_annotation_rules(parser)
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-visualize") -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), _run, argv)


def read_sequences(path: Path, coordinates: GenomeCoordinates, chrom: str | None, aliases: dict[str, str]) -> Bins:
    """Read the intervals of a BED file on one chromosome; None means chr11, as in FactorNet.

    Raises:
        UsageError: the store has no such chromosome.
        InputError: as for `read_peaks`, or no interval is on the chromosome; the message lists those with intervals.
    """
    from ..model.prediction.bins import Bins

    if chrom is None and _DEFAULT_CHROMOSOME not in coordinates.names:
        synonym = find_synonym(_DEFAULT_CHROMOSOME, coordinates)
        cure = f"it is named {synonym} there: choose it with -c {synonym}" if synonym else ""
        cure = cure or f"choose one of {abbreviate(coordinates.names)} with -c"
        raise UsageError(f"the store has no {_DEFAULT_CHROMOSOME}; {cure}")
    name = chrom or _DEFAULT_CHROMOSOME
    index = coordinates.index(name)
    found = read_peaks(path, coordinates, aliases, in_file_order=True).peaks
    selected = found.chrom == index
    if not selected.any():
        others = ", ".join(coordinates.names[i] for i in sorted(set(found.chrom.tolist()))) or "none"
        raise InputError(
            path, f"no interval on {name}, those of the file are on {others}", hint="choose another with -c"
        )
    return Bins(found.chrom[selected], found.start[selected], found.stop[selected])


def _run(options: argparse.Namespace) -> int:
    folder: Path = options.output or options.output_clobber
    with output_lock(folder, parents=True):
        if options.output and folder.exists():
            raise UsageError(f"{folder}: already exists; give another name, or replace its files with -oc")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: not a folder; give the name of one")
        check_results_folder(folder, options.run.command)
        return _visualize(options, folder)


def _visualize(options: argparse.Namespace, folder: Path) -> int:
    from ..model.data.device import choose_device
    from ..model.data.inputs import check_factor
    from ..model.motifs.formats import read_motifs
    from ..model.motifs.html_report import LayerReport
    from ..model.motifs.kernel_motifs import find_kernel_sites
    from ..model.motifs.tomtom import kernel_rows
    from ..model.network.factornet import FactorNet

    device = choose_device(options.device)
    store = open_store_from_args(options)
    model = open_model_from_args(options)
    network = model.network
    if not isinstance(network, FactorNet):
        raise UsageError(f"{options.model}: is a network over blocks; only the kernels of a FactorNet are visualized")
    if options.factor is not None:
        check_factor(network.config, options.factor)
    known = list(read_motifs(options.motifs).values()) if options.motifs is not None else []
    sequences = read_sequences(
        options.bed, store.coordinates, options.chrom, read_aliases(options.chrom_alias, store.coordinates.names)
    )
    chrom = store.coordinates.names[int(sequences.chrom[0])]
    check_signals(model.card, options, store, [chrom])
    check_annotation_rules(model.card, options, store)
    begin = perf_counter()
    with progress_line("scanning", len(sequences), unit="sequences") as line:
        found = find_kernel_sites(
            network, store, cell_name(options.cell), sequences, device=device, on_batch=line.advance
        )
    matches = _compare(found, known)
    tracks, window_length = network.config.tracks, network.config.window_length
    layers = [
        LayerReport(number=n, sites=sites, rows=kernel_rows(n, sites, match), matches=match, tracks=tracks)
        for n, (sites, match) in enumerate(zip(found, matches, strict=True), 1)
    ]
    facts = {
        "model": f"{options.model} ({', '.join(network.config.tasks)}), {model.weights} weights",
        **({"factor": options.factor} if options.factor is not None else {}),
        "cell line": cell_name(options.cell),
        "sequences": f"{len(sequences):,} of {options.bed.name}, {window_length} bases each, both strands",
        "chromosome": chrom,
        "made by": f"factornet {__version__}",
    }
    _write(options, folder, layers, facts=facts, n_known=len(known))
    note_run(options, path=folder / RUN_FILE, outputs=[folder / "kernels.csv"])
    rows = [row for layer in layers for row in layer.rows]
    if options.json:
        content = {"output": str(folder), "factor": options.factor, "sequences": len(sequences)}
        print_json({**content, "kernels": [asdict(r) for r in rows]})
        return 0
    for layer in layers:
        _print_table(layer)
    print_line(
        f"{folder}/index.html: {len(rows)} kernels in {len(sequences):,} sequences of {chrom}; "
        f"{perf_counter() - begin:.1f} s on {device}; peak memory {format_bytes(peak_memory())}"
    )
    return 0


def _compare(found: Sequence[KernelSites], known: Sequence[Motif]) -> list[dict[int, MotifMatch]]:
    """Return the closest known motifs of the kernels, for each layer."""
    from ..model.motifs.tomtom import FEW_MOTIFS, match_kernels

    if not known:
        return [{} for _ in found]
    if len(known) < FEW_MOTIFS:
        warning = f"{len(known)} known motifs are few: Tomtom's p-values are rough with fewer than {FEW_MOTIFS}"
        print_warning(warning)
    matches = []
    with progress_line("comparing with known motifs (a minute at first use)", len(found)) as line:
        for layer in found:
            matches.append(match_kernels(layer, known))
            line.advance(1)
    return matches


def _write(
    options: argparse.Namespace,
    folder: Path,
    layers: Sequence[LayerReport],
    *,
    facts: dict[str, str],
    n_known: int,
) -> None:
    from ..model.motifs.html_report import render_page
    from ..model.motifs.kernel_motifs import write_motifs
    from ..model.motifs.tomtom import to_csv
    from ..store.files.atomic_write import write_atomic

    with staged_folder(folder, replaced=_PAGE_FILES) as staged:
        write_motifs(staged, [layer.sites for layer in layers], layers[0].tracks)
        write_atomic(staged / "kernels.csv", to_csv([row for layer in layers for row in layer.rows]).encode())
        _save_pictures(staged, layers, options.pictures)
        title = f"Motifs detected by the kernels of {options.model.resolve().name}"
        write_atomic(staged / "index.html", render_page(title, facts, layers, n_known=n_known).encode())


def _save_pictures(folder: Path, layers: Sequence[LayerReport], formats: Sequence[str]) -> None:
    from ..model.motifs.logo import save_pictures

    if not formats:
        return
    (folder / "logos").mkdir(exist_ok=True)
    rows = [(layer, row) for layer in layers for row in layer.rows]
    with progress_line("drawing", len(rows), unit="kernels") as line:
        for layer, row in rows:
            stem = folder / "logos" / row.anchor
            title = f"layer {row.layer}, kernel {row.kernel}: {row.sites:,} sites"
            save_pictures(stem, layer.picture(row.kernel), title, formats=formats)
            line.advance(1)


def _print_table(layer: LayerReport) -> None:
    rows = []
    for row in layer.rows[:_SHOWN]:
        q = "" if row.q_value is None else f"{row.q_value:.1e}"
        figures = (f"{row.rank}", f"{row.kernel}", row.consensus, f"{row.sites:,}", f"{row.strength:,.0f}")
        rows.append((*figures, row.match, q))
    columns = ("rank", "kernel", "core", "sites", "strength", "known motif", "q")
    print_table(f"layer {layer.number}", columns, rows)


if __name__ == "__main__":
    sys.exit(main())
