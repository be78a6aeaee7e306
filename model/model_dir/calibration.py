"""calibration.json: what the scores of a model mean, measured on validation bins.

For each factor it maps scores to frequencies with which such bins were bound, and thresholds to false discovery rates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...store.attribute_checks import check_type
from ...store.errors import InputError, UsageError
from ...store.files.digest import file_digest, sha256_of
from ...store.files.limited_read import is_there
from ...store.files.sealed_json import JsonFormat, read_sealed_json, seal_document
from .card import write_model_file

FILE = "calibration.json"
HINT = "calibrate the model again, or remove the file: then scores are as the network computes them"
_FORMAT = JsonFormat("factornet-calibration", 1, HINT)
_LEAST = 1e-7  # probability that has a finite logit in float32

_MOST = 500  # absolute logit; exp of more is not finite

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreRates:
    """False discovery rate of bins of at least a score, ends of its interval of 90 %, and recall."""

    score: float
    fdr: float
    low: float
    high: float
    recall: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """What the scores of one factor mean.

    Attributes:
        logits: logits of the network, increasing, (k,); between them, and beyond with slope 1, `calibrated` is a line.
        calibrated: logits of the frequencies observed there, increasing, (k,).
        thresholds: calibrated probabilities, increasing, (m,).
        fdr: false discovery rate among validation bins of at least that score, falling, (m,).
        fdr_low, fdr_high: its interval of 90 %.
        recall: share of the bound validation bins that have at least that score, falling, (m,).
        bins, bound: number of validation bins, and of those bound.
        error_before, error_after: expected calibration error of bins with a score above 0.01, before and after; each
            half of the genome's blocks is calibrated by the other half.
        cells: cell lines of the validation bins, where it was read from a model folder.
    """

    logits: FloatArray
    calibrated: FloatArray
    thresholds: FloatArray
    fdr: FloatArray
    fdr_low: FloatArray
    fdr_high: FloatArray
    recall: FloatArray
    bins: int
    bound: int
    error_before: float
    error_after: float
    cells: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rates = (*self._rates().values(), self.recall)
        for x, ys in ((self.logits, (self.calibrated,)), (self.thresholds, rates)):
            if x.ndim != 1 or not x.size or any(y.shape != x.shape for y in ys) or not (np.diff(x) > 0).all():
                raise UsageError("a calibration needs tables of equal, positive length with increasing first columns")
        arrays = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        if not all(np.isfinite(a).all() for a in arrays) or not (np.diff(self.calibrated) > 0).all():
            raise UsageError("a calibration needs finite tables, and calibrated logits that increase")
        if not all(((a >= 0) & (a <= 1)).all() for a in (self.thresholds, *rates)):
            raise UsageError("a calibration needs thresholds, rates and recall between 0 and 1")
        if np.abs([self.logits, self.calibrated]).max() > _MOST:
            raise UsageError(f"a calibration needs logits of at most {_MOST}")
        if not 0 < self.bound < self.bins:
            raise UsageError(f"a calibration needs bound and unbound bins, not {self.bound} bound ones of {self.bins}")
        if not all(0 <= error <= 1 for error in (self.error_before, self.error_after)):
            raise UsageError("calibration errors lie between 0 and 1")

    def apply(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, of the same shape and order; 0 stays 0, which is what is not computed."""
        calibrated = 1 / (1 + np.exp(-shift_logits(to_logits(probabilities), self.logits, self.calibrated)))
        return np.where(probabilities == 0, 0, calibrated).astype(np.float32)

    @property
    def digest(self) -> str:
        """SHA-256 of all its values."""
        return sha256_of([json.dumps(self.to_json(), sort_keys=True).encode()])

    @property
    def prevalence(self) -> float:
        """Share of bound bins among the validation bins."""
        return self.bound / self.bins

    def at_prevalence(self, calibrated: NDArray[np.float32], prevalence: float) -> NDArray[np.float32]:
        """Return calibrated probabilities for data with another share of bound bins (Saerens et al., 2002).

        What is alike in both is how bound bins score, and how others do; the odds change by one factor.
        """
        return np.where(calibrated == 0, 0, self._shifted(calibrated, prevalence)).astype(np.float32)

    def _shifted(self, calibrated: ArrayLike, prevalence: float) -> FloatArray:
        change = to_logits(prevalence) - to_logits(self.prevalence)
        return np.asarray(1 / (1 + np.exp(-(to_logits(calibrated) + change))))

    def with_rates_at(self, prevalence: float | None) -> Self:
        """Return the calibration with thresholds, and their rates, of scores that `at_prevalence` has shifted.

        As there, what is alike is how bound bins score, and how others do: recall stays, and the numbers of bound and
        other bins above a score change by one factor each. None changes nothing.

        Raises:
            UsageError: the prevalence is not between 0 and 1.
        """
        if prevalence is None:
            return self
        if not 0 < prevalence < 1:
            raise UsageError(f"a prevalence lies between 0 and 1, got {prevalence}")
        ratio = float(np.exp(to_logits(prevalence) - to_logits(self.prevalence)))
        thresholds = self._shifted(self.thresholds, prevalence)
        kept = np.append(np.diff(thresholds) > 0, True)  # of those too close to be told apart the highest
        rates = {key: rate / (rate + (1 - rate) * ratio) for key, rate in self._rates().items()}
        columns = {**rates, "recall": self.recall, "thresholds": thresholds}
        return replace(self, **{key: column[kept] for key, column in columns.items()})

    def _rates(self) -> dict[str, FloatArray]:
        return {"fdr": self.fdr, "fdr_low": self.fdr_low, "fdr_high": self.fdr_high}

    def q_values(self, probabilities: ArrayLike) -> FloatArray:
        """Return the lowest false discovery rate at which bins of these calibrated probabilities are called."""
        row = np.searchsorted(self.thresholds, np.asarray(probabilities, np.float64), side="right") - 1
        return np.where(row < 0, 1.0, np.minimum.accumulate(self.fdr)[np.maximum(row, 0)])

    def threshold_for(self, fdr: float) -> float:
        """Return the lowest calibrated probability with at most this false discovery rate.

        Raises:
            UsageError: `fdr` is not between 0 and 1, or no score has so low a rate; the message names the lowest.
        """
        if not 0 < fdr < 1:
            raise UsageError(f"a false discovery rate lies between 0 and 1, got {fdr}")
        lowest = np.minimum.accumulate(self.fdr)
        reached = np.flatnonzero(lowest <= fdr)
        if not reached.size:
            raise UsageError(
                f"no score has a false discovery rate of {fdr}: the lowest among {self.bound:,} bound bins of the "
                f"validation regions is {lowest[-1]:.3f}"
            )
        return float(self.thresholds[reached[0]])

    def at_threshold(self, score: float) -> ScoreRates:
        """Return the rates among validation bins of at least a calibrated probability, the next lower one tabulated."""
        row = max(int(np.searchsorted(self.thresholds, score, side="right")) - 1, 0)
        columns = (self.thresholds, self.fdr, self.fdr_low, self.fdr_high, self.recall)
        return ScoreRates(*(float(column[row]) for column in columns))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        values = {name: value for name, value in vars(self).items() if name != "cells"}  # recorded once a model
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return what `to_json` returned.

        Raises:
            TypeError, KeyError, ValueError, UsageError: a value is missing or of another form.
        """
        counts, numbers = ("bins", "bound"), ("bins", "bound", "error_before", "error_after")
        values = {f.name: content[f.name] for f in fields(cls) if f.name != "cells"}
        if not all(type(values[name]) is int for name in counts):
            raise TypeError(f"{', '.join(counts)} must be whole numbers")
        if not all(type(values[name]) in (int, float) for name in numbers):
            raise TypeError(f"{', '.join(numbers)} must be numbers")
        read: dict[str, Any] = {k: v if k in numbers else np.asarray(v, np.float64) for k, v in values.items()}
        return cls(**read)


def to_logits(probabilities: ArrayLike) -> FloatArray:
    """Return the logits of probabilities, which are first limited to what has a finite one."""
    p = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p / (1 - p)))


def shift_logits(logits: FloatArray, knots: FloatArray, values: FloatArray) -> FloatArray:
    """Map logits by the lines between knots; beyond the first and the last knot with slope 1."""
    inside = np.asarray(np.interp(logits, knots, values), np.float64)
    return np.asarray(inside + np.minimum(logits - knots[0], 0) + np.maximum(logits - knots[-1], 0))


def write_calibration(
    folder: Path, factors: Mapping[str, Calibration], *, model: str, weights_sha256: str, data: Mapping[str, Any]
) -> None:
    """Write calibration.json of a model folder.

    Args:
        folder: the model folder.
        factors: calibration of each factor.
        model: digest of model.json.
        weights_sha256: digest of the weights whose scores these are.
        data: cell lines and regions of the validation bins, as JSON values.

    Raises:
        InputError: the file cannot be written, or the folder has another model.json by now.
    """
    content = {"model": model, "weights_sha256": weights_sha256, "data": dict(data)}
    content["factors"] = {name: calibration.to_json() for name, calibration in factors.items()}
    write_model_file(folder / FILE, seal_document(_FORMAT, content), model)


def read_calibration(folder: Path, *, model: str, weights_sha256: str) -> dict[str, Calibration] | None:
    """Read calibration.json of a model folder; None where there is none, or it is of other weights.

    Args:
        folder: the model folder.
        model: digest of model.json.
        weights_sha256: digest of the weights that are used.

    Raises:
        InputError: it is damaged, or of another model.
    """
    if not is_there(folder / FILE):
        return None
    found, weights = _read(folder / FILE, model)
    return found if weights == weights_sha256 else None


def recorded_calibrations(folder: Path, model: str) -> dict[str, Calibration]:
    """Return what calibration.json of a model folder says, of whatever weights; nothing where there is none.

    Raises:
        InputError: as for `read_calibration`.
    """
    return _read(folder / FILE, model)[0] if is_there(folder / FILE) else {}


def check_calibration(folder: Path, model: str) -> None:
    """Check calibration.json of a model folder.

    Raises:
        InputError: as for `read_calibration`, or it is not of the best weights.
    """
    path, weights = folder / FILE, folder / "best.safetensors"
    _, expected = _read(path, model)
    if weights.is_file() and file_digest(weights) != expected:
        raise InputError(path, f"belongs to other weights than {weights.name}", hint=HINT)


def _read(path: Path, model: str) -> tuple[dict[str, Calibration], str]:
    content = read_sealed_json(path, _FORMAT, hint=HINT)
    if content.get("model") != model:
        raise InputError(path, "belongs to another model", hint=HINT)
    try:
        check_type(content["data"]["cells"], list)
        cells = tuple(map(str, content["data"]["cells"]))
        factors = content["factors"].items()
        found = {str(name): replace(Calibration.from_json(values), cells=cells) for name, values in factors}
        return found, str(content["weights_sha256"])
    except (TypeError, KeyError, ValueError, OverflowError, AttributeError, UsageError) as error:
        raise InputError(path, f"has another form ({error})", hint=HINT) from error
