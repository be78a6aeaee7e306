"""Figures of the annotation of a genome: bases of each feature, and warnings where they are unlike a gene set's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...store.annotation_rules import README_RULES, AnnotationRules, recorded_rules
from ...store.schema import FEATURES
from ..inputs.chrom_aliases import abbreviate
from .features import Annotation

_SHARES = {
    "cpg": (0.0002, 0.10),
    "cds": (0.001, 0.40),
    "intron": (0.03, 0.85),
    "promoter": (0.0005, 0.25),
    "utr5": (0.0002, 0.10),
    "utr3": (0.0005, 0.20),
}
"""Smallest and largest share of a genome, promoters by the README's rules (docs/decisions.md)."""
_SMALLEST = 40_000_000
"""Bases of a genome of which shares are judged: parts of a genome, and simulated ones, may be anything."""


def describe_annotation(
    annotation: Annotation, bases: Mapping[str, int], size: int, *, bare: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the record of an annotation for the summary of the store.

    Args:
        annotation: what was stored.
        bases: number of bases of each feature.
        size: of the genome in bases.
        bare: chromosomes without an annotated base; a name may occur several times.
    """
    rules = annotation.rules
    names = abbreviate(dict.fromkeys(bare))
    notes = [f"not one base of {names} is annotated"] if names else []
    return {
        "rules": None if rules is None else rules.to_json(),
        "bases": {name: bases[name] for name in FEATURES},
        "notes": [*annotation.notes, *notes, *_share_warnings(bases, size, rules or README_RULES)],
    }


def _share_warnings(bases: Mapping[str, int], size: int, rules: AnnotationRules) -> list[str]:
    warnings = []
    if empty := [name for name in FEATURES if not bases[name]]:
        warnings.append(f"warning: no base of the genome is {', '.join(empty)}: does the file have its lines?")
    for name in FEATURES:
        wider = rules.promoter_width / README_RULES.promoter_width if name == "promoter" else 1.0
        low, high = (min(1.0, share * wider) for share in _SHARES[name])
        if bases[name] and size >= _SMALLEST and not low <= bases[name] / size <= high:
            warnings.append(
                f"warning: {bases[name] / size:.3%} of the genome are {name}, of genomes with a whole gene set "
                f"{low:.2%} to {high:.0%}: is the file complete, and of this genome?"
            )
    return warnings


def annotation_notes(record: Mapping[str, Any] | None, size: int) -> list[str]:
    """Return the lines on an annotation in the summary of a build, from the record of `describe_annotation`."""
    if record is None:
        return ["no annotation given: the genome has none"]
    rules = recorded_rules(record) or "not known"
    shares = ", ".join(f"{name} {n:,} ({n / size:.3%})" for name, n in record["bases"].items())
    lines = [f"bases (share of the genome): {shares}", f"rules: {rules}", *record["notes"]]
    return [f"annotation: {line}" for line in lines]
