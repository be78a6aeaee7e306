"""``factornet-etl list``: show the stores that a catalogue lists, or write the catalogue of a folder again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from ....etl.inputs.chrom_aliases import abbreviate
from ....etl.sharing.card import NOT_STATED
from ....etl.sharing.catalogue import Catalogue, read_catalogue
from ....etl.sharing.entry import CatalogueEntry
from ....etl.sharing.keep import CatalogueUpdate, outdated, rebuild_catalogue
from ....etl.sharing.selection import select_entries
from ....store.errors import UsageError
from ....store.location import is_remote
from ....store.text import format_bytes, format_count, shell_word
from ...common.arguments import HelpFormatter, add_common_options
from ...common.output import print_json, print_line, print_warning
from ...common.progress import progress_line


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "list",
        help="list the stores of a folder or a server that has a catalogue",
        description="List the stores of a folder, a web server or object storage, from the catalogue that "
        "`factornet-etl export` keeps there: genome, cell lines, tracks, factors, size, licence. `factornet-etl import "
        "NAME STORE --from WHERE` copies one by name. Entries of a local folder are compared with the stores.",
        epilog="examples:\n  factornet-etl list https://example.org/stores\n"
        "  factornet-etl list https://example.org/stores --factor CTCF --genome hg38\n"
        "  factornet-etl list --rebuild /var/www/stores    # read the stores there again",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("where", metavar="WHERE", help="folder of stores, its catalogue.json, or the URL of either")
    parser.add_argument("--factor", metavar="NAME", help="only stores with this factor (in the cell line of --cell)")
    parser.add_argument("--cell", metavar="NAME", help="only stores with this cell line")
    parser.add_argument("--genome", metavar="NAME", help="only stores of this genome assembly")
    parser.add_argument(
        "--rebuild", action="store_true", help="write the catalogue of a local folder again, from the stores in it"
    )
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    rebuilt = _rebuild(options.where) if options.rebuild else None
    catalogue = read_catalogue(options.where)
    entries = select_entries(catalogue, factor=options.factor, cell=options.cell, genome=options.genome)
    states = {} if catalogue.is_remote else {e.name: outdated(Path(catalogue.folder), e) for e in entries}
    faults = {name: fault for name, fault in states.items() if fault}
    for name, fault in faults.items():
        hint = f"`factornet-etl list --rebuild {shell_word(catalogue.location)}` corrects the catalogue"
        print_warning(f"{catalogue.location}/{name}: {fault}; {hint}")
    if options.json:
        content: dict[str, Any] = {"location": catalogue.location, "stores": [e.to_json() for e in entries]}
        if rebuilt is not None:
            content |= {"gone": rebuilt.gone, "refused": rebuilt.refused, "notes": rebuilt.notes}
        print_json(content | {"faults": faults})
    else:
        _print(catalogue, entries)
    return 1 if faults or (rebuilt is not None and rebuilt.refused) else 0


def _rebuild(where: str) -> CatalogueUpdate:
    if is_remote(where):
        raise UsageError(f"--rebuild: {where} is no local folder; rebuild the catalogue where the stores are")
    with progress_line("read", 0, unit="stores") as line:
        update = rebuild_catalogue(Path(where), on_store=lambda name: line.advance(1, name))
    for problem in update.refused:
        print_warning(f"not listed: {problem}")
    for note in update.all_notes:
        print_warning(note)
    return update


def _print(catalogue: Catalogue, entries: Sequence[CatalogueEntry]) -> None:
    total = format_bytes(sum(entry.size for entry in entries))
    print_line(f"{catalogue.location}: {format_count(len(entries), 'store')}, {total}")
    for entry in entries:
        kind = "zip file" if entry.is_zip else "folder"
        print_line(f"{entry.name}: {kind}, {format_bytes(entry.size)} {entry.encoding}, exported {entry.exported}")
        chromosomes = format_count(entry.n_chromosomes, "chromosome")
        print_line(f"  genome: {entry.assembly}, {chromosomes}, manifest {entry.genome_manifest[:16]}...")
        print_line(f"  cell lines: {abbreviate(cell.name for cell in entry.cells) or 'none'}")
        print_line(f"  tracks: {abbreviate(entry.tracks) or 'none'}")
        print_line(f"  factors: {abbreviate(entry.factors) or 'none'}")
        print_line(f"  licence: {entry.statements.licence or NOT_STATED}; card: {entry.card or 'none'}")
    if entries:
        name, shelf = entries[0].name, f"--from {shell_word(catalogue.location)}"
        words = f"{shelf} -- {quote(name)} STORE" if name.startswith("-") else f"{quote(name)} STORE {shelf}"
        print_line(f"next: factornet-etl import {words}")
