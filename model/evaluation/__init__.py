"""Score predictions against labels as ENCODE-DREAM does, with baselines; plot a locus.

    baselines        score bins without a network: by a motif, by accessibility, and by a regression on both
    bin_features     compute what baselines know of a bin: the best hit of a motif in it, the signal around it
    bin_scores       find the score of each of the store's bins in a file of scores, whose intervals may be others
    bootstrap        estimate how far measures would differ on other parts of a genome: bootstrap by genomic block
    comparison       compare scores of the same bins with labels and with each other, with intervals
    comparison_plot  plot measures of several models, factors and cell lines with their intervals
    genome_scores    hold scores of all bins of a genome: 4 bytes a bin
    locus_plot       plot tracks, peaks and predicted probabilities of one region
    metrics          measures of binary classification: those of the ENCODE-DREAM challenge, and average precision
    provenance       compare predictions' record with what they are evaluated on, and with what the model was trained on
    score_file       read a file of scores of any format: bedGraph, an ENCODE-DREAM submission, or bigWig
    scoring          score predictions as ENCODE-DREAM does

May import `model.motifs` and what lies below it.
"""

from .baselines import Baseline, fit_baseline
from .locus_plot import best_locus, plot_locus
from .metrics import average_precision, score
from .scoring import evaluate

__all__ = [
    "Baseline",
    "average_precision",
    "best_locus",
    "evaluate",
    "fit_baseline",
    "plot_locus",
    "score",
]
