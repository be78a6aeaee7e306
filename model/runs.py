"""Begin a training: a fresh network in a new model folder, or the one in a folder to go on with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..store.axis import GenomeAxis, Intervals
from ..store.errors import UsageError
from ..store.reader import Store
from ..store.sampling import Sampler
from .checkpoint import ModelCard, create_model, read_card
from .motifs import find_motif, inject_motif, read_meme
from .network import FactorNet, NetworkConfig
from .training import TrainingOptions


@dataclass(frozen=True)
class Motifs:
    """A motif to start from: MEME file, and the factor or matrix to look for."""

    path: Path
    name: str


def open_run(
    folder: Path,
    *,
    store: Store,
    sampler: Sampler,
    network: dict[str, Any],
    options: TrainingOptions,
    motif: Motifs | None,
    resume: bool,
    overwrite: bool,
) -> FactorNet:
    """The network to train, and its model folder ready to take weights.

    Raises:
        UsageError: the folder holds a model (and neither `resume` nor `overwrite`), or a resumed training had other
            settings; the first that differs is named.
    """
    config = NetworkConfig(tasks=sampler.tasks, **network)
    card = ModelCard(
        config=config,
        training={
            **asdict(options),
            "factor": sampler.factor,
            "cells": list(sampler.cells),
            "valid_cells": list(sampler.valid_cells),
            "negatives": sampler.per_positive,
            "motif": motif.name if motif else None,
            **{part: _texts(getattr(sampler.split, part), store.axis) for part in ("valid", "test")},
        },
        provenance={
            "assembly": store.info.assembly,
            "chromosomes": {c.name: c.digest for c in store.info.chromosomes},
        },
    )
    if resume:
        _check_same(folder, read_card(folder), card)
        return FactorNet(config, seed=options.seed)
    fresh = FactorNet(config, seed=options.seed)
    if motif is not None:
        inject_motif(fresh, find_motif(read_meme(motif.path), motif.name))
    create_model(folder, card, overwrite=overwrite)
    return fresh


def _check_same(folder: Path, old: ModelCard, new: ModelCard) -> None:
    """Settings must be those the training began with; only its length may change."""
    before = {**old.config.to_json(), **old.training, **old.provenance}
    after = {**new.config.to_json(), **new.training, **new.provenance}
    for key in ("epochs", "patience"):
        before.pop(key, None), after.pop(key, None)
    for key, value in after.items():
        if before.get(key) != value:
            raise UsageError(
                f"{folder}: the training began with {key} = {before.get(key)!r}, now it is {value!r}; "
                "resume with the same options, or train into another folder"
            )


def _texts(parts: Intervals, axis: GenomeAxis) -> list[str]:
    chrom, start = axis.locate(parts.starts)
    length = parts.stops - parts.starts
    return [f"{axis.names[c]}:{s}-{s + n}" for c, s, n in np.stack([chrom, start, length], 1).tolist()]
