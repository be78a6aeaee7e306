"""Score the windows of a tile together, by a network of either kind.

    block_scores        runs of bins 50 bases apart, by a network over blocks
    shared_convolution  overlapping windows, by a FactorNet: layers 1 and 2 once per base

May import `model.network`.
"""

from .block_scores import BlockScorer
from .shared_convolution import SharedConvolution

__all__ = ["BlockScorer", "SharedConvolution"]
