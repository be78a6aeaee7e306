"""Choose, among the files that may be used, one experiment for each track and factor of each cell line, and its files.

The rule, from the first to the last that decides:

1. A cell line is a biosample term; treated and genetically modified ones, if they are taken, are cell lines of their
   own (unless a tag at the factor is all, and that is taken as the plain one), and so are the donors of a tissue or a
   primary cell, unless they are pooled.
2. Of the experiments of a factor (or of a track) in a cell line, one is taken: without a tag, with released files
   before archived ones, without an audit NOT_COMPLIANT, of the latest uniform analysis, with the strictest peaks, with
   relaxed ones, of the most replicates, released last, of the lowest accession.
3. Of the analyses of an experiment, one is taken: a released one before others, then the highest ENCODE version.
4. Conservative peaks are those of the first type in `CONSERVATIVE`, relaxed ones of the first in `RELAXED` that is less
   strict, of all the replicates of the conservative ones, and of the same analysis.
5. A track has one bigWig: of the output type that all cell lines have, the preferred one if there are several, of the
   most replicates. Or it has all alignments of the experiment, each replicate once.
6. What is still equal goes by accession, the lowest first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...store.errors import UsageError
from ...store.text import printable
from ..folders.names import READ_TRACKS, distinct_names, safe_name
from .eligible import CONSERVATIVE, RELAXED, SINGLE_CELL, UNITS, Candidate, CartOptions, Refusal, choose_assembly, judge
from .metadata import EncodeFile

_POOLED_TYPES = ("", "cell line")
"""Types of biosamples whose donors are one: a cell line has one, whatever the table says."""
_MAX_NAME = 200  # characters of a folder's name
_Score = tuple[object, ...]


@dataclass(frozen=True)
class Decision:
    """What became of a file of the table.

    Attributes:
        file: the row.
        cell: its cell line's folder; empty where it is left out.
        role: ``bigwig``, ``reads``, ``conservative`` or ``relaxed``; empty where it is left out.
        name: of the track or factor.
        reason: why it is left out; empty where it is taken.
        detail: what is particular to this file.
    """

    file: EncodeFile
    cell: str = ""
    role: str = ""
    name: str = ""
    reason: str = ""
    detail: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is downloaded."""
        return not self.reason


@dataclass(frozen=True)
class Selection:
    """What is taken from a table.

    Attributes:
        assembly: ENCODE's name of it.
        decisions: one for each file, in the order of the table.
        warnings: what makes cell lines hard to compare.
    """

    assembly: str
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...] = ()


def select(files: Sequence[EncodeFile], options: CartOptions, *, listed: frozenset[str] = frozenset()) -> Selection:
    """Decide on each file of a table.

    Args:
        files: all rows.
        options: what is taken.
        listed: addresses of files.txt; empty where all files of the table are meant.

    Raises:
        UsageError: the table has several assemblies and none is chosen, or not the chosen one; it lacks an accession
            that is excluded.
    """
    if unknown := options.excluded - {name for f in files for name in (f.accession, f.experiment)}:
        raise UsageError(f"the table has no file or experiment {', '.join(sorted(unknown))} to exclude")
    assembly = choose_assembly(files, options.assembly)
    verdicts = [judge(f, assembly, options, listed) for f in files]
    candidates = [v for v in verdicts if isinstance(v, Candidate)]
    cells = _cell_names(candidates, options)
    groups: dict[tuple[str, str, str], list[Candidate]] = defaultdict(list)
    for c in candidates:
        groups[cells[c.file.accession], "peaks" if c.kind == "peaks" else "signal", safe_name(c.name)].append(c)
    decided: dict[str, Decision] = {}
    common = _common_types(groups)
    for (cell, what, name), group in sorted(groups.items()):
        chosen = _choose_peaks(group) if what == "peaks" else _choose_signal(group, common[name])
        for c in group:
            role, refusal = chosen[c.file.accession]
            if refusal is None:
                track = READ_TRACKS.get(c.file.assay, name) if role == "reads" else name
                decided[c.file.accession] = Decision(c.file, cell, role, track)
            else:
                decided[c.file.accession] = Decision(c.file, reason=refusal.reason, detail=refusal.detail)
    decisions = tuple(
        Decision(file, reason=verdict.reason, detail=verdict.detail)
        if isinstance(verdict, Refusal)
        else decided[file.accession]
        for file, verdict in zip(files, verdicts, strict=True)
    )
    return Selection(assembly, decisions, tuple(_warnings(decisions)))


def _cell_names(candidates: Iterable[Candidate], options: CartOptions) -> dict[str, str]:
    """Return the cell line of each file, by accession: a name that is safe as a folder's."""
    keys = {}
    for c in candidates:
        pooled = options.pool_donors or c.file.biosample_type in _POOLED_TYPES
        modifications = "" if c.tagged else c.file.modifications
        donors = () if pooled else c.file.donors
        keys[c.file.accession] = (c.file.biosample, c.file.treatments, modifications, donors)
    names = {}
    for key in keys.values():
        biosample, treatments, modifications, donors = key
        parts = (biosample, treatments, _without_paths(modifications), "+".join(donors))
        names[key] = "_".join(filter(None, map(safe_name, parts)))[:_MAX_NAME] or "biosample"
    distinct = distinct_names(names)
    return {accession: distinct[key] for accession, key in keys.items()}


def _without_paths(text: str) -> str:
    """Return a text whose paths (``/targets/ZNF24-human/``) are their last parts."""
    return re.sub(r"/?(?:[\w-]+/)*([\w-]+)/(?=[\s,]|$)", r"\1", text)


def _choose_peaks(group: Sequence[Candidate]) -> dict[str, tuple[str, Refusal | None]]:
    """Return role, or reason against, of each peak file of a factor in a cell line, by accession."""
    experiments = _by_experiment(group)
    pairs = {name: _peak_pair(files) for name, files in experiments.items()}

    def score(name: str) -> _Score:
        first, relaxed = pairs[name]
        strictness = CONSERVATIVE.index(first.output_type)
        return (*_experiment_score(first), strictness, relaxed is None, -len(first.replicates), *_last_resort(first))

    best = min(pairs, key=score)
    first, relaxed = pairs[best]
    roles: dict[str, tuple[str, Refusal | None]] = {}
    for name, files in experiments.items():
        for file in files:
            roles[file.accession] = "", _why_not(file, first, other=name != best, what="peaks")
    roles[first.accession] = "conservative", None
    if relaxed is not None:
        roles[relaxed.accession] = "relaxed", None
    return roles


def _peak_pair(files: Sequence[EncodeFile]) -> tuple[EncodeFile, EncodeFile | None]:
    """Return the conservative peaks of an experiment, and the relaxed ones if it has some."""
    best = min(map(_analysis_score, files))
    analysis = [f for f in files if _analysis_score(f) == best]

    def strictest(file: EncodeFile) -> _Score:
        return CONSERVATIVE.index(file.output_type), -len(file.replicates), file.accession

    first = min(analysis, key=strictest)
    looser = [
        f
        for f in analysis
        if f.output_type in RELAXED
        and CONSERVATIVE.index(f.output_type) > CONSERVATIVE.index(first.output_type)
        and {*f.replicates} >= {*first.replicates}
    ]
    relaxed = min(looser, key=lambda f: (RELAXED.index(f.output_type), f.accession), default=None)
    return first, relaxed


def _choose_signal(group: Sequence[Candidate], output_type: str) -> dict[str, tuple[str, Refusal | None]]:
    """Return role, or reason against, of each file of a track in a cell line, by accession.

    Args:
        group: its bigWigs and reads.
        output_type: of the bigWigs of all cell lines; empty where they have none in common.
    """
    kind = "bigwig" if any(c.kind == "bigwig" for c in group) else "reads"
    of_kind = [c for c in group if c.kind == kind]
    if kind == "bigwig":
        types = {c.file.output_type for c in of_kind}
        wanted = output_type or min(types, key=list(UNITS).index)
        of_kind = [c for c in of_kind if c.file.output_type == wanted]
    experiments = _by_experiment(of_kind)
    latest = {
        name: [f for f in files if _analysis_score(f) == min(map(_analysis_score, files))]
        for name, files in experiments.items()
    }

    def score(name: str) -> _Score:
        files = latest[name]
        replicates = {r for f in files for r in f.replicates}
        single_cell = files[0].assay in SINGLE_CELL
        return (single_cell, *_experiment_score(files[0]), -len(replicates), *_last_resort(files[0]))

    best = min(latest, key=score)
    ordered = sorted(latest[best], key=lambda f: (-len(f.replicates), f.accession))
    taken = ordered[:1] if kind == "bigwig" else _each_replicate_once(ordered)
    roles: dict[str, tuple[str, Refusal | None]] = {}
    for c in group:
        other = c.file.experiment != best and c in of_kind
        roles[c.file.accession] = "", _why_not(c.file, taken[0], other=other, what=kind)
    return roles | {f.accession: (kind, None) for f in taken}


def _each_replicate_once(files: Sequence[EncodeFile]) -> list[EncodeFile]:
    """Return the alignments whose replicates are in none before them."""
    taken: list[EncodeFile] = []
    seen: set[str] = set()
    for file in files:
        replicates = {*(file.technical or file.replicates)}
        whole = {r.partition("_")[0] for r in replicates}
        if not taken or (replicates and not (replicates | whole) & seen):
            taken.append(file)
            seen |= replicates
    return taken


def _common_types(groups: Mapping[tuple[str, str, str], Sequence[Candidate]]) -> dict[str, str]:
    """Return, for each track, the preferred output type of bigWigs that all cell lines with some have; else empty."""
    types: dict[str, list[set[str]]] = defaultdict(list)
    for (_, _, name), group in groups.items():
        types[name].append({c.file.output_type for c in group if c.kind == "bigwig"})
    common = {name: set[str]().union(*sets).intersection(*filter(None, sets)) for name, sets in types.items()}
    return {name: min(found, key=list(UNITS).index, default="") for name, found in common.items()}


def _by_experiment(group: Iterable[Candidate]) -> dict[str, list[EncodeFile]]:
    experiments: dict[str, list[EncodeFile]] = defaultdict(list)
    for c in group:
        experiments[c.file.experiment].append(c.file)
    return experiments


def _experiment_score(file: EncodeFile) -> _Score:
    """Return what ranks experiments before the kind of their files does; the lowest is the best."""
    tagged = bool(file.modifications)  # in a cell line of a variant all are modified
    return (tagged, file.status != "released", bool(file.audit_not_compliant), *_analysis_score(file)[1:-1])


def _last_resort(file: EncodeFile) -> _Score:
    """Return what decides between equal experiments: the last released, then the lowest accession."""
    return tuple(-ord(c) for c in file.released), file.experiment


def _analysis_score(file: EncodeFile) -> tuple[object, ...]:
    """Return what ranks the analyses of an experiment: released, latest ENCODE version, title; the lowest is the best.

    Titles are such as ``ENCODE4 v1.6.1 GRCh38``, ``ENCODE3 hg19`` or ``Lab custom hg19``; a file may have several.
    """
    versions = [
        (int(m[1]), *(int(part) for part in (m[2] or "0").split(".")))
        for m in re.finditer(r"ENCODE(\d{1,3})(?: v(\d{1,6}(?:\.\d{1,6})*))?", file.analysis)
    ]
    latest = tuple(-part for part in max(versions, default=(0,)))
    archived = file.status != "released" or file.analysis_status not in ("", "released")
    return archived, (*latest, *(0,) * (8 - len(latest))), file.analysis


def _why_not(file: EncodeFile, taken: EncodeFile, *, other: bool, what: str) -> Refusal:
    """Return why a file gives way to the one that is taken for the same track or factor."""
    if other:
        return Refusal("another experiment of the same factor or track", f"{taken.experiment} is taken")
    if file.experiment == taken.experiment and _analysis_score(file) != _analysis_score(taken):
        title = taken.analysis or "one without a title"
        return Refusal("another analysis of the experiment", f"{title} is taken")
    if what == "peaks":
        return Refusal("other peaks of the experiment", f"{taken.accession}, {taken.output_type}, is taken")
    if (file.format == "bigWig") != (what == "bigwig"):
        return Refusal("signal of the other kind", f"{taken.accession}, a {taken.format}, is taken")
    if file.output_type != taken.output_type:
        return Refusal("another output type", f"{taken.accession}, {taken.output_type}, is taken")
    return Refusal("other replicates of the experiment", f"{taken.accession} is taken")


def _warnings(decisions: Collection[Decision]) -> Iterable[str]:
    """Yield what makes the tracks of cell lines hard to compare."""
    tracks: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for d in decisions:
        assay = "DNase-seq" if d.file.assay == "DNase-seq" else "ATAC-seq"
        if d.role in ("bigwig", "reads") and d.cell not in tracks[assay][d.file.output_type]:
            tracks[assay][d.file.output_type].append(d.cell)
    for assay, types in tracks.items():
        if len(types) > 1:
            shown = "; ".join(f"{printable(kind)} in {', '.join(cells)}" for kind, cells in sorted(types.items()))
            yield f"tracks of {assay} have other values in some cell lines than in others: {shown}"
