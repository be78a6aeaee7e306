"""Describe a model in Markdown: what it predicts, from what, learnt on what, how good, whose, and how to cite it.

All of it is from model.json and calibration.json; what these do not record is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...store.text import markdown_list, markdown_page, markdown_table, markdown_text
from ..model_dir.calibration import Calibration
from ..model_dir.card import ModelCard, TrainingData
from ..model_dir.history import Rows, best_epoch
from ..model_dir.other_cells import in_other_cells
from ..network.config import NetworkConfig
from .annotation import model_rules
from .signals import recorded_signals

_MEASURES = {"average_precision": "average precision", "auroc": "auROC", "auprc": "auPRC"}
_RATES = (0.1, 0.5)


def card_markdown(
    name: str,
    card: ModelCard,
    calibrations: Mapping[str, Calibration],
    *,
    epochs: Rows = (),
    stated: Mapping[str, str] | None = None,
) -> str:
    """Return the card of a model as Markdown.

    Args:
        name: of the model.
        card: content of model.json.
        calibrations: by factor.
        epochs: history of its training.
        stated: licence, citation and contact, by these names, where they are stated.

    Raises:
        InputError: signals or annotation rules in model.json have another form.
    """
    sections = (
        ("", [*_summary(card)]),
        ("Inputs", [*_inputs(name, card)]),
        ("Training", [*_training(card)]),
        ("Scores", [*_scores(card, calibrations, epochs)]),
        ("Origin", [*_origin(card, stated or {})]),
    )
    return markdown_page(name, sections)


def _summary(card: ModelCard) -> Iterator[str]:
    config = card.config
    yield f"- factors: {markdown_list(config.tasks)}"
    kind = "of FactorNet" if isinstance(config, NetworkConfig) else "over blocks of 50 bases"
    yield f"- network {kind}: {config.weights_size:,} weights, windows of {config.window_length:,} bases"
    yield f"- made by: {markdown_text(card.provenance.get('software') or f'factornet {card.library_version}')}"


def _inputs(name: str, card: ModelCard) -> Iterator[str]:
    config = card.config
    yield f"- tracks: {markdown_list(config.tracks) or 'none, sequence alone'}"
    if config.meta:
        yield f"- gene expression of the cell line: {markdown_list(config.meta)}"
    if config.uses_annotation:
        rules = model_rules(card.provenance, location=name)
        yield f"- gene annotation by the rules: {markdown_text(rules) if rules else 'unknown'}"
    rows = []
    for track, cells in recorded_signals(card.provenance, location=name).items():
        for cell, signal in cells.items():
            figures = signal.get("figures")
            scale = ("unknown",) * 3
            if figures:
                values = (figures["mean"], figures["nonzero"], figures["quantiles"]["0.999"])
                scale = (f"{values[0]:.4g}", f"{values[1]:.3%}", f"{values[2]:.4g}")
            rows.append((track, cell, signal["assay"] or "unknown", signal["units"] or "unknown", *scale))
    if rows:
        yield ""
        yield from markdown_table(("track", "cell line", "assay", "units", "mean", "not 0", "quantile 0.999"), rows)


def _training(card: ModelCard) -> Iterator[str]:
    if not card.trainings:
        yield "- cell lines and regions: unknown"
        return
    for i, training in enumerate(card.trainings):
        if not training.is_recorded:
            yield "- started from a model that does not record its training"
            continue
        yield from _one_training(training, "" if i == 0 else " (of the model that it started from)")
    for key in ("assembly",):
        if card.provenance.get(key):
            yield f"- {key}: {markdown_text(card.provenance[key])}"
    if not isinstance(split := card.training.get("split"), Mapping):
        return
    rows = []
    for part in ("train", "valid", "test"):
        found = split.get(part)
        if isinstance(found, Mapping):
            positives = _mapping(found.get("positives"))
            counts = ", ".join(f"{cell} {_number(n, ',')}" for cell, n in positives.items())
            rows.append((part, _number(found.get("bases"), ","), _number(found.get("share"), ".1%"), counts or "none"))
    if rows:
        yield ""
        yield from markdown_table(("split", "bases", "share", str(split.get("positives_are", "positives"))), rows)


def _one_training(training: TrainingData, note: str) -> Iterator[str]:
    valid_cells = markdown_list(training.valid_cells) or "none"
    yield f"- cell lines{note}: {markdown_list(training.cells)}; validated in {valid_cells}"
    yield f"- regions validated on{note}: {markdown_list(training.valid) or 'none'}"
    yield f"- regions held out{note}: {markdown_list(training.test) or 'none'}"


def _scores(card: ModelCard, calibrations: Mapping[str, Calibration], epochs: Rows) -> Iterator[str]:
    rows = list(_cross_validation(card.provenance.get("cross_validation")))
    if rows:
        yield "Of models that were trained without the cell line, with 95 % intervals:"
        yield ""
        yield from markdown_table(("cell line", "measure", "value", "interval"), rows)
    for factor, found in calibrations.items():
        yield (
            f"- {markdown_text(factor)}: calibrated on {found.bins:,} validation bins, {found.bound:,} of them "
            f"bound; mean distance of scores above 0.01 from observed frequencies {found.error_after:.4f}"
        )
        yield from _rates(found)
    if epochs:
        best = next(row for row in epochs if row["epoch"] == best_epoch(epochs, card.select))
        what = "all bins of the validation regions" if card.select == "ap" else "sampled windows, easier than all bins"
        yield (
            f"- average precision in validation: {best['val_average_precision']:.4f} of {what} (epoch "
            f"{best['epoch']:.0f} of {len(epochs)}, loss {best['val_loss']:.4f})"
        )
    if not rows and not calibrations:
        yield "- in other cell lines or on bins held out: unknown, neither cross-validation nor calibration is recorded"


def _rates(found: Calibration) -> Iterator[str]:
    from ...store.errors import UsageError

    for fdr in _RATES:
        try:
            rate = found.at_threshold(found.threshold_for(fdr))
        except UsageError:
            continue  # no score has so low a rate
        other = in_other_cells(rate)
        yield (
            f"    - called at a false discovery rate of {fdr:.0%}: scores of at least {rate.score:.3f}, of which "
            f"{rate.fdr:.1%} are false (90 % interval {rate.low:.1%} to {rate.high:.1%}; in another cell line "
            f"{other.low:.1%} to {other.high:.1%}); they find {rate.recall:.1%} of the bound bins"
        )


def _cross_validation(recorded: object) -> Iterator[tuple[str, str, str, str]]:
    if not isinstance(recorded, Mapping):
        return
    for cell, found in recorded.items():
        bounds = found.get("intervals", {}) if isinstance(found, Mapping) else {}
        for key, title in _MEASURES.items():
            value = found.get(key) if isinstance(found, Mapping) else None
            if isinstance(value, int | float):
                interval = bounds.get(key) if isinstance(bounds, Mapping) else None
                text = "unknown"
                if isinstance(interval, list) and all(isinstance(x, int | float) for x in interval):
                    text = " to ".join(f"{x:.4f}" for x in interval)
                yield str(cell), title, f"{value:.4f}", text


def _origin(card: ModelCard, stated: Mapping[str, str]) -> Iterator[str]:
    origin = {**_mapping(card.provenance.get("origin")), **{key: text for key, text in stated.items() if text}}
    if origin.get("name"):
        yield f"- published as: {markdown_text(origin['name'])}, {markdown_text(origin.get('url', ''))}"
    yield f"- licence: {markdown_text(origin.get('licence') or 'not recorded; ask whoever trained the model')}"
    yield f"- cite: {markdown_text(origin.get('citation') or 'whoever trained the model')}"
    if origin.get("contact"):
        yield f"- contact: {markdown_text(origin['contact'])}"
    for file, digest in sorted(_mapping(card.provenance.get("sha256")).items()):
        yield f"- SHA-256 of {markdown_text(file)}: {markdown_text(digest)}"
    for group, digest in sorted(_mapping(card.provenance.get("manifests")).items()):
        yield f"- data of training, {markdown_text(group)}: {markdown_text(digest)}"


def _mapping(value: object) -> Mapping[str, object]:
    """Return a value of model.json, or nothing where it has another form."""
    return value if isinstance(value, Mapping) else {}


def _number(value: object, form: str) -> str:
    """Format a number of model.json; ``unknown`` where it is none."""
    return format(value, form) if isinstance(value, int | float) and not isinstance(value, bool) else "unknown"
