"""Say which files of a cart may be used, as what, and why the others may not: the rules for one file by itself."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from ...store.errors import UsageError
from ..folders.names import safe_name
from .metadata import EncodeFile

SignalChoice = Literal["any", "bigwig", "reads"]
"""Which files give tracks; any: bigWigs of a cell line that has some, else reads."""
Kind = Literal["bigwig", "reads", "peaks"]

TRACKS = {"DNase-seq": "DNase", "ATAC-seq": "ATAC"}
"""Assay -> name of its track."""
SINGLE_CELL = ("snATAC-seq", "scATAC-seq", "single-nucleus ATAC-seq", "single-cell ATAC-seq")
UNITS = {
    "read-depth normalized signal": "read-depth-normalized",
    "fold change over control": "fold-change",
    "signal p-value": "p-value",
    "percentage normalized signal": "percentage-normalized",
    "base overlap signal": "base-overlap",
    "raw signal": "counts",
    "signal": "",
}
"""Output types of bigWigs that are tracks, the preferred first -> units, as bigwig.txt names them."""
CONSERVATIVE = (
    "conservative IDR thresholded peaks",
    "IDR thresholded peaks",
    "optimal IDR thresholded peaks",
    "pseudoreplicated IDR thresholded peaks",
    "replicated peaks",
    "peaks",
)
"""Output types of conservative peaks, the strictest and preferred first."""
RELAXED = (
    "pseudoreplicated IDR thresholded peaks",
    "optimal IDR thresholded peaks",
    "IDR thresholded peaks",
    "peaks",
)
"""Output types of relaxed peaks, the preferred first. Each may only stand beside a stricter one."""
_CHIP = ("TF ChIP-seq", "ChIP-seq")
_HISTONE = re.compile(r"H(2A|2B|3|4)([A-Z]|$)")
_TAG = re.compile(r"(eGFP|GFP|3xFLAG|FLAG|HA|V5|Myc|AVI|TY1)-(?=.)")
_ASSEMBLIES = {"hg38": "GRCh38", "grch38": "GRCh38", "hg19": "hg19", "grch37": "hg19"}


@dataclass(frozen=True)
class CartOptions:
    """What is taken from a cart.

    Attributes:
        assembly: genome assembly, by the name that ENCODE or UCSC gives it; empty: the only one of the table.
        signal: which files give tracks.
        variants: also take treated and genetically modified biosamples, each as a cell line of its own.
        tagged: also take biosamples that differ from the plain one only in a tag at the target of the experiment, as
            the plain one, for factors that have no experiment without it.
        pool_donors: take tissues and primary cells of several donors as one cell line.
        archived: also take archived files, where there is no released one of the kind.
        audit_errors: also take files of experiments with an audit ERROR.
        excluded: accessions of files and experiments that are left out.
    """

    assembly: str = ""
    signal: SignalChoice = "any"
    variants: bool = False
    tagged: bool = False
    pool_donors: bool = False
    archived: bool = False
    audit_errors: bool = False
    excluded: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Candidate:
    """A file that may be used.

    Attributes:
        file: of the table.
        kind: what it holds.
        name: of the track, or the factor.
        tagged: whether it counts as of the plain biosample, from which a tag at the factor sets it apart.
    """

    file: EncodeFile
    kind: Kind
    name: str
    tagged: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why a file is left out: a reason, under which files are counted, and what is particular to this one."""

    reason: str
    detail: str = ""


def choose_assembly(files: Collection[EncodeFile], wanted: str) -> str:
    """Return the assembly to take, by ENCODE's name of it.

    Raises:
        UsageError: the table has several and none is wanted, or not the one that is.
    """
    found = sorted({f.assembly for f in files if f.assembly})
    chosen = _ASSEMBLIES.get(wanted.casefold(), wanted)
    if chosen in found:
        return chosen
    has = ", ".join(found) or "none"
    if wanted:
        raise UsageError(f"no file of assembly {wanted!r}; the table has {has}")
    if len(found) != 1:
        raise UsageError(f"the table has files of {len(found)} assemblies ({has}); choose one")
    return found[0]


def judge(file: EncodeFile, assembly: str, options: CartOptions, listed: frozenset[str]) -> Candidate | Refusal:
    """Return what a file may be used as, or the first reason why it may not.

    Args:
        file: of the table.
        assembly: ENCODE's name of the one that is taken.
        options: what is taken.
        listed: addresses of files.txt; empty where all files of the table are meant.
    """
    excluded = {file.accession, file.experiment} & options.excluded
    statuses = ("released", "archived") if options.archived else ("released",)
    modified = options.variants or (options.tagged and is_tagged(file))
    rules = (
        (bool(excluded), "excluded by name", ", ".join(sorted(excluded))),
        (bool(listed) and not listed & {*file.urls}, "not in files.txt", ""),
        (bool(file.assembly) and file.assembly != assembly, "another assembly", file.assembly),
        (file.status not in statuses, file.status or "no status", ""),
        (bool(file.audit_error) and not options.audit_errors, "audit ERROR", file.audit_error),
        (bool(file.treatments) and not options.variants, "treated biosample", file.treatments),
        (bool(file.modifications) and not modified, "genetically modified biosample", file.modifications),
        (not file.biosample, "no biosample", ""),
    )
    refusals = (Refusal(reason, detail) for applies, reason, detail in rules if applies)
    return next(refusals, None) or _use(file, options)


def _use(file: EncodeFile, options: CartOptions) -> Candidate | Refusal:
    """Return what a file may be used as by its assay, format and output type."""
    is_chip = file.assay in _CHIP or "Control" in file.assay
    kind = _peaks(file) if is_chip else _signal(file)
    if isinstance(kind, Refusal):
        return kind
    missing = {"no assembly": file.assembly, "no MD5 to verify it by": file.md5, "no address": file.urls}
    for reason, value in missing.items():
        if not value:
            return Refusal(reason)
    if kind != "peaks" and options.signal not in ("any", kind):
        return Refusal("signal of the other kind", f"{options.signal} was chosen")
    if kind != "peaks":
        return Candidate(file, kind, TRACKS.get(file.assay, TRACKS["ATAC-seq"]))
    tagged = options.tagged and is_tagged(file)
    return Candidate(file, kind, _TAG.sub("", file.target) if tagged else file.target, tagged)


def is_tagged(file: EncodeFile) -> bool:
    """Return whether the only modification of the biosample is a tag inserted at the target of the experiment."""
    return file.modification_categories == ("insertion",) and _TAG.match(file.target) is not None


def _peaks(file: EncodeFile) -> Kind | Refusal:
    """Return whether a file of a ChIP-seq experiment has peaks of a factor."""
    form = file.format.split()
    if "Control" in file.assay or file.target in ("", "Control", "Input"):
        return Refusal("control", file.assay)
    if not safe_name(file.target):
        return Refusal("target without a letter", file.target)
    if _HISTONE.match(file.target):
        return Refusal("histone mark", file.target)
    if file.output_type not in CONSERVATIVE:
        return Refusal("another output type", file.output_type)
    if form[:1] == ["bed"] and "narrowPeak" in (*form, file.format_type):
        return "peaks"
    return Refusal("another file format", " ".join(filter(None, (*form, file.format_type))))


def _signal(file: EncodeFile) -> Kind | Refusal:
    """Return whether a file of another experiment has accessibility, as a bigWig or as reads."""
    if file.assay not in TRACKS and (file.assay not in SINGLE_CELL or file.output_type != "fragments"):
        return Refusal("another assay", file.assay)
    types = {"bigWig": tuple(UNITS), "bam": ("alignments",), "tsv": ("fragments",)}.get(file.format)
    if types is None:
        return Refusal("another file format", " ".join(filter(None, (file.format, file.format_type))))
    if file.output_type not in types:
        return Refusal("another output type", file.output_type)
    return "bigwig" if file.format == "bigWig" else "reads"
