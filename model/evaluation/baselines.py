"""Score bins without a network: by a motif, by accessibility, and by a logistic regression on both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.genome.intervals import Intervals, overlaps
from ...store.genome.regions import to_regions
from ...store.reader import Store
from ...store.schema import BIN, BOUND, STRIDE, UNBOUND
from ...store.text import format_count
from ..prediction.bins import Bins, count_bins, pieces_of_region
from .bin_features import bin_motif, bin_signal
from .scoring import labels_of

FITTED = "PWM x accessibility"
"""Name of the scores of a fitted baseline."""
WIDTHS = (BIN, 1000)
"""Bases around the middle of a bin whose mean signal a baseline uses; wider ones and products add nothing."""
_MOST_UNBOUND = 2**19
"""Unbound bins to fit on, about; more of them change a regression on a handful of features no more."""
_PIECE = 2**20  # bins whose labels are read at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Logistic regression of binding on the best hit of a motif in a bin, and the signal in it and around it.

    Attributes:
        factor: fitted on its peaks.
        cells: cell lines fitted on.
        track: accessibility; cell lines to score need a track of this name.
        log_odds: of the motif, (w, 4).
        n_bound, n_unbound: bins fitted on.
        mean, scale: of each feature over the bins fitted on, float64 (features,).
        coefficients: of the features less their mean, over their scale, float64 (features,).
        intercept: log odds of binding where all features have their mean.
    """

    factor: str
    cells: tuple[str, ...]
    track: str
    log_odds: NDArray[np.float64]
    n_bound: int
    n_unbound: int
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: float

    def score(self, store: Store, cell: str, bins: Bins) -> NDArray[np.float32]:
        """Return natural log odds of binding in bins of a cell line, float32 (bins,).

        Args:
            store: an open store.
            cell: cell line, which may be another than those fitted on.
            bins: in any order.

        Raises:
            UsageError: the cell line has no such track.
            StoreError: an array of the store is missing or damaged.
        """
        return baselines(store, cell, bins, track=self.track, log_odds=self.log_odds, fitted=self)[FITTED]

    def combine(self, motif: NDArray[np.float32], signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return natural log odds of binding, float32 (n,), given the features of n bins.

        Args:
            motif: log odds of the best hit, (n,).
            signal: mean signal in windows of each of `WIDTHS`, (n, widths).
        """
        features = (_features(motif, signal) - self.mean) / self.scale
        return np.asarray(features @ self.coefficients + self.intercept, np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return what `to_json` returned.

        Raises:
            KeyError: a value is missing.
        """
        values = {field.name: content[field.name] for field in fields(cls)}
        arrays = {k: np.array(values[k], np.float64) for k in ("log_odds", "mean", "scale", "coefficients")}
        return cls(**values | {"cells": tuple(values["cells"])} | arrays)


def fit_baseline(
    store: Store,
    *,
    cells: Sequence[str],
    factor: str,
    regions: Intervals,
    track: str,
    log_odds: NDArray[np.float64],
    seed: int = 0,
) -> Baseline:
    """Fit a baseline on all bound bins of regions, and on about half a million unbound ones, drawn at random.

    Ambiguous and blacklisted bins are left out. Per bin fitted on, 20 bytes are held.

    Args:
        store: an open store.
        cells: cell lines with peaks of the factor.
        factor: transcription factor.
        regions: to fit on, in absolute coordinates, merged.
        track: accessibility, a track of each of the cell lines.
        log_odds: of the factor's motif, (w, 4), as `pwm.log_odds` returns them.
        seed: determines which bins are drawn.

    Raises:
        UsageError: no such cell line, factor or track; no bin, no bound or no unbound bin in the regions; or the motif
            is longer than a bin.
        StoreError: an array of the store is missing or damaged.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    if not cells:
        raise UsageError("no cell line to fit on; give one with peaks of the factor")
    places = to_regions(regions, store.coordinates)
    share = min(1.0, _MOST_UNBOUND / (count_bins(places, store.coordinates, stride=STRIDE) * len(cells)))
    rng, found, labels = np.random.default_rng(seed), [], []
    for cell in cells:
        for bins, bound in _draw_bins(store, cell, factor, regions, share=share, rng=rng):
            motif = bin_motif(store, bins, log_odds=log_odds)
            found.append(_features(motif, bin_signal(store, cell, bins, track=track, widths=WIDTHS)))
            labels.append(bound)
    features, truth = np.concatenate(found), np.concatenate(labels)
    if truth.all() or not truth.any():
        raise UsageError(
            f"no {'un' * bool(truth.size and truth.all())}bound bins of {factor} in {', '.join(cells)} in "
            f"{format_count(len(places), 'region')}, first {places[0]}; fit on larger regions or other cell lines"
        )
    mean, scale = features.mean(0, np.float64), features.std(0, np.float64)
    scale[scale == 0] = 1
    weights = np.where(truth, 1.0, 1 / share)
    fitted = LogisticRegression(max_iter=1000).fit((features - mean) / scale, truth, sample_weight=weights)
    return Baseline(
        factor=factor,
        cells=tuple(cells),
        track=track,
        log_odds=log_odds,
        n_bound=int(truth.sum()),
        n_unbound=int((~truth).sum()),
        mean=mean,
        scale=scale,
        coefficients=fitted.coef_[0],
        intercept=float(fitted.intercept_[0]),
    )


def baselines(
    store: Store,
    cell: str,
    bins: Bins,
    *,
    track: str | None,
    log_odds: NDArray[np.float64] | None,
    fitted: Baseline | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Score bins by the mean signal of a track in the bin, by its best motif hit, and by both, float32 (bins,) by name.

    About 60 bytes a bin are held: many bins are better given in parts, as `GenomeScores.rescore` does.

    Args:
        store: an open store.
        cell: cell line.
        bins: in any order.
        track: a track of the cell line; None omits its score.
        log_odds: of the motif; None omits its score.
        fitted: on a track and a motif like these; None omits its score.

    Raises:
        UsageError: no such cell line or track.
        StoreError: an array of the store is missing or damaged.
    """
    found = {}
    signal, motif = None, None
    if track is not None:
        signal = bin_signal(store, cell, bins, track=track, widths=WIDTHS)
        found["accessibility alone"] = signal[:, 0].copy()
    if log_odds is not None:
        motif = found["motif alone"] = bin_motif(store, bins, log_odds=log_odds)
    if fitted is not None:
        if signal is None or motif is None:
            raise UsageError("the fitted baseline needs a track and a motif")
        found[FITTED] = fitted.combine(motif, signal)
    return found


def _draw_bins(
    store: Store, cell: str, factor: str, regions: Intervals, *, share: float, rng: np.random.Generator
) -> Iterator[tuple[Bins, NDArray[np.bool_]]]:
    """Yield all bound bins of regions and a share of the unbound ones, and which are bound."""
    blacklist = store.blacklist()
    for region in to_regions(regions, store.coordinates):
        for bins in pieces_of_region(region, store.coordinates, stride=STRIDE, bins=_PIECE):
            labels = labels_of(store, cell, factor, bins)
            drawn = (labels == BOUND) | ((labels == UNBOUND) & (rng.random(labels.size) < share))
            drawn &= ~overlaps(bins.to_absolute(store.coordinates), blacklist)
            rows = np.flatnonzero(drawn)
            yield bins.take(rows), labels[rows] == BOUND


def _features(motif: NDArray[np.float32], signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of bins, float32 (bins, features)."""
    return np.column_stack([motif, np.log1p(np.maximum(signal, 0))])
