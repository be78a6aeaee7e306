"""The network and what is done with it: weights and motifs, scores, model folders."""

from .data.batches import TensorBatch, TensorStream
from .data.device import choose_device
from .evaluation.metrics import Scores, auprc_davis_goadrich, auroc, average_precision, recall_at_fdr, score
from .evaluation.scoring import Evaluation, baselines, evaluate
from .keras.import_model import import_keras, read_keras_card, write_imported
from .model_dir.checkpoint import (
    ModelCard,
    TrainingState,
    load_network,
    load_training_state,
    read_card,
    save_training_state,
    save_weights,
)
from .model_dir.lifecycle import complete_model, create_model
from .motifs.kernel_motifs import KernelSites, find_kernel_sites
from .motifs.meme import read_meme
from .motifs.pwm import Motif, find_motif, inject_motif, log_odds, scan_best_hit
from .motifs.tomtom import KernelRow, MotifMatch, match_kernels, match_motifs
from .network.config import NetworkConfig, strand_order
from .network.factornet import FactorNet, one_hot
from .network.lstm import BidirectionalLSTM
from .prediction.bins import Bins
from .prediction.predict import predict_bins, predict_plan, predict_tiles
from .prediction.to_file import Predictor, predict_intervals, predict_regions
from .prediction.writers import read_bedgraph, write_bedgraph, write_bigwig
from .training.distributed import ProcessGroup, init_process_group
from .training.history import Callbacks, EpochRecord, StepReport, TrainingResult
from .training.optimizer import KerasAdam
from .training.trainer import TrainingError, TrainingOptions, train

__all__ = [
    "BidirectionalLSTM",
    "Bins",
    "Callbacks",
    "EpochRecord",
    "Evaluation",
    "FactorNet",
    "KerasAdam",
    "KernelRow",
    "KernelSites",
    "ModelCard",
    "Motif",
    "MotifMatch",
    "NetworkConfig",
    "Predictor",
    "ProcessGroup",
    "Scores",
    "StepReport",
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
    "init_process_group",
    "inject_motif",
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
    "predict_tiles",
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
