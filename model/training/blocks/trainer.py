"""Train a network over blocks: steps over the segments of an epoch, and validation on whole regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from ....store.files.outputs import output_lock
from ....store.sampling.plan import make_rng
from ....store.sampling.segments import SegmentOptions, Segments, SegmentSampler
from ....store.windows.batch import StreamSettings
from ...data.batches import TensorBatch
from ...data.sources import BatchStream, Source, StoreSource
from ...model_dir.card import Selection
from ...network.block_config import BlockConfig
from ...network.block_ensemble import BlockEnsemble
from ...network.blocks import BlockNetwork
from ...network.trees import BoostedTrees
from ..distributed import ProcessGroup
from ..history import Callbacks, EpochRecord, Progress, StepReport, TrainingResult
from ..loop import EpochLimits, check_numbers, run_epochs
from ..pausing import EpochCursor
from ..step.gradients import GradientPass
from ..step.loss import TrainingError
from ..validation.region_validation import RegionValidation
from .blending import EnsembleScores, validate_ensemble
from .optimizer import make_optimizer, one_cycle
from .tree_growth import TreeBins, TreeOptions, fit_regression, grow_trees, most_bins, store_trees

_PREFETCH = 3  # batches ready
_ORDER, _STRANDS = 101, 102  # seed the order of segments and their strands, apart from the numbers that draw them
_TREES = 2**31  # in place of an epoch: draws the segments on which trees are grown


@dataclass(frozen=True, kw_only=True)
class BlockTrainingOptions:
    """Options of the training of a network over blocks.

    Attributes:
        epochs: number of epochs; the learning rate falls to 0 over all of them.
        patience: number of epochs without a better one after which training stops.
        learning_rate: highest learning rate of AdamW, see `one_cycle`.
        weight_decay: of matrices.
        batch_size: segments per step.
        clip: largest norm of the gradient.
        auxiliary_weight: of the mean loss of the auxiliary factors, beside that of the tasks, for focused members.
        seed: seed of weights, segments, order, strands and dropout.
        select: by what the best epoch is chosen; both are computed on all bins of the validation regions.

    Raises:
        UsageError: as for `check_numbers`.
    """

    epochs: int = 6
    patience: int = 6
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    batch_size: int = 16
    clip: float = 1.0
    auxiliary_weight: float = 4.0
    seed: int = 420
    select: Selection = "ap"

    def __post_init__(self) -> None:
        check_numbers(learning_rate=self.learning_rate, seed=self.seed)


def train_blocks(
    network: BlockEnsemble,
    sampler: SegmentSampler,
    validation: RegionValidation,
    folder: Path,
    options: BlockTrainingOptions,
    *,
    device: torch.device,
    resume: bool = False,
    source: Source | None = None,
    callbacks: Callbacks | None = None,
    locked: bool = False,
    cuda_graph: bool = True,
) -> TrainingResult:
    """Train a network over blocks; write what `train` writes to the model folder, and resume as exactly.

    Args:
        network: untrained.
        sampler: draws the segments.
        validation: validation regions and cell lines.
        folder: the model folder.
        options: options of the training.
        device: to compute on.
        resume: whether to go on with the training in the folder.
        source: of the segments' bases; by default the sampler's store.
        callbacks: called after steps and epochs.
        locked: whether the caller holds the lock of the folder.
        cuda_graph: whether the passes of a step are one CUDA graph on a GPU.

    Raises:
        TrainingPausedError: the callbacks asked to pause; the state is saved.
        TrainingError: a loss or gradient is not finite; the message names the step. No CUDA graph can be made.
        UsageError: no segment fits into the training regions.
        InputError: another process writes the folder, no training state is valid, or a file cannot be written.
    """
    callbacks, alone = callbacks or Callbacks(), ProcessGroup()
    source = source or StoreSource(sampler.store, device, "read from the store on the go")
    limits = EpochLimits(epochs=options.epochs, patience=options.patience, select=options.select)
    with nullcontext() if locked else output_lock(folder):
        trainer = _BlockTrainer(
            network,
            sampler,
            validation,
            options,
            source=source,
            device=device,
            callbacks=callbacks,
            cuda_graph=cuda_graph,
        )
        return run_epochs(trainer, folder, limits, resume=resume, process_group=alone, callbacks=callbacks)


def segment_stream(segments: SegmentOptions, config: BlockConfig, *, batch_size: int) -> StreamSettings:
    """Return how segments are streamed.

    They are long and close together: with the slabs that suit scattered windows, a shuffle buffer would hold those of
    two or three slabs, and batches would be far from random.
    """
    return StreamSettings(
        segments.window_length, batch_size=batch_size, pool_bytes=64 * 2**20, slab=256 * 2**10, tracks=config.tracks
    )


class _BlockTrainer:
    """Network, optimiser and segments of one training, over its epochs."""

    def __init__(
        self,
        network: BlockEnsemble,
        sampler: SegmentSampler,
        validation: RegionValidation,
        options: BlockTrainingOptions,
        *,
        source: Source,
        device: torch.device,
        callbacks: Callbacks,
        cuda_graph: bool,
    ) -> None:
        self.network, self.sampler, self.validation, self.options = network.to(device), sampler, validation, options
        self.source, self.device, self.callbacks = source, device, callbacks
        self.settings = segment_stream(sampler.options, network.config, batch_size=options.batch_size)
        self.gradient_pass = GradientPass(
            self._compute_gradients,
            network,
            graphed=options.batch_size if cuda_graph and device.type == "cuda" else 0,
        )
        self.optimizer = make_optimizer(network, learning_rate=options.learning_rate, weight_decay=options.weight_decay)
        torch.manual_seed(options.seed)

    def epoch(self, progress: Progress) -> tuple[EpochRecord, int]:
        """Train for an epoch and validate; return its record and the number of steps."""
        begin, seed = perf_counter(), self.options.seed
        if progress.epoch == 0 and progress.position is None and self.network.trees is not None:
            self._grow_trees(self.network.trees)
        segments = self.sampler.epoch(seed, progress.epoch)
        order = (seed, progress.epoch, _ORDER, 0)
        shape = (len(self.network.networks), len(segments))
        strands = make_rng(seed, progress.epoch, _STRANDS).random(shape) < 0.5
        cursor = EpochCursor(
            progress.position, process_group=ProcessGroup(), device=self.device, callbacks=self.callbacks
        )
        with self.source.open(segments.plan, self.settings, seed=order, prefetch=_PREFETCH) as stream:
            learnt = self._run_epoch(stream, segments, strands, progress, cursor)
        seconds = perf_counter() - begin
        scores = validate_ensemble(
            self.network, self.validation, device=self.device, on_batch=cursor.check_pause_in_validation
        )
        if progress.epoch + 1 == self.options.epochs:
            self._compare_with_regression(scores)
        record = EpochRecord(
            epoch=progress.epoch + 1,
            loss=cursor.loss / max(cursor.steps, 1),
            val_loss=scores.loss,
            val_average_precision=scores.average_precision,
            windows=len(segments),
            windows_per_second=learnt / seconds,
            data_wait=stream.waited / seconds,
            seconds=seconds,
        )
        return record, cursor.steps

    def _run_epoch(
        self,
        stream: BatchStream,
        segments: Segments,
        strands: NDArray[np.bool_],
        progress: Progress,
        cursor: EpochCursor,
    ) -> int:
        """Pass over the segments once, from the position of the cursor; return how many were learnt from."""
        self.network.train()
        batches = cursor.skip(iter(stream), len(segments))
        before = cursor.windows
        for batch in self._batches(batches, segments):
            part = (progress.epoch + cursor.windows / len(segments)) / self.options.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.options.learning_rate * one_cycle(part)
            value = self._step(batch, segments, strands[:, batch.index])
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss or its gradient is not finite at step {progress.step + cursor.steps + 1} (epoch "
                    f"{progress.epoch + 1}); the weights of this step are not saved; resume with a lower "
                    "learning_rate, or check the tracks for extreme values"
                )
            cursor.add(batch, len(batch.index), value)
            done, mean = cursor.windows, cursor.loss / cursor.steps
            self.callbacks.step(StepReport(epoch=progress.epoch + 1, done=done, windows=len(segments), loss=mean))
            cursor.check_pause()
        return cursor.windows - before

    def _step(self, batch: TensorBatch, segments: Segments, strands: NDArray[np.bool_]) -> float:
        """Take a step; return the mean loss of members and tasks before it, or a value that is not finite."""
        annotation = self._annotation(segments, batch)
        inputs = [batch.codes, batch.tracks, torch.from_numpy(strands).to(self.device), *self._targets(segments, batch)]
        losses, norms = self.gradient_pass([*inputs, annotation] if annotation is not None else inputs).tolist()
        if not np.isfinite(norms).all():
            return math.nan
        self.optimizer.step()
        return float(np.mean(losses))

    def _compute_gradients(self, codes: Tensor, tracks: Tensor, strands: Tensor, *of_bins: Tensor) -> Tensor:
        """Add the clipped gradients of a batch.

        Args:
            codes: bases, (B, L).
            tracks: signals, (B, T, L).
            strands: whether each member sees the reverse complement of a segment, (members, B).
            of_bins: target and weight of the bins, (B, bins, factors) each; bits of the blocks, (B, blocks), if any.

        Returns the mean loss of the tasks of each member, and the norm of its gradient before it was clipped, as
        (2, members).
        """
        target, weight, *annotation = of_bins
        losses, norms = [], []
        for member, kind, reverse in zip(self.network.networks, self.network.config.members, strands, strict=True):
            logits = member(*_choose_strands(member, (codes, tracks, *annotation), reverse))
            labels = (
                torch.where(reverse[:, None, None], t.flip(1), t)[..., : logits.shape[2]] for t in (target, weight)
            )
            loss, whole = self._losses(mean_loss(logits, *labels), kind)
            whole.backward()  # type: ignore[no-untyped-call]
            norms.append(clip_grad_norm_(member.parameters(), self.options.clip))
            losses.append(loss.detach())
        return torch.stack([torch.stack(losses), torch.stack(norms)])

    def _losses(self, of_factor: Tensor, kind: str) -> tuple[Tensor, Tensor]:
        """Return the mean loss of the tasks, and the same with that of the auxiliary factors, which is minimised."""
        n_tasks = len(self.network.config.tasks)
        loss = of_factor[:n_tasks].mean()
        if len(of_factor) == n_tasks:
            return loss, loss
        even = (len(of_factor) - n_tasks) / n_tasks  # all factors alike
        times = even if kind == "even" else self.options.auxiliary_weight
        return loss, loss + times * of_factor[n_tasks:].mean()

    def _targets(self, segments: Segments, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        """Return targets and weights of the bins of a batch, (B, bins, factors) each."""
        target, weight = self.sampler.bin_targets(segments, batch.index)
        return torch.from_numpy(target).to(self.device), torch.from_numpy(weight).to(self.device)

    def _compare_with_regression(self, scores: EnsembleScores) -> None:
        """Warn where what was learnt is no better than the motif and the signal in a bin."""
        if scores.regression is not None and scores.average_precision <= scores.regression:
            self.callbacks.warning(
                f"the model is no better than a logistic regression on motif and signal: average precision of all "
                f"bins of the validation regions {scores.average_precision:.4f}, of the regression "
                f"{scores.regression:.4f}; more cell lines, or larger training regions, may help"
            )

    def _batches(self, stream: Iterable[TensorBatch], segments: Segments) -> Iterator[TensorBatch]:
        """Yield batches, with the mean signal beside the tracks."""
        means, length = self.network.mean_signal, self.sampler.options.window_length
        names = self.sampler.store.coordinates.names
        for batch in stream:
            if means is None:
                yield batch
                continue
            chrom, first = (a.tolist() for a in self.sampler.windows(segments, batch.index))
            found = [means.bases(names[c], i, i + length) for c, i in zip(chrom, first, strict=True)]
            rows = torch.from_numpy(np.stack(found)).to(batch.tracks)
            yield replace(batch, tracks=torch.cat([batch.tracks, rows], dim=1))

    def _annotation(self, segments: Segments, batch: TensorBatch) -> Tensor | None:
        """Return the annotation bits of the blocks of a batch, uint8 (B, blocks); None without."""
        if not self.network.config.annotation:
            return None
        return torch.from_numpy(self.sampler.annotation(segments, batch.index)).to(self.device)

    def _grow_trees(self, trees: BoostedTrees) -> None:
        """Grow the trees of all tasks on segments drawn for them."""
        options, config = self.options, self.network.config
        segments = self.sampler.epoch(options.seed, _TREES)
        most = max(1, most_bins(self.network) // self.sampler.options.bins)
        if len(segments) > most:
            segments = segments.take(np.sort(make_rng(options.seed, _TREES).choice(len(segments), most, replace=False)))
        tree_options, table = TreeOptions(), TreeBins(self.network, len(segments) * self.sampler.options.bins)
        with self.source.open(segments.plan, self.settings, seed=None, prefetch=_PREFETCH) as stream:
            for batch in self._batches(stream, segments):
                inputs = (batch.codes, batch.tracks, self._annotation(segments, batch))
                _, counts = self.sampler.bin_targets(segments, batch.index)
                targets = self.sampler.bin_targets(segments, batch.index, ambiguous=tree_options.ambiguous)
                table.add(inputs, *targets, counts > 0)
        for task in range(len(config.tasks)):
            bins = table.of_task(task)
            structures = grow_trees(
                bins, trees=config.trees, leaves=config.leaves, options=tree_options, seed=options.seed
            )
            store_trees(structures, trees, task)
            fit_regression(bins, self.network, task)


def mean_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of each factor, (factors,); arguments are (B, bins, factors)."""
    sums = functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none").sum((0, 1))
    return sums / weight.sum((0, 1)).clamp(min=1)


def _choose_strands(
    network: BlockNetwork, inputs: tuple[Tensor, ...], reverse: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return codes, tracks and annotation of a batch; of the rows in `reverse` their reverse complement."""
    codes, tracks, *bits = inputs
    signals = network.own_signals(tracks)
    reversed_codes, reversed_signals = network.reversed_inputs(codes, signals)
    annotation = torch.where(reverse[:, None], bits[0].flip(1), bits[0]) if bits else None
    return (
        torch.where(reverse[:, None], reversed_codes, codes),
        torch.where(reverse[:, None, None], reversed_signals, signals),
        annotation,
    )
