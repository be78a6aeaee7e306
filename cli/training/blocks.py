"""Set up the networks over blocks and trees of ``factornet-train --preset blocks``, from its options."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ...store.errors import UsageError
from ...store.sampling.bin_targets import has_peaks
from ...store.sampling.sampler import Sampler
from ...store.text import format_names
from ..common.arguments import NOTHING, cell_name, chosen, naming_option
from ..common.known_motifs import JASPAR, choose_motif, default_motifs
from ..common.output import print_line, print_warning
from ..common.signal_check import zero_warnings
from ..crossvalidation.parts import read_scores
from .presets import MEMBERS, TREES

if TYPE_CHECKING:
    from ...model.motifs.pwm import Motif
    from ...model.training.blocks.setup import BlockSetup

_TRAINING_OPTIONS = ("epochs", "patience", "learning_rate", "batch_size", "seed", "select")


def block_setup(options: argparse.Namespace, sampler: Sampler, tracks: tuple[str, ...]) -> BlockSetup:
    """Return what to train.

    Raises:
        UsageError: LightGBM or motifs are asked for and are not there, or a value is out of range.
    """
    from ...model.network.block_config import recommended_members
    from ...model.training.blocks.setup import BlockSetup
    from ...model.training.blocks.trainer import BlockTrainingOptions

    members = recommended_members(options.members or MEMBERS)
    network: dict[str, Any] = {"tracks": tracks, "members": members, "trees": _trees(options)}
    network["annotation"] = sampler.store.has_annotation if options.gencode is None else options.gencode
    mean_cells, network["mean_tracks"] = _mean_signal(options, sampler, tracks)
    network["auxiliary"] = _auxiliary(options, sampler)
    for name in ("kernels", "kernel_width", "dropout"):
        if getattr(options, name) is not None:
            network[name] = getattr(options, name)
    setup = BlockSetup(
        sampler=sampler,
        network=network,
        options=BlockTrainingOptions(**{name: getattr(options, name) for name in _TRAINING_OPTIONS}),
        segments={} if options.label_mode is None else {"mode": options.label_mode},
        motifs=_motifs(options, sampler.tasks, network["auxiliary"] if "even" in members else ()),
        mean_cells=mean_cells,
        cross_validation=read_scores(options.cross_validation, ", ".join(sampler.tasks))
        if options.cross_validation
        else None,
    )
    _ = setup.config, setup.segment_options  # errors before any folder is made
    return setup


def _mean_signal(
    options: argparse.Namespace, sampler: Sampler, tracks: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return cell lines and tracks whose mean signal is an input: as asked for, else all cell lines with the tracks.

    Raises:
        UsageError: a cell line that is asked for is unknown or lacks a track, or no track is a cell line's own.
    """
    from ...model.training.blocks.average_signal import cells_with_tracks, own_tracks

    store = sampler.store
    own = own_tracks(store, tuple(dict.fromkeys(sampler.cells + sampler.valid_cells)), tracks)
    if options.mean_cells is None:
        cells = cells_with_tracks(store, own)
        if left_out := [cell for cell in store.cells if own and cell not in cells]:
            which = "which lacks" if len(left_out) == 1 else "which lack"
            print_line(
                f"mean signal: without {', '.join(left_out)}, {which} a track of {', '.join(own)}", file=sys.stderr
            )
        if len(cells) < 2 or not own:
            return (), ()
        _warn_of_signals(sampler, cells, own)
        return cells, own
    cells = tuple(dict.fromkeys(cell_name(item) for item in chosen(options.mean_cells)))
    with naming_option("--mean-cells"):
        for cell in cells:
            if own_tracks(store, (cell,), own) != own:
                raise UsageError(f"cell line {cell} lacks a track of its own: {', '.join(own)} are averaged")
        if cells and not own:
            raise UsageError(f"no track to average: {', '.join(tracks) or 'none'} are shared by all cell lines")
    _warn_of_signals(sampler, cells, own)
    return (cells, own) if cells else ((), ())


def _warn_of_signals(sampler: Sampler, cells: tuple[str, ...], tracks: tuple[str, ...]) -> None:
    """Warn of cell lines whose signal is unlike that of the training ones, and of negative values, which count as 0."""
    from ...model.data.signals import compare_signals, track_signals

    store, learnt = sampler.store, sampler.cells + sampler.valid_cells
    others = track_signals(store, [cell for cell in cells if cell not in learnt], tracks)
    for warning in compare_signals(track_signals(store, learnt, tracks), others, ignore_units=True):
        print_warning(f"mean signal: {warning}; choose the cell lines with --mean-cells")
    for warning in zero_warnings(store, cells, tracks, store.coordinates.names):
        print_warning(f"mean signal: {warning}")
    for track, signals in track_signals(store, cells, tracks).items():
        shares = {cell: s["figures"]["negative"] for cell, s in signals.items() if "figures" in s}
        if negative := {cell: share for cell, share in shares.items() if share}:
            listed = ", ".join(f"{share:.2%} in {cell}" for cell, share in negative.items())
            print_warning(
                f"mean signal of {track}: negative values count as 0 ({listed} of the bases); leave it out with "
                f"--mean-cells {NOTHING}"
            )


def _auxiliary(options: argparse.Namespace, sampler: Sampler) -> tuple[str, ...]:
    """Return the auxiliary factors: as asked for, else all others of the training cell lines, sorted.

    Raises:
        UsageError: one that is asked for is unknown or is to be predicted.
    """
    store = sampler.store
    named = {f for cell in sampler.cells for f in store.cell(cell).factor_names}
    known = {f for cell in sampler.cells for f in named if has_peaks(store, cell, f)}
    others = tuple(sorted(known - set(sampler.tasks)))
    if options.auxiliary is None:
        if without := sorted(named - known - set(sampler.tasks)):
            print_line(f"not learnt beside, without a peak: {', '.join(without)}", file=sys.stderr)
        return others
    asked = tuple(dict.fromkeys(chosen(options.auxiliary)))
    for factor in asked:
        if factor in sampler.tasks:
            raise UsageError(f"--auxiliary {factor}: is to be predicted; name others, or {NOTHING}")
        if factor not in others:
            raise UsageError(
                f"--auxiliary {factor}: no training cell line has a peak of it; they have those of "
                f"{', '.join(others) or 'no others'}"
            )
    return asked


def _trees(options: argparse.Namespace) -> int:
    """Return the number of trees: as asked for; else the default, or none where LightGBM cannot be used.

    Raises:
        UsageError: trees are asked for, and LightGBM cannot be used.
    """
    from ...model.training.blocks.tree_growth import lightgbm_problem

    if options.trees == 0:
        return 0
    problem = lightgbm_problem()
    if not problem:
        return TREES if options.trees is None else int(options.trees)
    if options.trees:
        raise UsageError(f"--trees {options.trees}: LightGBM, which grows them, {problem}")
    print_line(f"no boosted trees, which would raise the accuracy: LightGBM {problem}", file=sys.stderr)
    return 0


def _motifs(options: argparse.Namespace, tasks: tuple[str, ...], auxiliary: tuple[str, ...]) -> dict[str, Motif]:
    """Return the known motif of each factor that has one; what is missing is said on standard error.

    Of auxiliary factors only even members start from motifs.

    Raises:
        UsageError: motifs are asked for, and none is there; or one is named for several factors.
        InputError: the file of motifs cannot be read.
    """
    if options.motif is False:
        return {}
    if options.motif_name is not None and len(tasks) > 1:
        raise UsageError(f"--motif-name: names the motif of one factor; {len(tasks)} are learnt")
    asked = options.motif or options.motifs is not None or options.motif_name is not None
    try:
        source = options.motifs or default_motifs()
    except UsageError as error:
        if asked:
            raise
        print_line(f"no known motifs, which would help rare factors most; {error}", file=sys.stderr)
        return {}
    found, missing = {}, []
    for factor in tasks + auxiliary:
        only = tasks == (factor,)
        try:
            name = (options.motif_name if only else None) or factor
            found[factor] = choose_motif(source, name, quiet=factor in auxiliary)
        except UsageError:
            if asked and only:
                raise
            missing.append(factor)
    if missing:
        where = "pyjaspar" if str(source) == JASPAR else source.name
        print_line(f"no motif of {format_names(missing, 'factor')} in {where}", file=sys.stderr)
    return found
