"""Read and build either kind of network by its configuration: FactorNet, of a window, and networks over blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .block_config import BlockConfig
from .block_ensemble import BlockEnsemble
from .config import NetworkConfig
from .factornet import FactorNet

AnyConfig = NetworkConfig | BlockConfig
AnyNetwork = FactorNet | BlockEnsemble
_KIND = "network"  # key that only configurations of networks over blocks have
_BLOCKS = "blocks"


def config_to_json(config: AnyConfig) -> dict[str, Any]:
    """Return a configuration as JSON values by their keys in model.json."""
    return {_KIND: _BLOCKS, **config.to_json()} if isinstance(config, BlockConfig) else config.to_json()


def config_from_json(values: Mapping[str, Any]) -> AnyConfig:
    """Return the configuration that `config_to_json` wrote.

    Raises:
        UsageError: a field is missing, unknown or out of range.
    """
    if values.get(_KIND) == _BLOCKS:
        return BlockConfig.from_json({key: value for key, value in values.items() if key != _KIND})
    return NetworkConfig.from_json(values)


def make_network(config: AnyConfig, *, seed: int = 0) -> AnyNetwork:
    """Return an untrained network; `seed` is the only randomness in its weights."""
    return BlockEnsemble(config, seed=seed) if isinstance(config, BlockConfig) else FactorNet(config, seed=seed)
