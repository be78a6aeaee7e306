"""Predict probabilities for intervals and regions, and write them as bedGraph or bigWig.

    bigwig_writer       write scores as bigWig
    bins                choose the intervals to predict, and group neighbours that share bases
    output_names        choose the format of a file of scores by its name
    predict             predict probabilities for intervals and for the windows of a plan, by one network
    predictor           a network that predicts one of its factors in a cell line
    region_parts        keep the scores of finished parts next to the output
    runs/               predict files: one or many of them in one pass over the store
    score_table         read scores of intervals from text
    scorers/            score the windows of a tile together, by a network of either kind
    sidecar             record next to predictions what they are: model, factor, cell line, data
    tiling/             read the bases of many windows once, for the windows of a tile and for all networks
    to_file             predict one file: intervals in their order, or all bins of regions, resumable part by part
    together            score intervals by one network or several, tile by tile, in bounded memory
    writers             write scores piecewise as FactorNet's bedGraph, gzipped or not

May import `model.network`, `model.data` and `model.model_dir`.
"""

from .bigwig_writer import write_bigwig
from .bins import Bins, count_bins
from .predict import predict_bins, predict_plan
from .predictor import Predictor
from .score_table import read_bedgraph
from .to_file import predict_intervals, predict_regions
from .writers import write_bedgraph

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
