"""Types and values of command-line arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from ...store.genome.regions import Region, parse_region
from ...store.reader import Store

if TYPE_CHECKING:  # torch takes a second to import: --help and mistakes in the options should not wait for it
    pass

import re


def cell_name(text: str) -> str:
    """A cell line's name; of a FactorNet folder (``data/HepG2``), its last part."""
    return Path(text).name


def regions_of(items: Sequence[str] | None, default: Sequence[str], store: Store) -> list[Region]:
    """Regions the user named, which must be there, or those of the default that the store has."""
    if items is None:
        items = [name for name in default if name in store.coordinates.names]
    return [parse_region(item, store.coordinates) for item in items]


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, and keeps the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, (), []):
            return action.help
        return super()._get_help_string(action)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of every command."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more; show where in the code an error arose")


def parse_size(text: str) -> int:
    """Bytes of ``2GB``, ``1.5 GiB``, ``800M``."""
    match = re.fullmatch(r"([\d.]+)\s*([kMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it as 2GB or 800MB")
    power = "kmgt".find(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def pairs(items: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` items as a dictionary.

    Raises:
        UsageError: an item is no pair, or a name comes twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value) or name in found:
            raise UsageError(f"{option} {item!r}: write NAME=FILE, each name once")
        found[name] = value
    return found
