"""Presets of ``factornet-train``: a network, the defaults of its options, and those that have no meaning for it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...store.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A way to train.

    Attributes:
        defaults: values of the options that differ between presets, by destination.
        without: options that have no meaning, by destination, with their names.
    """

    defaults: Mapping[str, Any]
    without: Mapping[str, str] = field(default_factory=dict)


MEMBERS, TREES = 4, 240
"""Networks and boosted trees with ``blocks``."""

PRESETS = {
    "published": Preset(
        defaults={"epochs": 100, "patience": 20, "learning_rate": 0.001, "batch_size": 100, "select": "loss"},
        without={
            "label_mode": "--labels",
            "members": "--members",
            "trees": "--trees",
            "auxiliary": "--auxiliary",
            "mean_cells": "--mean-cells",
        },
    ),
    "blocks": Preset(
        defaults={
            "epochs": 6,
            "patience": 6,
            "learning_rate": 0.002,
            "batch_size": 16,
            "select": "ap",
            # Segments are always read from the store: cutting them from arrays held on a GPU has no test yet.
            "resident": "no",
        },
        without={
            "window_length": "-L",
            "negatives": "-n",
            "recurrent": "-r",
            "dense": "-d",
            "meta": "-m",
            "init_from": "--init-from",
            "compile": "--compile",
            "precision": "--amp and --double",
            "resident": "--resident",
        },
    ),
}
"""``published`` is FactorNet as published; ``blocks`` the network over blocks of 50 bases, which learns all bins."""
_OTHERS = {"negatives": 1, "precision": "float32", "resident": "auto"}


def apply_preset(options: argparse.Namespace) -> None:
    """Set the options that were not given to the defaults of the preset.

    Raises:
        UsageError: an option was given that has no meaning for the preset.
    """
    preset = PRESETS[options.preset]
    given = [name for key, name in preset.without.items() if not _is_absent(getattr(options, key))]
    if given:
        raise UsageError(f"{', '.join(given)}: has no meaning with --preset {options.preset}; leave it out")
    for key, value in {**_OTHERS, **preset.defaults}.items():
        if getattr(options, key) is None:
            setattr(options, key, value)


def _is_absent(value: object) -> bool:
    return value is None or value is False  # 0 is a value


def describe_default(key: str) -> str:
    """Return the default of an option for its help: one value, or that of each preset."""
    values = {name: preset.defaults[key] for name, preset in PRESETS.items()}
    first, *others = values.items()
    return f"(default: {first[1]}; {', '.join(f'{value} with --preset {name}' for name, value in others)})"
