"""Rules by which transcripts become features, as stores and models record them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .attribute_checks import check_type
from .schema import StoreInfo


@dataclass(frozen=True)
class AnnotationRules:
    """Rules by which transcripts become features.

    Attributes:
        upstream: bases of a promoter before the TSS.
        downstream: bases of a promoter after the TSS (the TSS itself comes on top).
        untranslated: ``coding`` takes UTRs from coding transcripts only; ``ucsc`` also counts the exons of non-coding
            transcripts, as 3' UTR on + and 5' UTR on -, as the UCSC tables do.
    """

    upstream: int = 300
    downstream: int = 100
    untranslated: Literal["coding", "ucsc"] = "coding"

    @property
    def name(self) -> str:
        """``readme``, ``published``, or ``other``."""
        return {README_RULES: "readme", published_rules(): "published"}.get(self, "other")

    @property
    def promoter_width(self) -> int:
        """Bases of a promoter."""
        return self.upstream + self.downstream + 1

    def __str__(self) -> str:
        exons = (
            "UTRs of coding transcripts" if self.untranslated == "coding" else "exons of non-coding transcripts as UTRs"
        )
        return f"{self.name} (promoters of {self.upstream}/{self.downstream} bases, {exons})"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with the name for readers."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> AnnotationRules:
        """Return what `to_json` returned.

        Raises:
            KeyError, TypeError, AttributeError: a value is missing or of another type.
        """
        numbers = {key: content[key] for key in ("upstream", "downstream")}
        for value in numbers.values():
            check_type(value, int)
        if content["untranslated"] not in ("coding", "ucsc"):
            raise TypeError(f"{content['untranslated']!r} is no rule for UTRs")
        return cls(**numbers, untranslated=content["untranslated"])


README_RULES = AnnotationRules()
"""FactorNet's README: promoters of 300 and 100 bases, UTRs of coding transcripts."""


def published_rules() -> AnnotationRules:
    """Return the rules that reproduce the BED files with which FactorNet's published models were trained."""
    return AnnotationRules(upstream=500, downstream=100, untranslated="ucsc")


def recorded_rules(record: Mapping[str, Any]) -> AnnotationRules | None:
    """Return the rules in the annotation record of a store's summary or of a model; None where it has none.

    Raises:
        KeyError, TypeError, AttributeError: the record has another form.
    """
    rules = record.get("rules")
    return None if rules is None else AnnotationRules.from_json(rules)


def rules_of_store(info: StoreInfo) -> AnnotationRules | None:
    """Return the annotation rules of a store; None where they are not known.

    Stores of earlier versions have no record, but the options of their build, which held where it read a GTF: then
    FASTA, GTF, CpG islands and perhaps a blacklist were its inputs besides tracks, not the six BED files of features.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the record, or the options, have another form.
    """
    if "annotation" in info.summary:
        return recorded_rules(info.summary["annotation"])
    options = info.provenance.get("options", {})
    n_files = len(info.provenance.get("inputs", ())) - len(info.shared)
    if n_files not in (3, 4) or not {"promoter", "untranslated"} <= options.keys():
        return None
    upstream, downstream = options["promoter"]
    return AnnotationRules.from_json({**options, "upstream": upstream, "downstream": downstream})
