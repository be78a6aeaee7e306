"""The FactorNet network and its layers, from a configuration.

May import `factornet.store` and torch.
"""

from .config import NetworkConfig
from .factornet import BatchShare, FactorNet, one_hot

__all__ = ["BatchShare", "FactorNet", "NetworkConfig", "one_hot"]
