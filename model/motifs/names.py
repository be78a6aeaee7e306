"""Find the motifs of a factor by their names, as JASPAR, HOCOMOCO, CIS-BP and others form them.

A name stands for a factor if it begins with it, ends there or goes on with a separator: ``CTCF_f2``,
``CTCF_HUMAN.H11MO.0.A``, ``CTCF.H13CORE.0.P.B``, but not ``CTCFL_f1``. An accession before the factor is skipped:
``MA0139.2.CTCF``, ``M02387_2.00 (CTCF)_(Homo_sapiens)_(DBD_1.00)``. Motifs of dimers (``MAX::MYC``) and of groups of
similar motifs (``AC0001:GATA/PROP:GATA``) stand for each part of their names, where a factor has no motif of its own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...store.errors import UsageError
from .pwm import Motif

RULE = "exact name, human, quality A to D, JASPAR's CORE, lowest index, newest version"
"""Order in which the best of several motifs is chosen."""

_SEPARATOR = r"[_.(|;/,\s!]"
_ACCESSION = re.compile(r"(?:[A-Z]{1,3}\d{3,6}[._]\d+[\s._;:|/-]+|[A-Z]\$)(?=.)")
_ACCESSION_BEHIND = re.compile(r"[\s._;:|/-]+[A-Z]{2}\d{4}\.\d+$")
_DIMER = re.compile(r"::?|\+")
_HOCOMOCO = re.compile(
    r"_(?P<organism>HUMAN|MOUSE)\.H(?P<release>\d+)[A-Z]+(?:\.(?P<index>\d+))?\.(?P<quality>[A-DS])$"
    r"|\.H(?P<release2>\d+)[A-Z]+\.(?P<index2>\d+)\.[A-Z]+\.(?P<quality2>[A-D])$"
)
_HOCOMOCO_9 = re.compile(r"_(?:f(?P<index>\d+)|(?P<kind>si|do))$")
_JASPAR = re.compile(r"(?:^|[._;:|/ -])(?P<collection>MA|UN|BP|P[BFHL]|C[NM]|PC)(?P<index>\d{4,6})\.(?P<version>\d+)")
_CISBP = re.compile(r"^M\d+_(?P<version>\d+\.\d+)")
_SPECIES = re.compile(r"_(?:HUMAN|MOUSE)\b|\([A-Z][a-z]+_[a-z]+\)")
_HUMAN = ("_HUMAN", "(Homo_sapiens)")
_SIMILARITY = re.compile(r"\(DBD_(?P<similarity>[01]\.\d+)\)")

_UNIPROT_NAMES = {
    "AR": "ANDR", "ARID3A": "ARI3A", "BHLHE40": "BHE40", "EBF1": "COE1", "ESRRA": "ERR1", "MYBL2": "MYBB",
    "NFE2L2": "NF2L2", "NR2F1": "COT1", "NR2F2": "COT2", "NR3C1": "GCR", "NR3C2": "MCR", "PGR": "PRGR",
    "POU2F1": "PO2F1", "POU2F2": "PO2F2", "POU5F1": "PO5F1", "RBPJ": "SUH", "RELA": "TF65", "SREBF1": "SRBP1",
    "SREBF2": "SRBP2", "STAT5A": "STA5A", "STAT5B": "STA5B", "TCF12": "HTF4", "TCF3": "TFE2", "TCF4": "ITF2",
    "TCF7L2": "TF7L2", "TFAP2A": "AP2A", "TFAP2C": "AP2C", "TP53": "P53", "TP63": "P63", "TP73": "P73", "YY1": "TYY1",
    "ZBTB33": "KAISO", "ZBTB7A": "ZBT7A", "ZNF143": "ZN143", "ZNF263": "ZN263", "ZNF274": "ZN274",
}  # fmt: skip
"""Gene -> UniProt's entry name, by which HOCOMOCO names motifs: factors with ENCODE ChIP-seq where they differ."""


@dataclass(frozen=True)
class FactorMotifs:
    """Motifs of a factor.

    Attributes:
        factor: name that was looked for.
        motifs: those that stand for it, the best first.
        shared: whether they are of several factors, the dimers or groups that it is part of.
        alias: UniProt's name of the factor, if they were found by that; else empty.
    """

    factor: str
    motifs: tuple[Motif, ...]
    shared: bool = False
    alias: str = ""

    @property
    def best(self) -> Motif:
        """Return the motif to use."""
        return self.motifs[0]

    def describe(self) -> str:
        """Return a line on the choice; empty where the factor has one motif under its own name."""
        if len(self.motifs) == 1 and not self.shared and not self.alias:
            return ""
        what = f"{self.factor} ({self.alias} in UniProt)" if self.alias else self.factor
        names = ", ".join(map(_full_name, self.motifs))
        found = (
            f"motifs of {what}: {names}"
            if not self.shared
            else f"{what} has no motif of its own; it is part of: {names}"
        )
        return f"{found}; {self.best.name} is used" + (f" (by {RULE})" if len(self.motifs) > 1 else "")


def _full_name(motif: Motif) -> str:
    """Return a motif's name, and the alternate one unless it says nothing new."""
    return motif.name if not motif.alternate or motif.alternate in motif.name else f"{motif.name} {motif.alternate}"


def find_motif(motifs: Mapping[str, Motif], factor: str) -> Motif:
    """Return the best motif of a factor, as `find_motifs` does."""
    return find_motifs(motifs, factor).best


def find_motifs(motifs: Mapping[str, Motif], factor: str) -> FactorMotifs:
    """Return the motifs that stand for a factor, or have this name, ordered by `RULE`. Case does not matter.

    Raises:
        UsageError: there is none; the message lists close names.
    """
    ranked = [(_level(m, factor), *_rank(m), i, m) for i, m in enumerate(motifs.values())]
    found = sorted(r for r in ranked if r[0] <= _OWN) or sorted(r for r in ranked if r[0] == _PART)
    if found:
        exact = found[0][0] == _EXACT
        kept = found[:1] if exact else found
        return FactorMotifs(factor, tuple(r[-1] for r in kept), shared=found[0][0] == _PART)
    alias = _UNIPROT_NAMES.get(factor.upper(), "")
    if alias and any(_level(m, alias) <= _OWN for m in motifs.values()):
        return FactorMotifs(factor, find_motifs(motifs, alias).motifs, alias=alias)
    raise UsageError(f"no motif for {factor} among {len(motifs)}; close names: {_close_names(motifs, factor)}")


_EXACT, _ALTERNATE, _OWN, _PART, _NO_MATCH = range(5)


def _level(motif: Motif, factor: str) -> int:
    """Return how well a motif's names match a factor's, best first."""
    wanted = factor.upper()
    if motif.name.upper() == wanted:
        return _EXACT
    labels = [*_labels(motif)]
    partners = sorted(_DIMER.split(wanted))
    dimers = [parts for label in labels if len(parts := _dimer_parts(label)) > 1]
    if wanted in labels or any(sorted(parts) == partners for parts in dimers):
        return _ALTERNATE
    if any(re.match(rf"{re.escape(wanted)}{_SEPARATOR}", label) for label in labels):
        return _OWN
    return _PART if any(wanted in parts for parts in dimers) else _NO_MATCH


def _dimer_parts(label: str) -> list[str]:
    """Return the factors of a dimer, ``MAX::MYC`` or ``GABP1+GABP2_f1``; of other names, their first part."""
    return [part for part in _DIMER.split(re.split(_SEPARATOR, label, maxsplit=1)[0]) if part]


def _labels(motif: Motif) -> Iterator[str]:
    """Yield what a motif's names consist of, in upper case: with and without an accession or parentheses."""
    for text in filter(None, (motif.name.upper(), motif.alternate.upper())):
        yield text
        if found := _ACCESSION.match(text):
            yield text[found.end() :]
        if found := _ACCESSION_BEHIND.search(text):
            yield text[: found.start()]
        if text.startswith("("):  # CIS-BP: (CTCF)_(Homo_sapiens)_(DBD_1.00)
            yield text[1:].partition(")")[0]


def _rank(motif: Motif) -> tuple[int, int, float, int, float]:
    """Return organism, quality, dissimilarity, index and negative version of a motif's names; the lowest is best."""
    name, both = motif.name.upper(), f"{motif.name} {motif.alternate}"
    species = _SPECIES.search(both)
    organism = int(species is not None and species[0] not in _HUMAN)
    similarity = _SIMILARITY.search(both)
    dissimilarity = 1 - float(similarity["similarity"]) if similarity else 0.0
    quality, index, version = len("ABCDS"), 0, 0.0
    if found := _HOCOMOCO.search(name):
        values = {key: value for key, value in found.groupdict().items() if value}
        quality = "ABCDS".index(values.get("quality") or values["quality2"])
        index = int(values.get("index") or values.get("index2") or 0)
        version = float(values.get("release") or values["release2"])
    elif found := _HOCOMOCO_9.search(motif.name):
        # Models of several sources are numbered; then come those of a single source and those with double boxes.
        index, version = int(found["index"]) if found["index"] else 100 + ("si", "do").index(found["kind"]), 9.0
    elif found := _JASPAR.search(name):
        quality += found["collection"] != "MA"  # UNVALIDATED and others come after CORE
        index, version = int(found["index"]), float(found["version"])
    elif found := _CISBP.search(name):
        version = float(found["version"])
    return organism, quality, dissimilarity, index, -version


def _close_names(motifs: Mapping[str, Motif], factor: str) -> str:
    known: dict[str, str] = {}
    for motif in motifs.values():
        for label in _labels(motif):
            shown = motif.alternate if label == motif.alternate.upper() else motif.name
            known.setdefault(label, shown)
            known.setdefault(re.split(_SEPARATOR, label, maxsplit=1)[0], shown)
    close = dict.fromkeys(known[key] for key in difflib.get_close_matches(factor.upper(), known, n=5))
    return ", ".join(close) or "none"
