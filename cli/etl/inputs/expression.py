"""``factornet-etl expression``: expression components of cell lines, from a table of TPMs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....etl.expression.components import Loadings, Projection, fit_components, project
from ....etl.expression.loadings_file import read_loadings, write_loadings
from ....etl.expression.meta_sheet import check_no_others, write_components
from ....etl.expression.tpm_table import TpmFile, TpmTable, read_samples, read_tpm_table
from ....store.errors import UsageError
from ....store.files.folder_name import folder_name
from ....store.files.outputs import check_output_file, output_lock
from ....store.meta_names import component_names
from ....store.text import format_count
from ...common.arguments import HelpFormatter, add_common_options, finite_number, naming_option, positive_int
from ...common.output import print_json, print_line, print_table, print_warning

_COUNT = 8


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "expression",
        help="compute expression components of cell lines, for models with gene expression (-m)",
        description="Compute principal components of gene expression over the cell lines of a table of TPMs, write "
        "their loadings to a file and the components into meta.txt of cell-line folders; or project new cell lines on "
        "the loadings of a file. The names of the components hold the digest of their loadings, so that a model "
        "refuses those of others. The components of the published models cannot be computed: their loadings were not "
        "published.",
        epilog="examples:\n  factornet-etl expression tpm.tsv -o loadings.json --folders data/HepG2 data/K562\n"
        "  factornet-etl expression new.tsv --project loadings.json --folders data/Th17\n"
        "  factornet-etl expression K562_rep1=ENCFF001AAA.tsv K562_rep2=ENCFF002AAA.tsv --project loadings.json",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "tables",
        nargs="+",
        metavar="[SAMPLE=]TABLE",
        help="TPMs: genes in rows, samples in columns, tabs between; or GCT; or files of one sample with a column TPM "
        "(RSEM, gene quantifications of ENCODE), the samples named by SAMPLE= or after the file",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="file for the loadings (JSON)")
    parser.add_argument("--project", type=Path, metavar="LOADINGS", help="project on the loadings of this file")
    parser.add_argument(
        "--folders",
        type=Path,
        nargs="+",
        default=[],
        metavar="CELLDIR",
        help="cell-line folders whose meta.txt gets the components; named as cell lines of the table",
    )
    parser.add_argument(
        "-n", "--components", type=positive_int, help=f"number of components, without --project; default: {_COUNT}"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="two columns, sample and cell line; default: samples of one name but for an end such as _rep1 are "
        "replicates of one cell line",
    )
    parser.add_argument(
        "--max-missing",
        type=finite_number,
        default=0.1,
        metavar="SHARE",
        help="with --project: largest share of a component's squared loadings that missing genes may have",
    )
    parser.add_argument("--force", action="store_true", help="replace components that a meta.txt has, and the file")
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    if (options.project is None) == (options.output is None):
        raise UsageError("give either -o FILE, to compute components, or --project LOADINGS, to project on them")
    if options.project is not None and options.components is not None:
        raise UsageError("-n has no meaning with --project: the loadings have their number of components")
    samples = read_samples(options.samples) if options.samples else None
    table = read_tpm_table([_tpm_file(text) for text in options.tables], samples=samples)
    cells = _cells_of_folders(options.folders, table)
    for folder in cells:
        with output_lock(folder):  # an error before the loadings are written
            pass
    if options.project is not None:
        loadings, digest = read_loadings(options.project)
        with naming_option("--max-missing"):
            found = project(loadings, table, max_missing=options.max_missing)
        _check_folders(options, component_names(loadings.sds.size, digest))
    else:
        with naming_option("-n"):
            loadings = fit_components(table, options.components or _COUNT)
        found = project(loadings, table)
        _check_folders(options, ())
        with output_lock(options.output):
            with naming_option("-o", hint="--force replaces it"):
                check_output_file(options.output, overwrite=options.force)
            digest = write_loadings(options.output, loadings)
    names = component_names(loadings.sds.size, digest)
    states = {}
    for folder, cell in cells.items():
        values = found.values[table.cells.index(cell)]
        with naming_option("--folders"):
            states[str(folder)] = write_components(folder, names, values, force=options.force)
    (_print_json if options.json else _print)(options, table, _Result(loadings, found, names, states))
    return 0


def _tpm_file(text: str) -> TpmFile:
    """Return the file of an argument, with its sample; the name of a file may have an equals sign."""
    sample, equals, path = text.partition("=")
    return TpmFile(Path(path), sample) if equals and not Path(text).exists() else TpmFile(Path(text))


@dataclass(frozen=True)
class _Result:
    """Loadings, the components of the table's cell lines, their names, and what became of each folder's sheet."""

    loadings: Loadings
    found: Projection
    names: tuple[str, ...]
    states: Mapping[str, str]


def _check_folders(options: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Check, before anything is written, that no folder has other components."""
    for folder in () if options.force else options.folders:
        with naming_option("--folders", hint="--force replaces them"):
            check_no_others(folder, names)


def _cells_of_folders(folders: list[Path], table: TpmTable) -> dict[Path, str]:
    """Return the cell line of each folder.

    Raises:
        UsageError: a folder does not exist, or the table lacks its cell line.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--folders: {folder}: no such folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"--folders: {folder}: no permission to write its meta.txt")
        if folder_name(folder) not in table.cells:
            has = ", ".join(table.cells)
            raise UsageError(f"--folders: the table has no cell line {folder_name(folder)!r}; it has {has}")
    return {folder: folder_name(folder) for folder in folders}


def _print(options: argparse.Namespace, table: TpmTable, result: _Result) -> None:
    loadings, found, names = result.loadings, result.found, result.names
    n_samples = sum(map(len, table.replicates.values()))
    print_line(
        f"{', '.join(options.tables)}: {format_count(len(table.genes), 'gene')}, "
        f"{format_count(n_samples, 'sample')} of {format_count(len(table.cells), 'cell line')}"
    )
    for cell, samples in table.replicates.items():
        if len(samples) > 1:
            print_line(f"  {cell}: mean of {', '.join(samples)}")
    for note in table.notes:
        print_warning(note)
    n_genes, n_over = format_count(len(loadings.genes), "gene"), format_count(len(loadings.cells), "cell line")
    explained = f"{loadings.explained.sum():.1%} of the variance over {n_over}"
    print_line(f"{options.project or options.output}: {len(names)} components of {n_genes}, {explained}")
    if options.project is not None:
        matched = " by name" if found.by_name else ""
        print_line(
            f"genes matched{matched}: {len(loadings.genes) - found.missing:,}; missing, counted as at their mean: "
            f"{found.missing:,} (at most {found.missing_weight:.2%} of a component); not in the loadings: "
            f"{found.unused:,}"
        )
    rows = [(cell, *(f"{v:.3f}" for v in row)) for cell, row in zip(found.cells, found.values, strict=True)]
    print_table("", ("cell line", *names), rows)
    for folder, state in result.states.items():
        print_line(f"{folder}/meta.txt: {state}")
    if result.states:
        print_line("next: build these cell lines (again: with --force), and train with factornet-train -m")


def _print_json(options: argparse.Namespace, table: TpmTable, result: _Result) -> None:
    loadings, found = result.loadings, result.found
    content = {
        "loadings": str(options.project or options.output),
        "names": result.names,
        "genes": len(loadings.genes),
        "explained": loadings.explained.tolist(),
        "over": loadings.cells,
        "values": {cell: row.tolist() for cell, row in zip(found.cells, found.values, strict=True)},
        "replicates": table.replicates,
        "missing": found.missing,
        "missing_weight": found.missing_weight,
        "unused": found.unused,
        "by_name": found.by_name,
        "folders": result.states,
        "notes": table.notes,
    }
    print_json(content)
