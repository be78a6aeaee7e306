"""Predict probabilities for intervals and regions, and write them as bedGraph or bigWig.

May import `model.network`, `model.data` and `model.model_dir`.
"""

from .bins import Bins, count_bins
from .predict import predict_bins, predict_plan
from .to_file import Predictor, predict_intervals, predict_regions
from .writers import read_bedgraph, write_bedgraph, write_bigwig

__all__ = [
    "Bins",
    "Predictor",
    "count_bins",
    "predict_bins",
    "predict_intervals",
    "predict_plan",
    "predict_regions",
    "read_bedgraph",
    "write_bedgraph",
    "write_bigwig",
]
