"""A model folder on disk: configuration, weights, training state, and how it is created and replaced.

May import `model.network`.
"""

from .checkpoint import (
    ModelCard,
    TrainingState,
    load_network,
    load_training_state,
    read_card,
    save_training_state,
    save_weights,
)
from .lifecycle import backup_path, complete_model, create_model

__all__ = [
    "ModelCard",
    "TrainingState",
    "backup_path",
    "complete_model",
    "create_model",
    "load_network",
    "load_training_state",
    "read_card",
    "save_training_state",
    "save_weights",
]
