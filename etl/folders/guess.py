"""Tell from names and content what the files of a folder are: signal, reads, conservative and relaxed peaks.

A file is what its content is. Which track or factor it belongs to is told from its name, and where that is not clear
the file is not placed, rather than placed wrongly.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...store.errors import InputError, UsageError
from ...store.files.file_kinds import file_kind
from ...store.files.folder_name import folder_name
from ...store.schema import check_name
from ..inputs.bed import text_lines
from ..inputs.provenance import SOURCES
from ..inputs.read_files import has_fragments
from .name_words import NameWords, split_name
from .names import READ_TRACKS, safe_name
from .sheets import SHEETS, ChipRow, TrackRow

Kind = Literal["bigwig", "reads", "peaks", "companion", "other", "unreadable"]
_COMPANIONS = (".bai", ".crai", ".csi", ".tbi", ".fai", ".gzi", ".md5", ".part")
_OWN = (*SHEETS, "meta.txt", SOURCES)
_FACTOR = re.compile(r"[A-Za-z][A-Za-z0-9+-]*")
_MOST_HEADER_LINES = 1000
_LOOKED_AT = 100  # lines of a text by which it is told what it is
_BARCODE = re.compile(r"(?<![A-Za-z])[ACGTN]{8,}(?![A-Za-z])")
"""Of a cell, as sequencers read it, with what 10x and ArchR put around it: ``AAACGAAAGAAATACC-1``, ``s1#...``."""
_CONTROL = "is a control by its name"
_DATA = re.compile(r"\.(bw|bigwig|bam|cram|sam|bed|(narrow|broad|gapped)peak)(\.b?gz)?$", re.IGNORECASE)
"""Ends of names that say that a file has data."""
_BINARY = re.compile(r"\.(bw|bigwig|bam|cram)$", re.IGNORECASE)
_KEPT_OUT = {"blacklist": "a blacklist", "greylist": "a greylist", "excluderegions": "a blacklist"}


@dataclass(frozen=True)
class GuessedFile:
    """What a file of a folder was taken for.

    Attributes:
        name: of the file.
        kind: by its content; ``companion`` is an index or a digest, ``other`` nothing that a sheet names.
        use: the track or peaks that it became; empty where it was not placed.
        reason: why it was not placed.
    """

    name: str
    kind: Kind
    use: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it has data that a sheet could name, and none does."""
        return not self.use and self.kind not in ("companion", "other")


@dataclass(frozen=True)
class FolderGuess:
    """Rows of the sheets of a folder, and what was made of each of its files, by name."""

    tracks: tuple[TrackRow, ...]
    chip: tuple[ChipRow, ...]
    files: tuple[GuessedFile, ...]


@dataclass(frozen=True)
class _Named:
    name: str
    words: NameWords


def guess_folder(folder: Path) -> FolderGuess:
    """Tell what the files of a folder are; sheets and hidden files are passed over, folders in it not entered.

    Raises:
        UsageError: no such folder, or its name cannot be that of a cell line.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    cell = check_name(folder_name(folder), "cell line")
    kinds: dict[Kind, list[_Named]] = defaultdict(list)
    files: dict[str, GuessedFile] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _OWN:
            continue
        kind, reason = _kind(path)
        files[path.name] = GuessedFile(path.name, kind, reason=reason)
        kinds[kind].append(_Named(path.name, split_name(path.name, cell)))
    bigwigs, placed = _place_bigwigs(kinds["bigwig"])
    reads, placed_reads = _place_reads(kinds["reads"], {row.assay: row.file for row in bigwigs})
    chip, placed_peaks = _place_peaks(kinds["peaks"])
    files |= {f.name: f for f in (*placed, *placed_reads, *placed_peaks)}
    tracks = sorted((*bigwigs, *reads), key=lambda row: (row.track.casefold(), row.track, row.file))
    return FolderGuess(tuple(tracks), chip, tuple(files[name] for name in sorted(files)))


def _kind(path: Path) -> tuple[Kind, str]:
    """Return what a file is, and why it is not used where that is clear."""
    name = path.name.lower()
    if path.is_dir():
        return "other", "is a folder; files in it are not looked at"
    if name.endswith(_COMPANIONS):
        return "companion", "an index, a digest, or a partial file"
    if not path.is_file():  # a link to nowhere, or a pipe, which would be waited for
        return "unreadable", "no such file, or no file"
    try:
        return _kind_of_file(path, name)
    except (OSError, InputError) as error:
        problem = error.problem if isinstance(error, InputError) else (error.strerror or str(error))
        return "unreadable", problem


def _kind_of_file(path: Path, name: str) -> tuple[Kind, str]:
    content = file_kind(path)
    if content == "a bigWig":
        return "bigwig", ""
    if content in ("a BAM file", "a CRAM file", "a SAM file"):
        return "reads", ""
    if content:
        return "unreadable" if _DATA.search(name) else "other", f"is {content}"
    return ("unreadable", "is not what its name says") if _BINARY.search(name) else _kind_of_text(path, name)


def _kind_of_text(path: Path, name: str) -> tuple[Kind, str]:
    named_fragments = "fragments" in name and ".tsv" in name
    may_be_peaks = ".bed" in name or "peak" in name or "summits" in name
    if not (named_fragments or may_be_peaks):
        if has_fragments(path) and _is_fragments(_first_intervals_or_none(path)):
            return "reads", ""
        return "other", "neither its name nor its content is that of signal, reads or peaks"
    rows = _first_intervals(path)
    if named_fragments:
        is_one = bool(rows) and len(rows[0]) >= 4
        return ("reads", "") if is_one else ("unreadable", "has no line of chromosome, start, stop, barcode")
    if ".bed" in name and not ("peak" in name or "summits" in name) and has_fragments(path) and _is_fragments(rows):
        return "reads", ""
    return ("peaks", "") if rows else ("unreadable", "has no line of chromosome, start and stop")


def _first_intervals(path: Path) -> list[list[str]]:
    """Return the columns of the first lines with two whole numbers after their first; empty where none has them."""
    rows: list[list[str]] = []
    for number, line in text_lines(path):
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) >= 3 and fields[1].strip().isdecimal() and fields[2].strip().isdecimal():
            rows.append(fields)
        if len(rows) == _LOOKED_AT or number >= _MOST_HEADER_LINES:
            break
    return rows


def _first_intervals_or_none(path: Path) -> list[list[str]]:
    """Return `_first_intervals` of a file whose name promises no data; none of one that is not text."""
    try:
        return _first_intervals(path)
    except InputError:
        return []


def _is_fragments(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether all lines are of chromosome, start, stop, barcode of a cell, and a count where there is one.

    A site of a motif has its own bases for a name, as many as the interval: that is no barcode.
    """
    if not rows or any(len(row) not in (4, 5) for row in rows):
        return False
    if not all(_BARCODE.search(row[3]) and all(text.strip().isdecimal() for text in row[4:]) for row in rows):
        return False
    return any(int(row[2]) - int(row[1]) != len(row[3]) for row in rows)


def _place_bigwigs(files: Sequence[_Named]) -> tuple[list[TrackRow], list[GuessedFile]]:
    tracks = {f.name: f.words.track for f in files}
    counts = Counter(tracks.values())
    # Two bigWigs of one track: each is a track of its own, named as the file is.
    tracks = {f.name: tracks[f.name] if counts[tracks[f.name]] == 1 else safe_name(f.words.stem) for f in files}
    counts = Counter(tracks.values())
    rows, guessed = [], []
    for f in files:
        track = tracks[f.name]
        if reason := _why_no_track(track, f.words, counts):
            guessed.append(GuessedFile(f.name, "bigwig", reason=reason))
            continue
        rows.append(TrackRow(f.name, track, f.words.assay, f.words.units))
        guessed.append(GuessedFile(f.name, "bigwig", f"track {track}"))
    return rows, guessed


def _why_no_track(track: str, words: NameWords, counts: Counter[str]) -> str:
    if words.is_control and not words.assay:
        return _CONTROL
    if not track:
        return "its name has no word for the track; rename it, such as DNase.bw"
    if counts[track] > 1:
        return f"{counts[track]} bigWigs may be track {track}; give them names that differ"
    partner = {"_fwd": "_rev", "_rev": "_fwd"}.get(track[-4:], "")
    if partner and not counts[track[:-4] + partner]:
        return f"track {track} has no partner {track[:-4]}{partner}"
    return ""


def _place_reads(files: Sequence[_Named], taken: Mapping[str, str]) -> tuple[list[TrackRow], list[GuessedFile]]:
    """Place reads: all of one assay are replicates of one track, unless it has a bigWig: `taken`, assay -> bigWig."""
    rows, guessed = [], []
    for f in files:
        # Fragments are of ATAC-seq unless their name says else.
        assay = f.words.assay or ("ATAC-seq" if has_fragments(Path(f.name)) else "")
        track = READ_TRACKS.get(assay, "")
        if not track or f.words.has("chip"):
            reason = "its name has neither DNase nor ATAC: only such reads are signal"
        else:
            reason = f"{taken[assay]} is a bigWig of {assay}" if assay in taken else ""
        if reason:
            guessed.append(GuessedFile(f.name, "reads", reason=reason))
            continue
        rows.append(TrackRow(f.name, track, assay))
        guessed.append(GuessedFile(f.name, "reads", f"reads of track {track}"))
    return rows, guessed


def _place_peaks(files: Sequence[_Named]) -> tuple[tuple[ChipRow, ...], list[GuessedFile]]:
    factors: dict[str, list[_Named]] = defaultdict(list)
    guessed = []
    for f in files:
        if reason := _why_no_factor(f):
            guessed.append(GuessedFile(f.name, "peaks", reason=reason))
        else:
            factors[f.words.others[0].casefold()].append(f)
    rows = []
    for group in factors.values():
        first, relaxed, reason = _pair(group)
        if first is not None:
            factor = first.words.others[0]
            rows.append(ChipRow(first.name, factor, relaxed.name if relaxed is not None else ""))
            guessed.append(GuessedFile(first.name, "peaks", f"conservative peaks of {factor}"))
            if relaxed is not None:
                guessed.append(GuessedFile(relaxed.name, "peaks", f"relaxed peaks of {factor}"))
        rest = [f for f in group if f not in (first, relaxed)]
        guessed += [GuessedFile(f.name, "peaks", reason=reason) for f in rest]
    return tuple(sorted(rows, key=lambda row: (row.factor.casefold(), row.factor))), guessed


def _why_no_factor(file: _Named) -> str:
    words = file.words
    kept_out = next((f"{text} belongs to the genome of a store" for word, text in _KEPT_OUT.items()
                     if word in file.name.lower()), "")  # fmt: skip
    reasons = (
        (bool(kept_out), kept_out),
        (words.is_control, _CONTROL),
        (words.has("dnase", "atac", "faire", "dgf"), "peaks of accessibility are in no sheet"),
        (not words.others, "its name has no word for the factor; rename it, such as CTCF.conservative.narrowPeak"),
        (len(words.others) > 1, f"the factor may be {' or '.join(words.others)}; rename it, or write its row"),
        (
            not all(map(_FACTOR.fullmatch, words.others)),
            f"{''.join(words.others[:1])!r} cannot be the name of a factor; rename it",
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _pair(group: Sequence[_Named]) -> tuple[_Named | None, _Named | None, str]:
    """Return conservative and relaxed peaks of a factor, and why the others are not used."""
    ordered = sorted(group, key=lambda f: f.words.strictness)
    ranks = [f.words.strictness for f in ordered]
    factor = ordered[0].words.others[0]
    if ranks[0] == 3:
        return None, None, f"relaxed peaks of {factor} without conservative ones"
    if ranks.count(ranks[0]) > 1:
        return None, None, f"{ranks.count(ranks[0])} files may be the conservative peaks of {factor}; write its row"
    relaxed = ordered[1] if ranks.count(ranks[-1]) == 1 and len(ordered) == 2 else None
    return ordered[0], relaxed, f"several files may be the relaxed peaks of {factor}; add one to its row"
