"""Compare the signals of a cell line with those of a model's training, and look for chromosomes without any, before a
command computes anything.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...etl.inputs.chrom_aliases import abbreviate
from ...store.errors import UsageError
from ...store.reader import Store
from ...store.stored_signal import chromosomes_of_zeros
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


def check_signals(card: ModelCard, options: argparse.Namespace, store: Store, chroms: Iterable[str]) -> None:
    """Warn of each track of ``--cell`` that is unlike the signals that the model was trained on.

    Tracks of the cell line that the model does not use are named; so are inputs that are 0 throughout on chromosomes.

    Args:
        card: of the model.
        options: with ``cell``, ``model``, ``ignore_units`` and ``json``.
        store: an open store.
        chroms: names of the chromosomes that the inputs are read on.

    Raises:
        InputError: the signals that the model records have another form.
        UsageError: the cell line lacks a track of the model, or has other units, and not ``--ignore-units``.
    """
    cell, config = cell_name(options.cell), card.config
    for warning in signal_warnings(card, options, store, cells=(cell,), model=options.model):
        print_warning(warning)
    warn_of_zeros(store, (cell,), config.tracks, chroms, annotation=config.uses_annotation)
    unused = [name for name in store.cell(cell).track_names if name not in config.tracks]
    if unused and not options.json:
        print_line(f"tracks: {', '.join(config.tracks) or NOTHING} (not used of {cell}: {', '.join(unused)})")


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


def warn_of_zeros(
    store: Store, cells: Iterable[str], tracks: Sequence[str], chroms: Iterable[str], *, annotation: bool = False
) -> None:
    """Warn of tracks, and of annotation, that are 0 throughout on a chromosome; see `zero_warnings`."""
    for warning in zero_warnings(store, cells, tracks, chroms, annotation=annotation):
        print_warning(warning)


def zero_warnings(
    store: Store, cells: Iterable[str], tracks: Sequence[str], chroms: Iterable[str], *, annotation: bool = False
) -> list[str]:
    """Return which inputs are 0 throughout on which of the chromosomes that they are read on, as text.

    The figures of a track are of all chromosomes together: they do not show that its file lacked one.

    Args:
        store: an open store.
        cells: cell lines; one that lacks a track is not asked for it.
        tracks: names of the tracks.
        chroms: names of the chromosomes.
        annotation: whether annotation is an input.

    Raises:
        StoreError: the store is damaged.
    """
    names = tuple(dict.fromkeys(chroms))
    inputs = {"genome/annotation": ("the annotation", "the genome")} if annotation and store.has_annotation else {}
    for cell in cells:
        for track in store.tracks_of(cell):
            if track.name in tracks:
                path = store.track_path(cell, track.name, "").removesuffix("/")
                whose, again = ("", "the genome") if track.shared else (f" of {cell}", cell)
                inputs[path] = (f"track {track.name}{whose}", again)
    warnings = []
    for path, (what, again) in inputs.items():
        if empty := chromosomes_of_zeros(store, path, names):
            which = "that chromosome" if len(empty) == 1 else "those chromosomes"
            cure = f"if its file lacks {which}, build {again} again from a complete one"
            warnings.append(f"{what} is 0 throughout on {abbreviate(empty)}: {cure}")
    return warnings
