"""Train a network: set-up, epochs, early stopping, exact resume, several processes.

    cost_estimate  estimate windows, memory and time of a training from a few steps on random data
    distributed    train on several processes, one per GPU, started by torchrun
    history        reports of a running training, and its progress
    loop           run the epochs: early stopping, best and last weights, exact resume
    outputs        write history, picture and lists of names to the model folder
    pausing        pause within an epoch, and go on at the same window
    plots          plot losses and validation scores of a training by epoch
    setup          build the network of a training; create or check its model folder
    tensorboard    write the history of a training as event files for TensorBoard (the package tensorboardX)
    trainer        epochs and validation of a FactorNet
    blocks/        train networks over blocks, and grow their trees
    step/          compute a step: loss, gradients, Adam
    validation/    validate on all bins of whole regions; calibrate

May import `model.evaluation` and what lies below it.
"""

from .cost_estimate import estimate
from .distributed import ProcessGroup, init_process_group
from .history import Callbacks, EpochRecord, StepReport, TrainingResult
from .pausing import TrainingPausedError
from .plots import plot_history
from .setup import TrainingSetup, prepare_training
from .step.loss import TrainingError
from .trainer import TrainingOptions, train

__all__ = [
    "Callbacks",
    "EpochRecord",
    "ProcessGroup",
    "StepReport",
    "TrainingError",
    "TrainingOptions",
    "TrainingPausedError",
    "TrainingResult",
    "TrainingSetup",
    "estimate",
    "init_process_group",
    "plot_history",
    "prepare_training",
    "train",
]
