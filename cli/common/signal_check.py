"""Compare the signals of a cell line with those of a model's training before a command computes anything."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from ...store.reader import Store
from .arguments import NOTHING, cell_name
from .output import print_line, print_warning

if TYPE_CHECKING:
    from ...model.model_dir.card import ModelCard

_IGNORE = "--ignore-units"


def add_ignore_units(group: argparse._ActionsContainer) -> None:
    """Add ``--ignore-units``."""
    group.add_argument(
        _IGNORE,
        action="store_true",
        help="only warn where the units of a track (bigwig.txt) are not those of training",
    )


@contextmanager
def naming_ignore_units() -> Iterator[None]:
    """Add ``--ignore-units`` to the cures of an error of `compare_signals` or `compare_among` in the block."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{error}, or go on with {_IGNORE}") from error


def check_signals(card: ModelCard, options: argparse.Namespace, store: Store) -> None:
    """Warn of each track of ``--cell`` that is unlike the signals that the model was trained on.

    Tracks of the cell line that the model does not use are named.

    Raises:
        InputError: the signals that the model records have another form.
        UsageError: the cell line lacks a track of the model, or has other units, and not ``--ignore-units``.
    """
    cell = cell_name(options.cell)
    for warning in signal_warnings(card, options, store, cells=(cell,), model=options.model):
        print_warning(warning)
    unused = [name for name in store.cell(cell).track_names if name not in card.config.tracks]
    if unused and not options.json:
        print_line(f"tracks: {', '.join(card.config.tracks) or NOTHING} (not used of {cell}: {', '.join(unused)})")


def signal_warnings(
    card: ModelCard, options: argparse.Namespace, store: Store, *, cells: Sequence[str], model: Path
) -> list[str]:
    """Return what of the tracks of cell lines is unlike the signals that a model was trained on, as text.

    Raises:
        InputError, UsageError: as for `check_signals`.
    """
    from ...model.data.inputs import check_tracks
    from ...model.data.signals import compare_signals, recorded_signals, track_signals

    for cell in cells:
        check_tracks(card.config, store, cell)
    recorded = recorded_signals(card.provenance, location=str(model))
    found = track_signals(store, cells, card.config.tracks)
    with naming_ignore_units():
        return compare_signals(recorded, found, ignore_units=options.ignore_units)
