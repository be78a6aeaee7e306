"""The network and what is done with it: weights and motifs, scores, model folders."""

from .batches import TensorBatch, TensorStream, choose_device
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
from .evaluation import Evaluation, baselines, evaluate
from .metrics import Scores, auprc_davis_goadrich, auroc, average_precision, recall_at_fdr, score
from .motifs import Motif, find_motif, inject_motif, log_odds, read_meme, scan_best_hit
from .network import FactorNet, NetworkConfig, one_hot, strand_order
from .prediction import Bins, predict_bins, predict_plan, write_bedgraph, write_bigwig
from .recurrent import BidirectionalLSTM
from .training import EpochRecord, TrainingError, TrainingOptions, TrainingResult, train

__all__ = [
    "BidirectionalLSTM",
    "Bins",
    "EpochRecord",
    "Evaluation",
    "FactorNet",
    "ModelCard",
    "Motif",
    "NetworkConfig",
    "Scores",
    "TensorBatch",
    "TensorStream",
    "TrainingError",
    "TrainingOptions",
    "TrainingResult",
    "TrainingState",
    "auprc_davis_goadrich",
    "auroc",
    "average_precision",
    "baselines",
    "choose_device",
    "create_model",
    "evaluate",
    "find_motif",
    "inject_motif",
    "load_network",
    "load_training_state",
    "log_odds",
    "one_hot",
    "predict_bins",
    "predict_plan",
    "read_card",
    "read_meme",
    "recall_at_fdr",
    "save_training_state",
    "save_weights",
    "scan_best_hit",
    "score",
    "strand_order",
    "train",
    "write_bedgraph",
    "write_bigwig",
]
