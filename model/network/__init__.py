"""The FactorNet network and its layers, from a configuration.

    block_config  the configuration of the network over blocks
    blocks        the network over blocks: scores of all bins of a stretch of the genome at once
    config        the configuration of a network: its inputs, sizes and options
    factornet     the network: one-hot encoding, both strands of a window, layers 1 to 5
    lstm          the bidirectional LSTM of FactorNet: two kinds of gates, one set of parameters
    pooling       max-pooling over positions, with the original software's gradient
    variants      read and build either network by its configuration

May import `factornet.store` and torch.
"""

from .block_config import BlockConfig
from .blocks import BlockNetwork
from .config import NetworkConfig
from .factornet import BatchShare, FactorNet, one_hot
from .variants import AnyConfig, AnyNetwork, config_from_json, config_to_json, make_network

__all__ = [
    "AnyConfig",
    "AnyNetwork",
    "BatchShare",
    "BlockConfig",
    "BlockNetwork",
    "FactorNet",
    "NetworkConfig",
    "config_from_json",
    "config_to_json",
    "make_network",
    "one_hot",
]
