"""Calibrate a trained model on all bins of its validation regions."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....store.errors import UsageError
from ...model_dir.calibration import Calibration, write_calibration
from ...model_dir.weights import LoadedModel, load_model
from .calibration_fit import BLOCK, LEAST_FITTED, fit_calibration
from .region_validation import RegionValidation


def calibrate_model(folder: Path, validation: RegionValidation, *, device: torch.device) -> dict[str, Calibration]:
    """Write calibration.json for the best weights of a model folder; the caller holds the lock of the folder.

    Bins of all validation cell lines count together. A factor of which no bin with a score above 0.001 is bound has no
    calibration.

    Args:
        folder: the model folder.
        validation: bins with their labels.
        device: to compute on.

    Returns:
        Calibration of each factor.

    Raises:
        InputError: as for `load_model`, or the file cannot be written.
    """
    model = load_model(folder)
    calibrations = fit_calibrations(model, validation, device=device)
    data = {"cells": list(validation.cells), "regions": validation.region_names}
    write_calibration(folder, calibrations, model=model.card.digest, weights_sha256=model.weights_sha256, data=data)
    return calibrations


def fit_calibrations(
    model: LoadedModel, validation: RegionValidation, *, device: torch.device
) -> dict[str, Calibration]:
    """Return the calibration of each factor of a model; see `calibrate_model`."""
    kept: dict[int, list[tuple[NDArray[Any], ...]]] = defaultdict(list)
    n_bins, n_bound = Counter[int](), Counter[int]()
    absolute = validation.bins.to_absolute(validation.store.coordinates).starts
    for n, cell in enumerate(validation.cells):
        scores = validation.predict(model.network, cell, device=device)
        for task, clear, bound in validation.labelled(cell):
            column = scores[clear, task]
            fitted = column >= LEAST_FITTED
            # Blocks of one place in two cell lines are not independent, but are told apart by the cell line's number.
            block = absolute[clear][fitted] // BLOCK * len(validation.cells) + n
            kept[task].append((column[fitted], bound[fitted], block))
            n_bins[task] += bound.size
            n_bound[task] += int(bound.sum())
    found = {}
    for task, pieces in kept.items():
        columns = (np.concatenate(column) for column in zip(*pieces, strict=True))
        try:
            found[validation.factors[task]] = fit_calibration(
                *columns, n_bins=n_bins[task], n_bound=n_bound[task], n_cells=len(validation.cells)
            )
        except UsageError:  # nothing to calibrate by
            continue
    return found
