"""Set up the networks over blocks and trees of ``factornet-train --preset blocks``, from its options."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ...store.errors import UsageError
from ...store.sampling.sampler import Sampler
from ...store.text import format_names
from ..common.known_motifs import JASPAR, choose_motif, default_motifs
from ..common.output import print_line
from ..crossvalidation.parts import read_scores

if TYPE_CHECKING:
    from ...model.motifs.pwm import Motif
    from ...model.training.blocks.setup import BlockSetup

_TRAINING_OPTIONS = ("epochs", "patience", "learning_rate", "batch_size", "seed", "select")
_MEMBERS, _TREES = 3, 120


def block_setup(options: argparse.Namespace, sampler: Sampler, tracks: tuple[str, ...]) -> BlockSetup:
    """Return what to train.

    Raises:
        UsageError: LightGBM or motifs are asked for and are not there, or a value is out of range.
    """
    from ...model.training.blocks.setup import BlockSetup
    from ...model.training.blocks.trainer import BlockTrainingOptions

    network: dict[str, Any] = {"tracks": tracks, "members": options.members or _MEMBERS, "trees": _trees(options)}
    network["annotation"] = sampler.store.has_annotation if options.gencode is None else options.gencode
    for name in ("kernels", "kernel_width", "dropout"):
        if getattr(options, name) is not None:
            network[name] = getattr(options, name)
    setup = BlockSetup(
        sampler=sampler,
        network=network,
        options=BlockTrainingOptions(**{name: getattr(options, name) for name in _TRAINING_OPTIONS}),
        segments={"mode": options.label_mode},
        motifs=_motifs(options, sampler.tasks),
        cross_validation=read_scores(options.cross_validation) if options.cross_validation else None,
    )
    _ = setup.config, setup.segment_options  # errors before any folder is made
    return setup


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
        return _TREES if options.trees is None else int(options.trees)
    if options.trees:
        raise UsageError(f"--trees {options.trees}: LightGBM, which grows them, {problem}")
    print_line(f"no boosted trees, which would raise the accuracy: LightGBM {problem}", file=sys.stderr)
    return 0


def _motifs(options: argparse.Namespace, factors: tuple[str, ...]) -> dict[str, Motif]:
    """Return the known motif of each factor that has one; what is missing is said on standard error.

    Raises:
        UsageError: motifs are asked for, and none is there.
        InputError: the file of motifs cannot be read.
    """
    if options.motif is False:
        return {}
    asked = options.motif or options.motifs is not None or options.motif_name is not None
    try:
        source = options.motifs or default_motifs()
    except UsageError as error:
        if asked:
            raise
        print_line(f"no known motifs, which would help rare factors most; {error}", file=sys.stderr)
        return {}
    found, missing = {}, []
    for factor in factors:
        try:
            found[factor] = choose_motif(source, (options.motif_name if len(factors) == 1 else None) or factor)
        except UsageError:
            if asked and len(factors) == 1:
                raise
            missing.append(factor)
    if missing:
        where = "pyjaspar" if str(source) == JASPAR else source.name
        print_line(f"no motif of {format_names(missing, 'factor')} in {where}", file=sys.stderr)
    return found
