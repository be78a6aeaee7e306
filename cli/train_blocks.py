"""Train a network over blocks for ``factornet-train --preset blocks``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..store.sampling.sampler import Sampler

if TYPE_CHECKING:
    from ..model.motifs.pwm import Motif
    from ..model.training.blocks.setup import BlockSetup

_TRAINING_OPTIONS = ("epochs", "patience", "learning_rate", "batch_size", "seed", "select")


def block_setup(
    options: argparse.Namespace, sampler: Sampler, tracks: tuple[str, ...], motif: Motif | None
) -> BlockSetup:
    """Return what to train, from the options."""
    from ..model.training.blocks.setup import BlockSetup
    from ..model.training.blocks.trainer import BlockTrainingOptions

    network: dict[str, Any] = {"tracks": tracks}
    for name in ("kernels", "kernel_width", "dropout"):
        if getattr(options, name) is not None:
            network[name] = getattr(options, name)
    setup = BlockSetup(
        sampler=sampler,
        network=network,
        options=BlockTrainingOptions(**{name: getattr(options, name) for name in _TRAINING_OPTIONS}),
        segments={"mode": options.label_mode},
        motifs=(motif,) if motif else (),
    )
    _ = setup.config, setup.segment_options  # errors before any folder is made
    return setup
