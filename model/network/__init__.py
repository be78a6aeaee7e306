"""The FactorNet network and its layers, from a configuration.

    bin_features    describe bins by numbers for boosted trees
    block_config    the configuration of networks over blocks, and of their trees
    block_ensemble  networks over blocks, averaged and blended with trees
    blocks          the network over blocks: scores of all bins of a stretch of the genome at once
    config          the configuration of a FactorNet: its inputs, sizes and options
    factornet       FactorNet: one-hot encoding, both strands of a window, layers 1 to 5
    kernel_maxima   highest value of kernels in stretches of bases, with a sparse gradient
    lstm            the bidirectional LSTM of FactorNet: two kinds of gates, one set of parameters
    mean_signal     the mean signal of cell lines, an input that a model keeps
    pooling         max-pooling over positions, with the original software's gradient
    trees           gradient-boosted trees as arrays, and their sums
    variants        read and build either kind of network by its configuration

May import `factornet.store` and torch.
"""

from .block_config import BlockConfig, recommended_members
from .block_ensemble import BlockEnsemble
from .blocks import BlockNetwork
from .config import NetworkConfig
from .factornet import BatchShare, FactorNet, one_hot
from .variants import AnyConfig, AnyNetwork, config_from_json, config_to_json, make_network

__all__ = [
    "AnyConfig",
    "AnyNetwork",
    "BatchShare",
    "BlockConfig",
    "BlockEnsemble",
    "BlockNetwork",
    "FactorNet",
    "NetworkConfig",
    "config_from_json",
    "config_to_json",
    "make_network",
    "one_hot",
    "recommended_members",
]
