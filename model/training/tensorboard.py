"""Write the history of a training as event files for TensorBoard (the package tensorboardX, an optional extra)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...store.errors import UsageError
from .history import EpochRecord


def check_tensorboard() -> None:
    """Check that tensorboardX is installed, before a training starts.

    Raises:
        UsageError: it is not installed; the message has the command that installs it.
    """
    _summary_writer()


class TensorBoardLog:
    """Event files in ``tensorboard/`` of a model folder: one scalar per field of `EpochRecord`, by epoch.

    Raises:
        UsageError: as for `check_tensorboard`.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = _summary_writer()(str(folder / "tensorboard"))

    def add(self, record: EpochRecord) -> None:
        """Append an epoch and flush, so that a running training can be followed."""
        for name, value in asdict(record).items():
            if name != "epoch":
                self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "logs for TensorBoard need the package tensorboardX; install it with: pip install 'factornet[tensorboard]'"
        ) from error
    return SummaryWriter
