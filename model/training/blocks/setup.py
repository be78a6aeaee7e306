"""Build the network over blocks of a training, and describe it for its model folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ....store.errors import InputError, UsageError
from ....store.sampling.segments import SegmentOptions, SegmentSampler
from ...data.annotation import annotation_record, store_rules
from ...data.sources import Source
from ...model_dir.card import ModelCard, read_card
from ...model_dir.mean_signal import RECORD as MEAN_SIGNAL
from ...model_dir.mean_signal import mean_signal_record, read_mean_signal, write_mean_signal
from ...motifs.block_kernels import set_motif_kernels, set_tree_motifs
from ...motifs.pwm import Motif
from ...network.block_config import BlockConfig
from ...network.block_ensemble import BlockEnsemble
from ...network.mean_signal import MeanSignal
from ...network.variants import AnyNetwork
from ..distributed import ProcessGroup
from ..history import Callbacks, TrainingResult
from ..setup import DataSetup, prepare_folder
from ..validation.calibrate import calibrate_model
from ..validation.region_validation import RegionValidation
from .average_signal import average_signal
from .trainer import BlockTrainingOptions, train_blocks


@dataclass(frozen=True, kw_only=True)
class BlockSetup(DataSetup):
    """Data, network and options of a training of a network over blocks.

    Args:
        options: options of the training.
        segments: fields of `SegmentOptions` by name, but ``margin``, which the network decides.
        motifs: motif of each factor that has one, by factor: kernels start from those of the tasks, in even members
            from those of auxiliary factors too, as many as fit, and the trees see the tasks' hits.
        mean_cells: cell lines whose mean signal is an input; none where the network has no ``mean_tracks``.
    """

    options: BlockTrainingOptions
    segments: Mapping[str, Any] = field(default_factory=dict)
    motifs: Mapping[str, Motif] = field(default_factory=dict)
    mean_cells: tuple[str, ...] = ()

    @property
    def config(self) -> BlockConfig:
        """Configuration of the network.

        Raises:
            UsageError: a value is out of range.
        """
        width = max((len(motif) for motif in self._task_motifs.values()), default=0)
        return BlockConfig(tasks=self.sampler.tasks, motif_width=width, **self.network)

    @property
    def _task_motifs(self) -> dict[str, Motif]:
        return {factor: motif for factor, motif in self.motifs.items() if factor in self.sampler.tasks}

    @property
    def _auxiliary_motifs(self) -> dict[str, Motif]:
        """Motifs of the first auxiliary factors, as many as the kernels have room for beside those of the tasks."""
        if "even" not in self.config.members:
            return {}
        others = [(factor, motif) for factor, motif in self.motifs.items() if factor not in self.sampler.tasks]
        return dict(others[: max(self.config.kernels // 2 - len(self._task_motifs), 0)])

    @property
    def segment_options(self) -> SegmentOptions:
        """How segments are drawn."""
        return SegmentOptions(**self.segments, margin=self.config.margin)

    def build(self) -> BlockEnsemble:
        """Build the ensemble before its first step, its trees not grown; deterministic.

        Raises:
            UsageError: a value is out of range, or the motifs need more kernels.
        """
        ensemble = BlockEnsemble(self.config, seed=self.options.seed)
        of_tasks, others = tuple(self._task_motifs.values()), tuple(self._auxiliary_motifs.values())
        for member, kind in zip(ensemble.networks, ensemble.config.members, strict=True):
            set_motif_kernels(member, of_tasks + others if kind == "even" else of_tasks)
        set_tree_motifs(ensemble, self._task_motifs)
        return ensemble

    def segment_sampler(self) -> SegmentSampler:
        """Return what draws the segments of the training regions."""
        sampler = self.sampler
        return SegmentSampler(
            sampler.store,
            cells=sampler.cells,
            factors=self.config.learnt,
            regions=sampler.split.train,
            options=self.segment_options,
        )

    def validation(self) -> RegionValidation:
        """Return the bins of the validation regions with their labels."""
        sampler = self.sampler
        return RegionValidation(
            sampler.store, cells=sampler.valid_cells, factors=sampler.tasks, regions=sampler.split.valid
        )

    def card(self, config: BlockConfig, means: MeanSignal | None = None) -> ModelCard:
        """Return the content of model.json for this training, in which the networks see a mean signal."""
        more = {
            "segments": asdict(self.segment_options),
            "motifs": {f: motif.name for f, motif in (self._task_motifs | self._auxiliary_motifs).items()},
        }
        if means is not None:
            more[MEAN_SIGNAL] = mean_signal_record(means, self.mean_cells)
        training = {**asdict(self.options), **self.training_record(**more)}
        annotation = annotation_record(store_rules(self.sampler.store)) if config.annotation else {}
        return ModelCard(config=config, training=training, provenance={**self.provenance(), **annotation})

    def prepare(self, folder: Path, *, resume: bool, overwrite: bool, is_main: bool = True) -> BlockEnsemble:
        """Build the network and prepare its model folder, as `prepare_training`."""
        network = self.build()
        means = network.mean_signal = self._mean_signal(folder if resume else None)
        card = self.card(network.config, means)
        prepare_folder(folder, card, self.sampler.store, resume=resume, overwrite=overwrite, is_main=is_main)
        if is_main and means is not None:
            write_mean_signal(folder, means, model=read_card(folder).digest)
        return network

    def _mean_signal(self, resumed: Path | None) -> MeanSignal | None:
        """Return the mean signal: that of the folder of a training to resume, where it is sound, else the store's."""
        tracks = self.config.mean_tracks
        if not tracks:
            return None
        if resumed is not None:
            with suppress(InputError):
                return read_mean_signal(resumed, read_card(resumed))
        return average_signal(self.sampler.store, self.mean_cells, tracks)

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
        """Train the prepared network, see `train_blocks`, and calibrate it; the caller holds the lock of the folder.

        Raises:
            UsageError: several processes train.
        """
        assert isinstance(network, BlockEnsemble), "as prepared"
        if process_group is not None and process_group.size > 1:
            raise UsageError(f"a network over blocks trains on one process, not on {process_group.size}")
        validation = self.validation()
        result = train_blocks(
            network,
            self.segment_sampler(),
            validation,
            folder,
            self.options,
            device=device,
            resume=resume,
            source=source,
            callbacks=callbacks,
            locked=True,
            cuda_graph=cuda_graph,
        )
        calibrate_model(folder, validation, device=device)
        return result

    @property
    def motif_names(self) -> tuple[str, ...]:
        """Names of the tasks' motifs, from which kernels of all members start."""
        return tuple(motif.name for motif in self._task_motifs.values())

    @property
    def sampling(self) -> str:
        """What is drawn besides positives, as text."""
        options = self.segment_options
        text = f"segments of {options.bins} bins, labels {options.mode}"
        if self.config.auxiliary:
            text += f"; learnt beside: {', '.join(self.config.auxiliary)}"
        left_out = [f for f in self.motifs if f not in self._task_motifs and f not in self._auxiliary_motifs]
        if left_out and "even" in self.config.members:
            text += f" (the kernels have no room for the motifs of {', '.join(left_out)})"
        if self.mean_cells:
            text += f"; mean of {', '.join(self.config.mean_tracks)} over {', '.join(self.mean_cells)}"
        return text
