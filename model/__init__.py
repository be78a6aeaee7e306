"""The network and what is done with it: train, predict, evaluate, visualise, import published models."""

from .data.batches import TensorStream
from .data.device import choose_device
from .data.window_dataset import SignalTarget, WindowBatch, WindowDataset
from .evaluation.baselines import Baseline, baselines, fit_baseline
from .evaluation.metrics import average_precision, score
from .evaluation.scoring import evaluate
from .keras.import_model import import_keras, write_imported
from .model_dir.card import ModelCard, read_card
from .model_dir.weights import load_network, save_weights
from .motifs.kernel_motifs import find_kernel_sites
from .motifs.meme import read_meme
from .motifs.names import find_motif
from .motifs.pwm import Motif
from .motifs.tomtom import match_motifs
from .network.config import NetworkConfig
from .network.factornet import FactorNet, one_hot
from .prediction.bigwig_writer import write_bigwig
from .prediction.bins import Bins
from .prediction.predict import predict_bins
from .prediction.predictor import Predictor
from .prediction.score_table import read_bedgraph
from .prediction.to_file import predict_intervals, predict_regions
from .prediction.writers import write_bedgraph
from .training.history import Callbacks, TrainingResult
from .training.pausing import TrainingPausedError
from .training.setup import TrainingSetup, prepare_training
from .training.step.loss import TrainingError
from .training.trainer import TrainingOptions, train

__all__ = [
    "Baseline",
    "Bins",
    "Callbacks",
    "FactorNet",
    "ModelCard",
    "Motif",
    "NetworkConfig",
    "Predictor",
    "SignalTarget",
    "TensorStream",
    "TrainingError",
    "TrainingOptions",
    "TrainingPausedError",
    "TrainingResult",
    "TrainingSetup",
    "WindowBatch",
    "WindowDataset",
    "average_precision",
    "baselines",
    "choose_device",
    "evaluate",
    "find_kernel_sites",
    "find_motif",
    "fit_baseline",
    "import_keras",
    "load_network",
    "match_motifs",
    "one_hot",
    "predict_bins",
    "predict_intervals",
    "predict_regions",
    "prepare_training",
    "read_bedgraph",
    "read_card",
    "read_meme",
    "save_weights",
    "score",
    "train",
    "write_bedgraph",
    "write_bigwig",
    "write_imported",
]
