"""The FactorNet network and its layers, from a configuration.

May import `factornet.store` and torch.
"""

from .config import NetworkConfig, strand_order
from .factornet import BatchShare, FactorNet, one_hot
from .lstm import BidirectionalLSTM

__all__ = ["BatchShare", "BidirectionalLSTM", "FactorNet", "NetworkConfig", "one_hot", "strand_order"]
