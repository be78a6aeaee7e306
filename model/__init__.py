"""The network and what is done with it: weights and motifs, scores, model folders."""

from .batches import TensorBatch, TensorStream, choose_device
from .bins import Bins
from .checkpoint import (
    ModelCard,
    TrainingState,
    load_network,
    load_training_state,
    read_card,
    save_training_state,
    save_weights,
)
from .distributed import Team, join_team
from .evaluation import Evaluation, baselines, evaluate
from .folder import complete_model, create_model
from .history import EpochRecord, Listeners, StepReport, TrainingResult
from .interpretation import KernelSites, find_kernel_sites
from .keras_import import import_keras, read_keras_card, write_imported
from .metrics import Scores, auprc_davis_goadrich, auroc, average_precision, recall_at_fdr, score
from .motif_matches import KernelRow, MotifMatch, match_kernels, match_motifs
from .motifs import Motif, find_motif, inject_motif, log_odds, read_meme, scan_best_hit
from .network import FactorNet, NetworkConfig, one_hot, strand_order
from .optimizer import KerasAdam
from .predict_files import Predictor, predict_intervals, predict_regions
from .prediction import predict_bins, predict_plan, predict_stretches
from .recurrent import BidirectionalLSTM
from .score_files import read_bedgraph, write_bedgraph, write_bigwig
from .training import TrainingError, TrainingOptions, train

__all__ = [
    "BidirectionalLSTM",
    "Bins",
    "EpochRecord",
    "Evaluation",
    "FactorNet",
    "KerasAdam",
    "KernelRow",
    "KernelSites",
    "Listeners",
    "ModelCard",
    "Motif",
    "MotifMatch",
    "NetworkConfig",
    "Predictor",
    "Scores",
    "StepReport",
    "Team",
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
    "complete_model",
    "create_model",
    "evaluate",
    "find_kernel_sites",
    "find_motif",
    "import_keras",
    "inject_motif",
    "join_team",
    "load_network",
    "load_training_state",
    "log_odds",
    "match_kernels",
    "match_motifs",
    "one_hot",
    "predict_bins",
    "predict_intervals",
    "predict_plan",
    "predict_regions",
    "predict_stretches",
    "read_bedgraph",
    "read_card",
    "read_keras_card",
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
    "write_imported",
]
