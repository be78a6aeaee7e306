"""Train a network over blocks on segments: all bins of active stretches, and some of the others.

    cost_estimate  estimate segments, memory and time of a training
    optimizer      AdamW with weight decay on matrices, and the one-cycle learning rate
    setup          build the network of a training, and describe it for its model folder
    trainer        steps over the segments of an epoch, and validation on whole regions

May import the modules of `model.training` and what lies below it.
"""

from .cost_estimate import estimate_blocks
from .optimizer import make_optimizer, one_cycle
from .setup import BlockSetup
from .trainer import BlockTrainingOptions, train_blocks

__all__ = ["BlockSetup", "BlockTrainingOptions", "estimate_blocks", "make_optimizer", "one_cycle", "train_blocks"]
