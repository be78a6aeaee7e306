"""The FactorNet network and its layers, from a configuration.

    block_config  the configuration of the network over blocks
    blocks        the network over blocks: scores of all bins of a stretch of the genome at once
    config        the configuration of a network: its inputs, sizes and options
    factornet     the network: one-hot encoding, both strands of a window, layers 1 to 5
    lstm          the bidirectional LSTM of FactorNet: two kinds of gates, one set of parameters
    pooling       max-pooling over positions, with the original software's gradient

May import `factornet.store` and torch.
"""

from .config import NetworkConfig
from .factornet import BatchShare, FactorNet, one_hot

__all__ = ["BatchShare", "FactorNet", "NetworkConfig", "one_hot"]
