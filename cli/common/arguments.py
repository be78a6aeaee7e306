"""Types of command-line arguments, the options of every command, and files that options name."""

from __future__ import annotations

import argparse
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...store.errors import OutputExistsError, UsageError
from ...store.files.folder_name import folder_name
from ...store.files.outputs import check_output_file, output_lock
from ...store.genome.regions import Region, parse_region
from ...store.reader import Store

DEVICE_HELP = "auto, cpu, cuda or cuda:1; auto: CUDA if available, else the CPU"
NOTHING = "none"
"""Stands for an empty list of names in options that take several."""
CHROM_ALIAS_HELP = "a chromosome's name in the file and in the store, such as 20=chr20, or a table of names"
_LARGEST_COUNT = 2**31 - 1  # of windows, processes, bases of an option
_LARGEST_INT64 = 2**63 - 1  # of seeds, which are passed on to torch, and of bytes


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Help with defaults; text is wrapped line by line, except for indented lines (examples)."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(line if line.startswith(" ") else textwrap.fill(line, width) for line in lines)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Return the names of an option with its values once: ``-i, --cells CELL [CELL ...]``."""
        text = super()._format_action_invocation(action)
        if not action.option_strings or action.nargs == 0:
            return text
        values = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {values}"

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, (), [], "") or "; default: " in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more; show the traceback of errors")
    add_run_options(parser)


def add_run_options(group: argparse._ActionsContainer) -> None:
    """Add ``--config`` and ``--record``."""
    group.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="take options from the record of a run (run.toml), or from a file like it; the command line counts first",
    )
    group.add_argument(
        "--record",
        metavar="TOML",
        help="write the record of this run to this file, instead of where train, predict, crossval and visualize leave "
        f"it (run.toml in their folder, or next to their file); {NOTHING}: nowhere",
    )


@contextmanager
def naming_option(option: str, *, hint: str = "") -> Iterator[None]:
    """Name the option at fault in usage errors of the block: the library names parameters only.

    Args:
        option: put before the message.
        hint: what else a user of the command can do.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{option}: {error}" + (f"; {hint}" if hint else "")) from error


@contextmanager
def naming_force() -> Iterator[None]:
    """Name the option that replaces an output in the error of one that exists."""
    try:
        yield
    except OutputExistsError as error:
        raise UsageError(f"{error}; --force replaces it") from error


def cell_name(text: str) -> str:
    """Return the name of a cell line, given by name or as its folder (``data/HepG2``), which may be a link."""
    return folder_name(text)


def chosen(items: Sequence[str]) -> Sequence[str]:
    """Return the items of an option; ``none`` alone means that there are none."""
    return () if list(items) == [NOTHING] else items


def parse_regions(items: Sequence[str], store: Store, *, option: str) -> list[Region]:
    """Return regions of a store as given to an option; errors as of `parse_region`, with the option's name."""
    with naming_option(option):
        return [parse_region(item, store.coordinates) for item in items]


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``2GB``, ``1.5 GiB`` or ``800M``."""
    match = re.fullmatch(r"([\d.]+)\s*([kMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it as 2GB or 800MB")
    power = "kmgt".find(match[2].lower()) + 1 if match[2] else 0
    size = float(match[1]) * (1024 if match[3] else 1000) ** power
    if size > _LARGEST_INT64:
        raise argparse.ArgumentTypeError(f"{text!r} is more than any machine has")
    return int(size)


def positive_int(text: str) -> int:
    """Return an integer of at least 1."""
    return _whole(text, 1, _LARGEST_COUNT)


def natural_number(text: str) -> int:
    """Return an integer of at least 0."""
    return _whole(text, 0, _LARGEST_COUNT)


def whole_number(text: str) -> int:
    """Return an integer, which may be negative."""
    return _whole(text, -_LARGEST_COUNT, _LARGEST_COUNT)


def seed_number(text: str) -> int:
    """Return a seed of random numbers, of 63 bits."""
    return _whole(text, 0, _LARGEST_INT64)


def _whole(text: str, least: int, largest: int) -> int:
    if re.fullmatch("[-+]?[0-9]{1,4000}", text) is None or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    if int(text) > largest:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {largest}, the largest that can be given")
    return int(text)


def finite_number(text: str) -> float:
    """Return a number that is neither infinite nor NaN."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def positive_number(text: str) -> float:
    """Return a finite number above 0."""
    if (number := finite_number(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return number


def parse_pairs(items: Sequence[str], option: str) -> dict[str, str]:
    """Return ``NAME=FILE`` items as a dictionary.

    Raises:
        UsageError: an item is not of this form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value) or name in found:
            raise UsageError(f"{option} {item!r}: write NAME=FILE, each name once")
        found[name] = value
    return found


@contextmanager
def picture_lock(option: str, path: Path, inputs: Sequence[Path]) -> Iterator[None]:
    """Hold the lock of a picture that a command will draw; a picture that exists is replaced.

    Args:
        option: that names it, for messages.
        path: of the picture.
        inputs: files of the command, none of which it may be.

    Raises:
        UsageError: its name is not that of a picture, its folder does not exist, or what is there cannot be replaced,
            or is an input.
        InputError: its folder cannot be written, or another process writes it.
    """
    from ...model.figures import FIGURE_SUFFIXES  # loads torch

    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(f"{option} {path}: a picture is named {', '.join(f'*{s}' for s in FIGURE_SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: its folder does not exist; create it first")
    with output_lock(path):
        check_output_file(path, overwrite=True)
        if path.exists() and any(given.exists() and path.samefile(given) for given in inputs):
            raise UsageError(f"{option} {path}: is a file that the command reads; give another name")
        yield
