"""Compare the signals of a cell line with those that a network was trained on: assay, units and scale.

Signals are JSON: name of a track -> cell line -> ``assay`` and ``units`` (empty where unknown) and, where they are
known, ``figures`` of its values over all bases (``all_bases`` in the summary of a store).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...store.errors import InputError, StoreError, UsageError
from ...store.format.manifest import NOT_FACTORNET
from ...store.reader import Store

Signals = Mapping[str, Mapping[str, Mapping[str, Any]]]
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class _Limit:
    """A figure, and how many times it may be above or below the nearest one of training (docs/decisions.md)."""

    name: str
    read: Callable[[Mapping[str, Any]], float]
    ratio: float


_NEGATIVE = 0.01
"""Share of negative bases in all cell lines of training from which a signal without any is another."""
_LIMITS = (
    _Limit("mean", lambda figures: float(figures["mean"]), 6),
    _Limit("quantile 0.999", lambda figures: float(figures["quantiles"]["0.999"]), 10),
    _Limit("nonzero fraction", lambda figures: float(figures["nonzero"]), 20),
)


def track_signals(store: Store, cells: Iterable[str], tracks: Iterable[str]) -> dict[str, Any]:
    """Return the signals of cell lines; a store that was built before figures were recorded has none.

    Raises:
        UsageError: no such cell line.
        StoreError: figures in the attributes of the store have another form.
    """
    signals: dict[str, Any] = {track: {} for track in tracks}
    for info in map(store.cell, cells):
        for track in store.tracks_of(info.name):
            summary = store.info.summary if track.shared else info.summary
            signal: dict[str, Any] = {"assay": track.assay, "units": track.units}
            try:
                figures = summary.get("tracks", {}).get(track.name, {}).get("all_bases")
                signal = _checked(signal | ({} if figures is None else {"figures": figures}))
            except _MALFORMED as e:
                problem = f"the figures of the track {track.name} have another form"
                raise StoreError(f"{store.location}/cells/{info.name}", problem, hint=NOT_FACTORNET) from e
            if track.name in signals:
                signals[track.name][info.name] = signal
    return signals


def recorded_signals(provenance: Mapping[str, Any], *, location: str) -> dict[str, Any]:
    """Return the signals of training that model.json records; empty if it records none.

    Args:
        provenance: of a `ModelCard`.
        location: of the model, for messages.

    Raises:
        InputError: they have another form.
    """
    try:
        found = provenance.get("signals", {}).items()
        return {track: {cell: _checked(signal) for cell, signal in cells.items()} for track, cells in found}
    except _MALFORMED as e:
        raise InputError(location, "the signals in its model.json have another form", hint=NOT_FACTORNET) from e


def _checked(signal: Mapping[str, Any]) -> dict[str, Any]:
    """Return assay, units and figures of a signal; any of `_MALFORMED` if they have another form."""
    checked: dict[str, Any] = {key: str(signal[key]) for key in ("assay", "units")}
    if "figures" in signal:
        figures = {key: float(signal["figures"][key]) for key in ("mean", "nonzero", "negative")}
        quantiles = {key: float(value) for key, value in signal["figures"]["quantiles"].items()}
        if not all(map(math.isfinite, (*figures.values(), *quantiles.values(), quantiles["0.999"]))):
            raise ValueError("a figure is not finite")
        checked["figures"] = {**figures, "quantiles": quantiles}
    return checked


def compare_signals(recorded: Signals, found: Signals, *, ignore_units: bool = False) -> list[str]:
    """Return what is unlike training in the signals of a cell line, as warnings.

    Of the cell lines of training the most similar one counts, figure by figure. Assay or units that only training
    names are one more warning, for all tracks. Units that only the cell line names are said with the figures, where
    those differ or are missing.

    Args:
        recorded: signals of training; empty if they are not known.
        found: signals to compare with them.
        ignore_units: warn of other units too, instead of raising an error.

    Raises:
        UsageError: the units of a track differ by name, and not `ignore_units`.
    """
    return [*_unlike(recorded, found, ignore_units=ignore_units), *_unnamed(recorded, found)]


def compare_among(signals: Signals, *, ignore_units: bool = False) -> list[str]:
    """Return what is unlike among the cell lines of a training, as warnings: each is compared with those before it.

    Assay or units that some name and others do not are one warning, in any order.

    Raises:
        UsageError: as for `compare_signals`.
    """
    names = list(dict.fromkeys(cell for cells in signals.values() for cell in cells))
    warnings: list[str] = []
    for i, name in enumerate(names[1:], 1):
        before, found = (
            {track: {cell: cells[cell] for cell in selected if cell in cells} for track, cells in signals.items()}
            for selected in (names[:i], [name])
        )
        warnings += _unlike(before, found, ignore_units=ignore_units)
    return [*warnings, *_unnamed(signals, signals)]


def _unlike(recorded: Signals, found: Signals, *, ignore_units: bool) -> list[str]:
    """Return what differs by name or by figures, and whose figures are missing, as warnings."""
    warnings: list[str] = []
    unknown: dict[str, list[str]] = {}
    notes: dict[str, list[str]] = {}
    for track, cells in found.items():
        training = recorded.get(track, {})
        for cell, signal in cells.items():
            if other := _other_term("units", signal, training):
                text = f"track {track} of {cell} has the units {signal['units']}, training had {other}"
                if not ignore_units:
                    raise UsageError(f"{text}; convert it or correct its units in bigwig.txt")
                warnings.append(text)
            if other := _other_term("assay", signal, training):
                warnings.append(f"track {track} of {cell} comes from {signal['assay']}, training had {other}")
            note = _units_of_one(track, cell, signal, training)
            if "figures" not in signal or not any("figures" in s for s in training.values()):
                whose = "the model records no figures"
                if "figures" not in signal:
                    whose = f"the store, built by an earlier version, has no figures of {cell}"
                unknown.setdefault(whose, []).append(track)
                notes.setdefault(whose, []).extend([note] * bool(note))
            elif differences := _differences(signal, training):
                figures = "; ".join([*differences, *[note] * bool(note)])
                warnings.append(
                    f"track {track} of {cell} is not on the scale of training: {figures}. It may be normalised "
                    "otherwise, or be another kind of signal (fold change, raw counts)"
                )
    for whose, tracks in unknown.items():
        reason = "; ".join([whose, *notes[whose]])
        warnings.append(f"the scale of {', '.join(tracks)} cannot be compared with that of training: {reason}")
    return warnings


def _unnamed(recorded: Signals, found: Signals) -> list[str]:
    """Return one warning of the assays and units that training names and cell lines do not; none if there are none.

    The cell lines of training are not named: models of several trainings then have equal warnings, which are said once.
    """
    unnamed: dict[str, list[str]] = {}
    keys: dict[str, None] = {}
    for track, cells in found.items():
        training = {key: ", ".join(_terms(key, recorded.get(track, {}))) for key in ("assay", "units")}
        for cell, signal in cells.items():
            missing = [key for key, term in training.items() if term and not signal[key]]
            keys |= dict.fromkeys(missing)
            if missing:
                terms = " and ".join(f"{key} {training[key]}" for key in missing)
                unnamed.setdefault(f"track {track} with {terms}", []).append(cell)
    if not unnamed:
        return []
    listed = "; ".join(f"{signal}, not stated for {', '.join(cells)}" for signal, cells in unnamed.items())
    rows = " ".join(f"{key}=..." for key in keys)
    again = ", ".join(dict.fromkeys(cell for cells in unnamed.values() for cell in cells))
    cure = f"state {rows} in bigwig.txt and build {again} again"
    return [f"training had {listed}: they cannot be compared; {cure}"]


def _other_term(key: str, signal: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the assay or units of training if a signal's differ by name, with the cell lines; else an empty text."""
    terms = _terms(key, training)
    return "" if not signal[key] or signal[key].casefold() in map(str.casefold, terms) else _listed(terms)


def _units_of_one(track: str, cell: str, signal: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the units of a track where the cell line names some and training none; else an empty text."""
    if training and signal["units"] and not _terms("units", training):
        return f"{cell} has {track} in {signal['units']}, training named no units"
    return ""


def _terms(key: str, training: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the cell lines of training by their assay or units, without those that name none."""
    terms: dict[str, list[str]] = {}
    for cell, other in training.items():
        if other[key]:
            terms.setdefault(other[key], []).append(cell)
    return terms


def _listed(terms: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{term} ({', '.join(cells)})" for term, cells in terms.items())


def _differences(signal: Mapping[str, Any], training: Mapping[str, Any]) -> list[str]:
    """Describe each figure that is too far from those of all cell lines of training."""
    own, others = signal["figures"], {c: s["figures"] for c, s in training.items() if "figures" in s}
    differences = []
    for limit in _LIMITS:
        value, values = limit.read(own), {cell: limit.read(figures) for cell, figures in others.items()}
        nearest = min(values, key=lambda cell: _ratio(value, values[cell]))
        if _ratio(value, values[nearest]) > limit.ratio:
            differences.append(f"{limit.name} {value:.3g} against {values[nearest]:.3g} in {nearest}")
    if not own["nonzero"] and all(figures["nonzero"] for figures in others.values()):
        differences.append("it is 0 throughout")
    if own["nonzero"] and not any(figures["nonzero"] for figures in others.values()):
        differences.append("it is 0 throughout in training")
    if own["negative"] and not any(figures["negative"] for figures in others.values()):
        differences.append(f"{own['negative']:.2%} of bases are negative, none in training")
    least = min(figures["negative"] for figures in others.values())
    if not own["negative"] and least >= _NEGATIVE:  # a log ratio, say, whose mean has no ratio to that of counts
        differences.append(f"no base is negative, {least:.2%} or more in training")
    return differences


def _ratio(a: float, b: float) -> float:
    """Return how many times one figure is the other, at least 1; 1 where either is 0, or their signs differ."""
    return max(a / b, b / a) if a * b > 0 else 1.0
