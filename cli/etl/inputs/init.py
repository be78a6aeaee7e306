"""``factornet-etl init``: write the sheets of a folder from the files in it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ....etl.folders.guess import FolderGuess, guess_folder
from ....etl.folders.sheets import SheetState, sheet_texts, write_sheets
from ....store.errors import UsageError
from ....store.files.outputs import output_lock
from ....store.text import format_count
from ...common.arguments import HelpFormatter, add_common_options
from ...common.output import print_json, print_line, print_warning


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "init",
        help="write the sheets of a cell-line folder from the files in it",
        description="Write bigwig.txt and chip.txt of cell-line folders: what a file is (bigWig, BAM, CRAM, SAM, "
        "fragments, peaks) is told from its content, which track or factor it belongs to from its name. What was "
        "guessed is printed, to be corrected in the sheets; a file that could not be placed is named, and the exit "
        "status is 1. Sheets that exist are kept.",
        epilog="example:\n  factornet-etl init data/HepG2 data/K562 --dry-run",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="CELLDIR", help="folders, named as the cell lines")
    parser.add_argument("--dry-run", action="store_true", help="print the guess, and write nothing")
    parser.add_argument("--force", action="store_true", help="replace sheets that exist")
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    guesses = {folder: guess_folder(folder) for folder in options.folders}
    for folder, guess in guesses.items():
        if not any(f.use or f.is_open for f in guess.files):
            raise UsageError(f"{folder}: has no file that a sheet could name: bigWigs, reads, or peaks")
    report = []
    for folder, guess in guesses.items():
        texts = {name: text for name, text in sheet_texts(guess.tracks, guess.chip).items() if text}
        states: dict[str, SheetState] = {}
        if not options.dry_run:
            with output_lock(folder):
                states = write_sheets(folder, texts, force=options.force)
        if options.json:
            files = [{**asdict(f), "open": f.is_open} for f in guess.files]
            report.append({"folder": str(folder), "sheets": states, "texts": texts, "files": files})
        else:
            _print(folder, guess, texts, states)
    if options.json:
        print_json(report)
    return 1 if any(f.is_open for guess in guesses.values() for f in guess.files) else 0


def _print(folder: Path, guess: FolderGuess, texts: dict[str, str], states: dict[str, SheetState]) -> None:
    print_line(f"{folder}: {format_count(len(guess.tracks) + len(guess.chip), 'row')}")
    for name, text in texts.items():
        state = states.get(name, "not written")
        shown = "kept as it was; --force would write" if state == "kept" else state
        print_line(f"  {name}: {shown}")
        for row in text.splitlines():
            print_line(f"    {'  '.join(row.split(chr(9)))}")
    for file in guess.files:
        if not file.use and not file.is_open:
            print_line(f"  {file.name}: not used, {file.reason}")
    for file in guess.files:
        if file.is_open:
            print_warning(f"{folder / file.name}: not placed: {file.reason}")
