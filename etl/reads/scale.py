"""Scale counts of cuts: FactorNet's 1x coverage (RPGC), counts per million, or none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, get_args

from ...store.errors import UsageError

ScaleKind = Literal["1x", "cpm", "none"]
SCALES: tuple[ScaleKind, ...] = get_args(ScaleKind)
UNITS = {"1x": "1x", "cpm": "CPM", "none": "counts"}
"""Units of a track by scale, as bigwig.txt names them."""


@dataclass(frozen=True)
class Scale:
    """A factor for counts of cuts, and what it was computed from.

    Attributes:
        kind: ``1x``, ``cpm`` or ``none``.
        factor: value = count times this.
        n_reads: reads that count: used, not in the blacklist, not on ignored chromosomes.
        read_length: median, bases; None where it does not matter.
        genome_size: effective, bases; None where it does not matter.
    """

    kind: ScaleKind
    factor: float
    n_reads: int
    read_length: int | None = None
    genome_size: int | None = None

    @property
    def units(self) -> str:
        """Units of the values."""
        return UNITS[self.kind]

    def describe(self) -> dict[str, Any]:
        """Return the scale as recorded in the provenance."""
        return {
            "scale": self.kind,
            "factor": self.factor,
            "scaled_reads": self.n_reads,
            "read_length": self.read_length,
            "effective_genome_size": self.genome_size,
        }


def compute_scale(
    kind: ScaleKind, *, n_reads: int, read_length: int | None = None, genome_size: int | None = None
) -> Scale:
    """Return the scale of cuts.

    ``1x`` is deepTools' RPGC: effective genome size / (reads x median length of a read). ``cpm``: 1,000,000 / reads.

    Raises:
        UsageError: no read counts, or the length of reads or the effective genome size is missing or out of range.
    """
    if kind == "none":
        return Scale(kind, 1.0, n_reads)
    if not n_reads:
        raise UsageError("no read is left to scale by: all are dropped, in the blacklist or on ignored chromosomes")
    if kind == "cpm":
        return Scale(kind, 1e6 / n_reads, n_reads)
    if not read_length or read_length < 1:
        raise UsageError(
            "the scale 1x needs the length of the reads, which the files do not have; give it, or scale cpm"
        )
    if not genome_size or genome_size < 1:
        raise UsageError("the scale 1x needs the effective genome size, which is not known for this genome; give it")
    # In deepTools' order of operations, so that the last bit is the same.
    factor = 1.0 / (float(n_reads * read_length) / genome_size)
    return Scale(kind, factor, n_reads, read_length, genome_size)


def effective_genome_size(assembly: str, read_length: int | None) -> int | None:
    """Return the effective size of an assembly, bases; None if resources/effective_genome_sizes.json lacks it.

    For hg19 it is the one of FactorNet's recipe. Else it is the number of distinct stretches of the listed length that
    is nearest to the reads' (reads of one place only), as deepTools' documentation has it.
    """
    table = json.loads((files("factornet") / "resources" / "effective_genome_sizes.json").read_text(encoding="utf-8"))
    for name, sizes in table["assemblies"].items():
        if assembly not in (name, *sizes.get("also", "").split("/")):
            continue
        by_length = {int(length): size for length, size in sizes.get("by_read_length", {}).items()}
        if "factornet" in sizes or not by_length or read_length is None:
            return int(sizes.get("factornet", sizes["called"]))
        return int(by_length[min(by_length, key=lambda length: abs(length - read_length))])
    return None
