"""Source files of a genome, and the options of its build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...store.annotation_rules import README_RULES, AnnotationRules
from ...store.errors import UsageError
from ...store.files.limited_read import check_is_file
from ...store.format.layout import DEFAULT_LAYOUT, Layout
from ...store.schema import FEATURES
from ..uniqueness.compute import UniquenessOptions


@dataclass(frozen=True)
class GenomeInputs:
    """Source files of a genome.

    Attributes:
        fasta: sequence, plain or gzipped.
        gtf: transcripts (GENCODE, Ensembl, RefSeq, UCSC), together with `cpg`; or None.
        cpg: CpG islands, UCSC table, table with a header, or BED; or None.
        beds: instead of both, feature -> BED, one for each of `FEATURES`.
        blacklist: BED of excluded regions, or None.
        tracks: name -> bigWig that all cell lines share.

    Raises:
        UsageError: annotation files are missing, or of both kinds.
        InputError: a file does not exist.
    """

    fasta: Path
    gtf: Path | None = None
    cpg: Path | None = None
    beds: Mapping[str, Path] = field(default_factory=dict)
    blacklist: Path | None = None
    tracks: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.gtf is None) != (self.cpg is None):
            raise UsageError("annotation needs both a GTF and CpG islands, or six BED files")
        if self.beds and (self.gtf is not None or set(self.beds) != set(FEATURES)):
            raise UsageError(f"annotation from BED files needs exactly one each of {', '.join(FEATURES)}, and no GTF")
        for path in self.files:
            check_is_file(path)

    @property
    def files(self) -> tuple[Path, ...]:
        """Return all input files."""
        named = [self.fasta, self.gtf, self.cpg, *self.beds.values(), self.blacklist, *self.tracks.values()]
        return tuple(p for p in named if p is not None)


@dataclass(frozen=True)
class GenomeOptions:
    """How to read the source files of a genome.

    Attributes:
        assembly: name; if None, recognised by chromosome lengths, else taken from the FASTA's file name.
        chroms: store names of the chromosomes to include; FactorNet's (chr1..22, X) if empty.
        aliases: name in the files -> name in the store, of chromosomes.
        rules: how transcripts become features, or how BED files of features were made. None: those of the README for
            transcripts; for BED files those that their promoters show.
        allow_missing: take the signal of chromosomes that a track lacks as 0.
        layout: chunks and shards.
        uniqueness: how to compute a shared track of uniqueness from the FASTA; None for no such track.
    """

    assembly: str | None = None
    chroms: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    rules: AnnotationRules | None = None
    allow_missing: bool = False
    layout: Layout = DEFAULT_LAYOUT
    uniqueness: UniquenessOptions | None = None

    def describe(self) -> dict[str, Any]:
        """Return the options as recorded in the provenance."""
        rules = self.rules or README_RULES
        computed = {"uniqueness": self.uniqueness.describe()} if self.uniqueness else {}
        return {
            "chroms": list(self.chroms),
            "aliases": dict(self.aliases),
            "promoter": [rules.upstream, rules.downstream],
            "untranslated": rules.untranslated,
            "allow_missing_chroms": self.allow_missing,
            **computed,
        }
