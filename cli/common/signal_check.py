"""Compare the signals of a cell line with those of a model's training before a command computes anything."""

from __future__ import annotations

import argparse

from ...store.reader import Store
from .arguments import cell_name
from .output import print_warning


def add_ignore_units(group: argparse._ActionsContainer) -> None:
    """Add ``--ignore-units``."""
    group.add_argument(
        "--ignore-units",
        action="store_true",
        help="only warn where the units of a track (bigwig.txt) are not those of training",
    )


def check_signals(options: argparse.Namespace, store: Store) -> None:
    """Warn of each track of ``--cell`` that is unlike the signals that ``--model`` was trained on.

    Raises:
        InputError: there is no intact model.
        UsageError: the tracks are not the model's, or have other units, and not ``--ignore-units``.
    """
    from ...model.data.inputs import check_tracks
    from ...model.data.signals import compare_signals, recorded_signals, track_signals
    from ...model.model_dir.card import read_card

    card, cell = read_card(options.model), cell_name(options.cell)
    check_tracks(card.config, store, cell)
    recorded = recorded_signals(card.provenance, location=str(options.model))
    found = track_signals(store, (cell,), card.config.tracks)
    for warning in compare_signals(recorded, found, ignore_units=options.ignore_units):
        print_warning(warning)
