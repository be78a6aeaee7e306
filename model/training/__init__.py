"""Train a network: set-up, epochs, early stopping, exact resume, several processes.

May import `model.evaluation` and what lies below it.
"""

from .cost_estimate import estimate
from .distributed import ProcessGroup, init_process_group
from .history import Callbacks, EpochRecord, StepReport, TrainingResult
from .plots import plot_history
from .setup import TrainingSetup, prepare_training
from .trainer import TrainingError, TrainingOptions, train

__all__ = [
    "Callbacks",
    "EpochRecord",
    "ProcessGroup",
    "StepReport",
    "TrainingError",
    "TrainingOptions",
    "TrainingResult",
    "TrainingSetup",
    "estimate",
    "init_process_group",
    "plot_history",
    "prepare_training",
    "train",
]
