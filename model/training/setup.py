"""Begin a training: a network and a model folder to keep it in, from what a user asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...store.errors import UsageError
from ...store.genome.intervals import GenomeCoordinates, Intervals
from ...store.reader import Store
from ...store.sampling.sampler import Sampler
from ..model_dir.checkpoint import ModelCard, load_network, read_card
from ..model_dir.lifecycle import create_model
from ..motifs.pwm import Motif, inject_motif
from ..network.config import NetworkConfig
from ..network.factornet import FactorNet
from .trainer import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """What a training is to be.

    Args:
        sampler: what to train on.
        network: settings of the network by their name in `NetworkConfig`; what is left out takes its default, or the
            value of `init_from`.
        options: of the training.
        motif: to start two kernels from.
        init_from: model folder whose weights to start from.
    """

    sampler: Sampler
    network: Mapping[str, Any]
    options: TrainingOptions
    motif: Motif | None = None
    init_from: Path | None = None

    def build(self) -> FactorNet:
        """The network before its first step; always the same for one plan.

        Raises:
            UsageError: a setting is out of range, or the weights to start from are of another network.
        """
        tasks = self.sampler.tasks
        if self.init_from is None:
            network = FactorNet(NetworkConfig(tasks=tasks, **self.network), seed=self.options.seed)
        else:
            network = _continued(self.init_from, tasks, self.network, self.options.seed)
        if self.motif is not None:
            inject_motif(network, self.motif)
        return network

    def card(self, config: NetworkConfig) -> ModelCard:
        """What model.json is to say of it."""
        sampler = self.sampler
        info = sampler.store.info
        return ModelCard(
            config=config,
            training={
                **asdict(self.options),
                "factor": sampler.factor,
                "cells": list(sampler.cells),
                "valid_cells": list(sampler.valid_cells),
                "negatives": sampler.per_positive,
                "motif": self.motif.name if self.motif else None,
                "init_from": self.init_from.name if self.init_from else None,
                **{part: _texts(getattr(sampler.split, part), sampler.store.coordinates) for part in ("valid", "test")},
            },
            provenance={
                "assembly": info.assembly,
                "chromosomes": {c.name: c.digest for c in info.chromosomes},
                "manifests": _manifests(sampler.store, sampler.cells + sampler.valid_cells),
            },
        )


def prepare_training(
    plan: TrainingSetup, folder: Path, *, resume: bool, overwrite: bool, leads: bool = True
) -> FactorNet:
    """The network to train, and its model folder ready to take weights; only who `leads` a team touches the folder.

    Raises:
        UsageError: the folder is there (and neither `resume` nor `overwrite`), or a resumed training had other
            settings or data; the first that differs is named.
    """
    network = plan.build()
    card = plan.card(network.config)
    if resume:
        _check_same(folder, old := read_card(folder), card)
        _check_data(folder, old, card, plan.sampler.store.location)
    elif leads:
        create_model(folder, card, overwrite=overwrite)
    return network


def _continued(folder: Path, tasks: tuple[str, ...], wanted: Mapping[str, Any], seed: int) -> FactorNet:
    """A network with the weights of a model folder; its output layer begins anew where the tasks are others."""
    old = load_network(folder)
    for name, value in wanted.items():
        if getattr(old.config, name) != value:
            raise UsageError(
                f"{folder}: its {name} is {getattr(old.config, name)!r}, now it is {value!r}; weights can only be "
                "taken over by a network of the same settings"
            )
    config = NetworkConfig.from_json({**old.config.to_json(), "tasks": list(tasks)})
    network, weights = FactorNet(config, seed=seed), old.state_dict()
    if old.config.tasks != tasks:
        weights |= {k: v for k, v in network.state_dict().items() if k.startswith("output.")}
    network.load_state_dict(weights)
    return network


def _check_same(folder: Path, old: ModelCard, new: ModelCard) -> None:
    """Settings must be those the training began with; only its length may change. Data: `_check_data`."""
    before = {**old.config.to_json(), **old.training, **old.provenance}
    after = {**new.config.to_json(), **new.training, **new.provenance}
    for key in ("epochs", "patience", "manifests"):
        before.pop(key, None), after.pop(key, None)
    for key, value in after.items():
        if before.get(key) != value:
            raise UsageError(
                f"{folder}: the training began with {key} = {before.get(key)!r}, now it is {value!r}; "
                "resume with the same options, or train into another folder"
            )


def _manifests(store: Store, cells: Iterable[str]) -> dict[str, str]:
    """Genome and cell lines by their path in the store -> digest of the manifest, of a raw store that from before
    unpacking: equal wherever and however the same data are stored.
    """
    infos = [store.cell(cell) for cell in cells]
    found = {"genome": store.info.unpacked_from or store.info.genome_manifest}
    return found | {f"cells/{info.name}": info.unpacked_from or info.manifest for info in infos}


def _check_data(folder: Path, old: ModelCard, new: ModelCard, store: str) -> None:
    """Genome and cell lines must be those the training began with, wherever they lie; an old model may not say."""
    before = old.provenance.get("manifests", {})
    for group, digest in new.provenance["manifests"].items():
        if (was := before.get(group, digest)) != digest:
            raise UsageError(
                f"{folder}: the training began with {group} of manifest {was[:16]}..., that in {store} is of "
                f"{digest[:16]}...; resume with the store as it was, or leave --resume out to train anew (into another "
                "folder, or with -oc)"
            )


def _texts(parts: Intervals, coordinates: GenomeCoordinates) -> list[str]:
    chrom, start = coordinates.from_absolute(parts.starts)
    length = parts.stops - parts.starts
    return [f"{coordinates.names[c]}:{s}-{s + n}" for c, s, n in np.stack([chrom, start, length], 1).tolist()]
