"""Compare the annotation of a store with that on which a network was trained: the rules by which it was derived.

A network that takes annotation (``gencode``) records the rules in model.json; they are JSON, as in a store's summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...store.annotation_rules import AnnotationRules, recorded_rules, rules_of_store
from ...store.errors import InputError, StoreError
from ...store.format.manifest import NOT_FACTORNET
from ...store.reader import Store

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


def store_rules(store: Store) -> AnnotationRules | None:
    """Return the annotation rules that a store records; None where they are not known.

    Raises:
        StoreError: the record has another form.
    """
    try:
        return rules_of_store(store.info)
    except _MALFORMED as e:
        raise StoreError(store.location, "the annotation rules have another form", hint=NOT_FACTORNET) from e


def model_rules(provenance: Mapping[str, Any], *, location: str) -> AnnotationRules | None:
    """Return the annotation rules that model.json records; None where it records none.

    Args:
        provenance: of a `ModelCard`.
        location: of the model, for messages.

    Raises:
        InputError: they have another form.
    """
    try:
        return recorded_rules(provenance.get("annotation") or {})
    except _MALFORMED as e:
        problem = "the annotation rules in its model.json have another form"
        raise InputError(location, problem, hint=NOT_FACTORNET) from e


def annotation_record(rules: AnnotationRules | None) -> dict[str, Any]:
    """Return the provenance of a network that takes annotation made by the rules."""
    return {"annotation": {"rules": None if rules is None else rules.to_json()}}
