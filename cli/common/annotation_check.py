"""Compare the annotation rules of a store with those of a model before a command computes anything."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.annotation_rules import AnnotationRules
from ...store.errors import UsageError
from ...store.reader import Store
from .output import print_warning

if TYPE_CHECKING:
    from ...model.model_dir.card import ModelCard

_IGNORE = "--ignore-annotation-rules"


def add_ignore_annotation_rules(group: argparse._ActionsContainer) -> None:
    """Add ``--ignore-annotation-rules``."""
    group.add_argument(
        _IGNORE,
        action="store_true",
        help="only warn where the store's annotation follows other rules than that of the model's training",
    )


def check_annotation_rules(
    card: ModelCard, options: argparse.Namespace, store: Store, *, model: Path | None = None, shown: bool = True
) -> None:
    """Check that a model which takes annotation was trained on annotation of the store's rules.

    Args:
        card: of the model.
        options: with ``ignore_annotation_rules``.
        store: whose annotation is used.
        model: folder of the model, for messages; by default ``--model``.
        shown: whether to warn where the store or the model does not record its rules, or they are ignored.

    Raises:
        InputError: the rules that the model records have another form.
        UsageError: the rules differ, and not ``--ignore-annotation-rules``.
    """
    from ...model.data.annotation import model_rules, store_rules

    model = model or options.model
    if not card.config.uses_annotation or not store.has_annotation:
        return
    trained, found = model_rules(card.provenance, location=str(model)), store_rules(store)
    if trained is None or found is None:
        where, other = (model, "store") if trained is None else (store.location, "model")
        warning = f"{where} records no annotation rules: they cannot be compared with those of the {other}"
    elif trained != found:
        warning = f"the annotation of {store.location} follows the rules {found}, {model} was trained with {trained}"
        if not options.ignore_annotation_rules:
            cure = f"build a store with `factornet-etl genome STORE {_options(trained)} ...`, or go on with {_IGNORE}"
            raise UsageError(f"{warning}; {cure}")
    else:
        return
    if shown:
        print_warning(warning)


def _options(rules: AnnotationRules) -> str:
    """Return the options of ``factornet-etl genome`` by which annotation follows the rules."""
    options = f"--annotation-rules {'published' if rules.untranslated == 'ucsc' else 'readme'}"
    if rules.name == "other":
        options += f" --promoter-upstream {rules.upstream} --promoter-downstream {rules.downstream}"
    return options
