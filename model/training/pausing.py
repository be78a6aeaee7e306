"""Pause a training within an epoch, and go on at the same window: what was learnt from is counted and digested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ...store.errors import FactorNetError
from ..data.batches import TensorBatch
from ..model_dir.training_state import EpochPosition
from .distributed import ProcessGroup
from .history import Callbacks


class TrainingPausedError(FactorNetError):
    """A training was asked to pause, and has saved its state.

    Args:
        folder: its model folder.
        epoch: in which it was paused, counted from 1.
        step: optimiser steps that it has taken.
    """

    def __init__(self, folder: str | Path, epoch: int, step: int) -> None:
        super().__init__(f"{folder}: the training is paused within epoch {epoch}, after step {step:,}; resume it")
        self.folder, self.epoch, self.step = str(folder), epoch, step


class EpochPausedError(Exception):
    """An epoch is left at a position, whose state is still to be saved."""

    def __init__(self, position: EpochPosition) -> None:
        super().__init__(f"paused after step {position.steps}")
        self.position = position


class OrderChangedError(Exception):
    """The windows of an epoch come in another order than before a pause."""


class EpochCursor:
    """Position within an epoch that is being trained.

    Args:
        position: at which it was paused; None begins it.
        process_group: that trains together.
        device: for its messages.
        callbacks: whose ``pause`` is asked.
    """

    def __init__(
        self,
        position: EpochPosition | None,
        *,
        process_group: ProcessGroup,
        device: torch.device,
        callbacks: Callbacks,
    ) -> None:
        self._resumed, self._group, self._device, self._callbacks = position, process_group, device, callbacks
        self._digest = hashlib.sha256()
        self.steps, self.windows, self.loss = 0, 0, 0.0

    def skip(self, batches: Iterator[TensorBatch], n_windows: int) -> Iterator[TensorBatch]:
        """Read the batches of a stream that were learnt from before the pause; return those that follow.

        Args:
            batches: of the epoch.
            n_windows: of the epoch.

        Raises:
            OrderChangedError: they are other windows, since they are read from arrays of another form.
        """
        before = self._resumed
        if before is None:
            return batches
        self.steps, self.windows = before.steps, before.windows
        self.loss = before.loss if self._group.is_main else 0.0
        if self.windows >= n_windows:  # it was paused during validation
            return iter(())
        for _ in range(before.steps):
            if (batch := next(batches, None)) is not None:
                self._see(batch)
        is_other = self._group.is_main and self._digest.hexdigest() != before.seen
        if self._any(is_other):
            raise OrderChangedError
        return batches

    def add(self, batch: TensorBatch, windows: int, loss: float) -> None:
        """Count a step on a batch.

        Args:
            batch: share of this process.
            windows: over all processes.
            loss: to be added up.
        """
        self._see(batch)
        self.steps, self.windows, self.loss = self.steps + 1, self.windows + windows, self.loss + loss

    def check_pause(self) -> None:
        """Leave the epoch here if it is to pause; all processes do, if one is asked.

        Raises:
            EpochPausedError: it is.
        """
        if self._any(self._callbacks.pause()):
            raise EpochPausedError(self._position(self.total_loss()))

    def check_pause_in_validation(self, _: int = 0) -> None:
        """Leave validation if the training is to pause; of several processes, some may wait for the others here.

        Raises:
            EpochPausedError: it is.
        """
        if self._group.size == 1 and self._callbacks.pause():
            raise EpochPausedError(self._position(self.loss))

    def total_loss(self) -> float:
        """Return the sum of the losses over all processes."""
        if self._group.size == 1:
            return self.loss
        return float(self._group.sum(np.array([self.loss], np.float32), self._device)[0])

    def _position(self, loss: float) -> EpochPosition:
        return EpochPosition(steps=self.steps, windows=self.windows, loss=loss, seen=self._digest.hexdigest())

    def _see(self, batch: TensorBatch) -> None:
        self._digest.update(np.ascontiguousarray(batch.index, np.int64).tobytes())

    def _any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        if self._group.size == 1:
            return flag
        return bool(self._group.sum(np.array([flag], np.float32), self._device)[0])
