"""How reads become signal: assay, filters, shift and scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from ...store.errors import UsageError
from .read_filter import ReadFilter
from .scale import ScaleKind

Assay = Literal["DNase-seq", "ATAC-seq"]
ASSAYS: tuple[Assay, ...] = get_args(Assay)
SHIFTS: Mapping[Assay, tuple[int, int]] = {"DNase-seq": (0, 0), "ATAC-seq": (4, -5)}
"""Bases added to 5' ends on the forward and the reverse strand, to the middle of what the enzyme holds."""
IGNORED = ("chrX", "chrM", "X", "MT", "M", "chrMT")
"""Chromosomes that do not count for the scale, as in FactorNet's recipe (chrX, chrM), by all their names."""
_FARTHEST = 1_000_000


@dataclass(frozen=True)
class SignalOptions:
    """How reads become signal; the defaults are FactorNet's recipe.

    Attributes:
        assay: decides the shift of alignments; None if not known.
        rules: which alignments count.
        shift: bases added to 5' ends on the forward and the reverse strand; None: by assay for alignments, none for
            fragments, which are shifted already.
        scale: of the counts.
        read_length: bases, for the scale; None: the median of the reads that count, which fragments do not have.
        genome_size: effective, for the scale; None: by assembly.
        ignore: chromosomes that do not count for the scale.
    """

    assay: Assay | None = None
    rules: ReadFilter = field(default_factory=ReadFilter)
    shift: tuple[int, int] | None = None
    scale: ScaleKind = "1x"
    read_length: int | None = None
    genome_size: int | None = None
    ignore: tuple[str, ...] = IGNORED

    def __post_init__(self) -> None:
        if self.shift is not None and max(map(abs, self.shift)) > _FARTHEST:
            raise UsageError(f"shifts must be at most {_FARTHEST:,} bases, got {self.shift[0]:,} and {self.shift[1]:,}")

    def shift_of(self, *, fragments: bool) -> tuple[int, int]:
        """Return the shift of the 5' ends of alignments, or of the ends of fragments.

        Raises:
            UsageError: neither shift nor assay is known.
        """
        if self.shift is not None:
            return self.shift
        if fragments:
            return (0, 0)
        if self.assay is None:
            raise UsageError(
                f"the assay of the reads is not known; it is one of {', '.join(ASSAYS)}, and decides the shift"
            )
        return SHIFTS[self.assay]

    def describe(self) -> dict[str, Any]:
        """Return the options as recorded in the provenance; the assay is an attribute of each track."""
        return {
            **self.rules.describe(),
            "shift": None if self.shift is None else list(self.shift),
            "scale": self.scale,
            "read_length": self.read_length,
            "genome_size": self.genome_size,
            "ignore": list(self.ignore),
        }

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> SignalOptions:
        """Return the options that `describe` recorded; the defaults for those that the record lacks."""
        rules = {f.name: record[f.name] for f in fields(ReadFilter) if f.name in record}
        own = {f.name: record[f.name] for f in fields(cls) if f.name in record}
        for values in (rules, own):
            values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**own, rules=ReadFilter(**rules))


def default_track(assay: Assay | None) -> str:
    """Return the name of a track of cuts where none is given: FactorNet's DGF, or ATAC."""
    return "ATAC" if assay == "ATAC-seq" else "DGF"


def parse_assay(text: str) -> Assay | None:
    """Return the assay that a name means, such as ``atac`` or ``ATAC-seq``; None for another one."""
    for assay in ASSAYS:
        if text.lower() in (assay.lower(), assay.lower().removesuffix("-seq")):
            return assay
    return None
