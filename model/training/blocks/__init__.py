"""Train networks over blocks on segments: all bins of active stretches, and some of the others.

    blending       choose how much the trees count
    cost_estimate  estimate segments, memory and time of a training
    optimizer      AdamW with weight decay on matrices, and the one-cycle learning rate
    setup          build the networks of a training, and describe them for their model folder
    trainer        steps over the segments of an epoch, and validation on whole regions
    tree_growth    grow the boosted trees with LightGBM

May import the modules of `model.training` and what lies below it.
"""

from .cost_estimate import estimate_blocks
from .optimizer import make_optimizer, one_cycle
from .setup import BlockSetup
from .trainer import BlockTrainingOptions, train_blocks

__all__ = ["BlockSetup", "BlockTrainingOptions", "estimate_blocks", "make_optimizer", "one_cycle", "train_blocks"]
