"""Take names of files apart: into the words that say what a file is, and the one that may be a factor or a track."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .names import safe_name

_SUFFIX = re.compile(
    r"\.(gz|bgz|bed|tsv|txt|xls|(narrow|broad|gapped|region)peak|bw|bigwig|bam|cram|sam|fragments)$", re.IGNORECASE
)
_WORDS = """
    chip chipseq chip-seq tf dnase dnaseseq dnase-seq atac atacseq atac-seq seq dgf faire
    peak peaks narrowpeak broadpeak idr optimal conservative relaxed thresholded pseudoreplicated pseudorep pseudoreps
    overlap replicated stable train test hg18 hg19 hg38 grch37 grch38 mm9 mm10 mm39 t2t human mouse
    pooled pool merged macs macs2 macs3 spp homer summits summit bed
    sorted sort filtered filt final nodup dedup rmdup blacklisted signal coverage cov cuts fragments
    fc foldchange fold change over control pval pvalue p-value raw counts rpgc 1x cpm normalized norm
    fwd forward plus rev reverse minus
"""
_KNOWN = frozenset(_WORDS.split())
_NUMBERED = re.compile(
    r"(rep|br|tr|r|replicate)?\d+([-_]\d+)?|[qp]\d[\de.-]*|enc(ff|sr|bs)\d{3}[a-z]{3}|(gs[em]|sr[rx]|drr|err)\d+", re.I
)
_UNITS = {
    **dict.fromkeys(("fc", "foldchange"), "fold-change"),
    **dict.fromkeys(("pval", "pvalue", "p-value"), "p-value"),
    **dict.fromkeys(("1x", "rpgc"), "1x"),
    **dict.fromkeys(("counts", "raw"), "counts"),
    "cpm": "CPM",
}
_STRANDS = {"fwd": "_fwd", "forward": "_fwd", "plus": "_fwd", "rev": "_rev", "reverse": "_rev", "minus": "_rev"}
_CONTROLS = frozenset(("input", "igg", "wce", "mock"))
"""Words of a control experiment of ChIP-seq, where they are the only ones that could be a factor."""
_STRICTNESS = {"conservative": 0, "optimal": 2, "pseudoreplicated": 3, "pseudorep": 3, "pseudoreps": 3, "relaxed": 3}


@dataclass(frozen=True)
class NameWords:
    """The words of the name of a file.

    Attributes:
        stem: the name without cell line and suffixes, safe as that of a track.
        words: words that have a meaning, in lower case.
        others: words that have none, numbers and accessions left out: a factor, if there is one.
    """

    stem: str
    words: frozenset[str]
    others: tuple[str, ...]

    def has(self, *parts: str) -> bool:
        """Return whether a word begins with one of these."""
        return any(word.startswith(parts) for word in self.words)

    @property
    def track(self) -> str:
        """Name of the track of a signal file, empty where no word is one; with its strand."""
        known = {"dgf": "DGF", "dnase": "DNase", "atac": "ATAC"}
        name = next((track for word, track in known.items() if self.has(word)), safe_name("_".join(self.others)))
        return name + self.strand if name else ""

    @property
    def strand(self) -> str:
        """End of the name of a track of one strand: ``_fwd``, ``_rev``, or empty."""
        return next((end for word, end in _STRANDS.items() if word in self.words), "")

    @property
    def assay(self) -> str:
        """Assay of a signal file, empty where the name does not tell."""
        return "ATAC-seq" if self.has("atac") else "DNase-seq" if self.has("dnase", "dgf") else ""

    @property
    def units(self) -> str:
        """Units of a bigWig, empty where the name does not tell."""
        found = {unit for word, unit in _UNITS.items() if word in self.words}
        if {"fold", "change"} <= self.words:
            found.add("fold-change")
        return found.pop() if len(found) == 1 else ""

    @property
    def is_control(self) -> bool:
        """Whether the only words that could be a factor, or a track, are those of a control."""
        return bool(self.others) and {word.lower() for word in self.others} <= _CONTROLS

    @property
    def strictness(self) -> int:
        """Rank of a set of peaks, 0 the strictest: conservative, no word, optimal, relaxed."""
        return min((rank for word, rank in _STRICTNESS.items() if word in self.words), default=1)


def split_name(name: str, cell: str) -> NameWords:
    """Take the name of a file in the folder of a cell line apart."""
    stem = name
    while match := _SUFFIX.search(stem):
        stem = stem[: match.start()]
    suffix_words = {word.lower() for word in name[len(stem) :].split(".") if word}
    stem = re.sub(rf"(?<![A-Za-z0-9]){re.escape(cell)}(?![A-Za-z0-9])", ".", stem, flags=re.IGNORECASE)
    words, others = {*suffix_words} & _KNOWN, list[str]()
    for word in filter(None, re.split(r"[._\s()+]+", stem)):
        # A hyphen is part of names such as NKX2-5, unless one of the sides has a meaning of its own.
        parts = word.split("-")
        apart = not _has_meaning(word) and any(map(_has_meaning, parts))
        for part in filter(None, parts if apart and not re.fullmatch(r".*\d-\d+", word) else [word]):
            if _has_meaning(part):
                words.add(part.lower())
            else:
                others.append(part)
    return NameWords(re.sub(r"\.\.+", ".", safe_name(stem)).strip(".-"), frozenset(words), tuple(dict.fromkeys(others)))


def _has_meaning(word: str) -> bool:
    return word.lower() in _KNOWN or _NUMBERED.fullmatch(word) is not None
