"""Score predictions against labels as ENCODE-DREAM does, with baselines; plot a locus.

May import `model.motifs` and what lies below it.
"""

from .locus_plot import best_locus, plot_locus
from .metrics import average_precision, score
from .scoring import baselines, evaluate

__all__ = ["average_precision", "baselines", "best_locus", "evaluate", "plot_locus", "score"]
