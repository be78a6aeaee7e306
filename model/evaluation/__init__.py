"""Score predictions against labels as ENCODE-DREAM does, with baselines; plot a locus.

May import `model.motifs` and what lies below it.
"""

from .locus_plot import best_locus, plot_locus
from .metrics import Scores, auprc_davis_goadrich, auroc, average_precision, recall_at_fdr, score
from .scoring import Evaluation, baselines, evaluate

__all__ = [
    "Evaluation",
    "Scores",
    "auprc_davis_goadrich",
    "auroc",
    "average_precision",
    "baselines",
    "best_locus",
    "evaluate",
    "plot_locus",
    "recall_at_fdr",
    "score",
]
