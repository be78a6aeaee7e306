"""Build the network over blocks of a training, and describe it for its model folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ....store.sampling.segments import SegmentOptions, SegmentSampler
from ...model_dir.card import ModelCard
from ...motifs.block_kernels import set_motif_kernels
from ...motifs.pwm import Motif
from ...network.block_config import BlockConfig
from ...network.blocks import BlockNetwork
from ..region_validation import RegionValidation
from ..setup import DataSetup, prepare_folder
from .trainer import BlockTrainingOptions


@dataclass(frozen=True, kw_only=True)
class BlockSetup(DataSetup):
    """Data, network and options of a training of a network over blocks.

    Args:
        options: options of the training.
        segments: fields of `SegmentOptions` by name, but ``margin``, which the network decides.
        motifs: motifs from which pairs of kernels start.
    """

    options: BlockTrainingOptions
    segments: Mapping[str, Any] = field(default_factory=dict)
    motifs: tuple[Motif, ...] = ()

    @property
    def config(self) -> BlockConfig:
        """Configuration of the network.

        Raises:
            UsageError: a value is out of range.
        """
        return BlockConfig(tasks=self.sampler.tasks, **self.network)

    @property
    def segment_options(self) -> SegmentOptions:
        """How segments are drawn."""
        return SegmentOptions(**self.segments, margin=self.config.margin)

    def build(self) -> BlockNetwork:
        """Build the network before its first step; deterministic.

        Raises:
            UsageError: a value is out of range, or the motifs need more kernels.
        """
        network = BlockNetwork(self.config, seed=self.options.seed)
        set_motif_kernels(network, self.motifs)
        return network

    def segment_sampler(self) -> SegmentSampler:
        """Return what draws the segments of the training regions."""
        sampler = self.sampler
        return SegmentSampler(
            sampler.store,
            cells=sampler.cells,
            factors=sampler.tasks,
            regions=sampler.split.train,
            options=self.segment_options,
        )

    def validation(self) -> RegionValidation:
        """Return the bins of the validation regions with their labels."""
        sampler = self.sampler
        return RegionValidation(
            sampler.store, cells=sampler.valid_cells, factors=sampler.tasks, regions=sampler.split.valid
        )

    def card(self, config: BlockConfig) -> ModelCard:
        """Return the content of model.json for this training."""
        more = {"segments": asdict(self.segment_options), "motifs": [motif.name for motif in self.motifs]}
        training = {**asdict(self.options), **self.training_record(**more)}
        return ModelCard(config=config, training=training, provenance=self.provenance())

    def prepare(self, folder: Path, *, resume: bool, overwrite: bool) -> BlockNetwork:
        """Build the network and prepare its model folder, as `prepare_training`."""
        network = self.build()
        card = self.card(network.config)
        prepare_folder(folder, card, self.sampler.store, resume=resume, overwrite=overwrite)
        return network
