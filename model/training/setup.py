"""Set up a training: build its network, and create or check its model folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ...store.errors import UsageError
from ...store.genome.regions import to_regions
from ...store.reader import Store
from ...store.sampling.sampler import Sampler
from ...store.sampling.split_summary import summarize_split
from ..data.annotation import annotation_record, store_rules
from ..data.inputs import manifest_digests
from ..data.signals import track_signals
from ..data.sources import Source
from ..keras.open_model import open_card, open_model
from ..model_dir.card import ModelCard, read_card
from ..model_dir.lifecycle import create_model
from ..motifs.pwm import Motif, inject_motif
from ..network.config import NetworkConfig
from ..network.factornet import FactorNet
from ..network.variants import AnyNetwork, config_to_json
from .distributed import ProcessGroup
from .history import Callbacks, TrainingResult
from .trainer import TrainingOptions, train


@dataclass(frozen=True, kw_only=True)
class DataSetup:
    """What a network is trained on, whichever network it is.

    Args:
        sampler: draws windows by FactorNet's rules, and counts the positives of the split.
        network: fields of the network's configuration by name; omitted ones take their default.
        cross_validation: scores of models trained without one of the cell lines, as JSON values; None if there are
            none. They go to model.json.
    """

    sampler: Sampler
    network: Mapping[str, Any]
    cross_validation: Mapping[str, Any] | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Cell lines to train and validate on."""
        return tuple(dict.fromkeys(self.sampler.cells + self.sampler.valid_cells))

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of the network, in order."""
        return tuple(self.network["tracks"])

    def signals(self) -> dict[str, Any]:
        """Return the signals that the network sees in the cell lines, to be recorded and compared."""
        return track_signals(self.sampler.store, self.cells, self.tracks)

    @cached_property
    def split_summary(self) -> dict[str, Any]:
        """Bases and positives of the parts of the split, as JSON values (`summarize_split`)."""
        return summarize_split(self.sampler)

    @property
    def data(self) -> dict[str, Any]:
        """What the network is trained, validated and to be tested on, as JSON values: regions, split and tracks."""
        split, coordinates = self.sampler.split, self.sampler.store.coordinates
        regions = {part: list(map(str, to_regions(getattr(split, part), coordinates))) for part in ("valid", "test")}
        return {**regions, "split": self.split_summary, "tracks": list(self.tracks)}

    def training_record(self, **more: Any) -> dict[str, Any]:
        """Return factor, cell lines, `more`, and the split, to be recorded in model.json."""
        sampler = self.sampler
        return {
            "factor": sampler.factor,
            "cells": list(sampler.cells),
            "valid_cells": list(sampler.valid_cells),
            **more,
            **{name: value for name, value in self.data.items() if name != "tracks"},
        }

    def provenance(self) -> dict[str, Any]:
        """Return where the data come from, to be recorded in model.json."""
        info = self.sampler.store.info
        return {
            "assembly": info.assembly,
            "chromosomes": {c.name: c.digest for c in info.chromosomes},
            "manifests": manifest_digests(self.sampler.store, self.cells),
            "signals": self.signals(),
            **({} if self.cross_validation is None else {"cross_validation": dict(self.cross_validation)}),
        }


@dataclass(frozen=True, kw_only=True)
class TrainingSetup(DataSetup):
    """Data, network and options of a training of a FactorNet.

    Args:
        options: options of the training.
        motif: motif from which two kernels start.
        init_from: model folder, or folder of the original FactorNet, whose weights to start from; fields of the
            network that are omitted take its values.
    """

    options: TrainingOptions
    motif: Motif | None = None
    init_from: Path | None = None

    def build(self) -> FactorNet:
        """Build the network before its first step; deterministic.

        Raises:
            UsageError: a value is out of range, or the weights to start from belong to another network.
        """
        tasks = self.sampler.tasks
        if self.init_from is None:
            network = FactorNet(NetworkConfig(tasks=tasks, **self.network), seed=self.options.seed)
        else:
            network = _from_weights(self.init_from, tasks, self.network, self.options.seed)
        if self.motif is not None:
            inject_motif(network, self.motif)
        return network

    def prepare(self, folder: Path, *, resume: bool, overwrite: bool, is_main: bool = True) -> FactorNet:
        """Build the network and prepare its model folder, see `prepare_training`."""
        return prepare_training(self, folder, resume=resume, overwrite=overwrite, is_main=is_main)

    def run(
        self,
        network: AnyNetwork,
        folder: Path,
        *,
        device: torch.device,
        resume: bool,
        source: Source | None = None,
        process_group: ProcessGroup | None = None,
        callbacks: Callbacks | None = None,
        cuda_graph: bool = True,
    ) -> TrainingResult:
        """Train the prepared network, see `train`; the caller holds the lock of the folder."""
        assert isinstance(network, FactorNet), "as prepared"
        return train(
            network,
            self.sampler,
            folder,
            self.options,
            device=device,
            resume=resume,
            source=source,
            process_group=process_group,
            callbacks=callbacks,
            locked=True,
            cuda_graph=cuda_graph,
        )

    @property
    def motif_names(self) -> tuple[str, ...]:
        """Names of the motifs from which kernels start."""
        return (self.motif.name,) if self.motif else ()

    @property
    def sampling(self) -> str:
        """What is drawn besides positives, as text."""
        return f"{self.sampler.negatives_per_positive} negatives each"

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of the network, in order."""
        if self.init_from is not None and "tracks" not in self.network:
            return open_card(self.init_from).config.tracks
        return super().tracks

    def card(self, config: NetworkConfig) -> ModelCard:
        """Return the content of model.json for this training."""
        options = asdict(self.options)
        if options["select"] == "loss":  # as in models of before there was a choice
            del options["select"]
        return ModelCard(
            config=config,
            training={
                **options,
                **self.training_record(
                    negatives=self.sampler.negatives_per_positive,
                    motif=self.motif.name if self.motif else None,
                    init_from=self.init_from.name if self.init_from else None,
                ),
            },
            provenance={
                **self.provenance(),
                **(annotation_record(store_rules(self.sampler.store)) if config.gencode else {}),
                **self._earlier_trainings(),
            },
        )

    def _earlier_trainings(self) -> dict[str, Any]:
        """Return the data that the weights to start from were trained on, as JSON values.

        Of a model of the original FactorNet the digests of its files are all that is known.
        """
        if self.init_from is None:
            return {}
        card = open_card(self.init_from)
        files = {"init_from_sha256": card.provenance["sha256"]} if "sha256" in card.provenance else {}
        return {"earlier_trainings": [training.to_json() for training in card.trainings], **files}


def prepare_training(
    setup: TrainingSetup, folder: Path, *, resume: bool, overwrite: bool, is_main: bool = True
) -> FactorNet:
    """Build the network and prepare its model folder; only the main process of a group writes to the folder.

    Raises:
        UsageError: the folder exists (and neither `resume` nor `overwrite` is set), or the training to resume had other
            options or data; the first difference is named.
    """
    network = setup.build()
    card = setup.card(network.config)
    prepare_folder(folder, card, setup.sampler.store, resume=resume, overwrite=overwrite, is_main=is_main)
    return network


def prepare_folder(
    folder: Path, card: ModelCard, store: Store, *, resume: bool, overwrite: bool, is_main: bool = True
) -> None:
    """Create the model folder of a training, or check that it began with the same model.json.

    Raises:
        UsageError: as for `prepare_training`.
    """
    if resume:
        _check_same(folder, old := read_card(folder), card)
        _check_data(folder, old, card, store.location)
    elif is_main:
        create_model(folder, card, overwrite=overwrite)


def _from_weights(folder: Path, tasks: tuple[str, ...], requested: Mapping[str, Any], seed: int) -> FactorNet:
    """Build a network with the weights of a model folder; for other tasks its output layer is re-initialised."""
    old = open_model(folder).network
    if not isinstance(old, FactorNet):
        raise UsageError(f"{folder}: is a network over blocks, whose weights no FactorNet can start from")
    for name, value in requested.items():
        if getattr(old.config, name) != value:
            raise UsageError(
                f"{folder}: its {name} is {getattr(old.config, name)!r}, requested is {value!r}; weights can only be "
                "used in a network of the same configuration"
            )
    config = NetworkConfig.from_json({**old.config.to_json(), "tasks": list(tasks)})
    network, weights = FactorNet(config, seed=seed), old.state_dict()
    if old.config.tasks != tasks:
        weights |= {k: v for k, v in network.state_dict().items() if k.startswith("output.")}
    network.load_state_dict(weights)
    return network


def _check_same(folder: Path, old: ModelCard, new: ModelCard) -> None:
    """Check that the options are those the training started with; only `epochs` and `patience` may change.

    Signals, annotation rules and the summary of the split are not compared: manifests and regions cover them.
    """
    before = {**config_to_json(old.config), **old.training, **old.provenance}
    after = {**config_to_json(new.config), **new.training, **new.provenance}
    for key in ("epochs", "patience", "manifests", "signals", "annotation", "split"):
        before.pop(key, None), after.pop(key, None)
    means, others = (values.pop("mean_signal", None) or {"cells": []} for values in (before, after))
    if means != others:
        of_cells = [f"the mean signal of {', '.join(record['cells']) or 'no cell line'}" for record in (means, others)]
        now = of_cells[1] if of_cells[0] != of_cells[1] else "that of the store has other values"
        raise UsageError(
            f"{folder}: the training started with {of_cells[0]}, now it is {now}; resume with the same options and "
            "store, or train into another folder"
        )
    for key, value in after.items():
        if before.get(key) != value:
            raise UsageError(
                f"{folder}: the training started with {key} = {before.get(key)!r}, now it is {value!r}; "
                "resume with the same options, or train into another folder"
            )


def _check_data(folder: Path, old: ModelCard, new: ModelCard, store: str) -> None:
    """Check that genome and cell lines are those the training started with, wherever they are stored."""
    before = old.provenance.get("manifests", {})
    for group, digest in new.provenance["manifests"].items():
        if (was := before.get(group, digest)) != digest:
            raise UsageError(
                f"{folder}: the training started with {group} of manifest {was[:16]}..., that in {store} is "
                f"{digest[:16]}...; resume with the store as it was, or train from the start in another folder"
            )
