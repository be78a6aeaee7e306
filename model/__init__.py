"""The network and what is done with it: weights and motifs, scores, model folders."""

from .checkpoint import (
    ModelCard,
    TrainingState,
    create_model,
    load_network,
    load_training_state,
    read_card,
    save_training_state,
    save_weights,
)
from .metrics import Scores, auprc_davis_goadrich, auroc, average_precision, recall_at_fdr, score
from .motifs import Motif, find_motif, inject_motif, log_odds, read_meme, scan_best_hit
from .network import FactorNet, NetworkConfig, one_hot, strand_order
from .recurrent import BidirectionalLSTM

__all__ = [
    "BidirectionalLSTM",
    "FactorNet",
    "ModelCard",
    "Motif",
    "NetworkConfig",
    "Scores",
    "TrainingState",
    "auprc_davis_goadrich",
    "auroc",
    "average_precision",
    "create_model",
    "find_motif",
    "inject_motif",
    "load_network",
    "load_training_state",
    "log_odds",
    "one_hot",
    "read_card",
    "read_meme",
    "recall_at_fdr",
    "save_training_state",
    "save_weights",
    "scan_best_hit",
    "score",
    "strand_order",
]
