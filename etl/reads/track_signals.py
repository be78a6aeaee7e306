"""Make the bigWigs of a cell line's tracks that are given as reads; a build goes on from there as with any bigWig.

In a folder of their own::

    state.json   what the bigWigs were made from
    <track>.bw   cuts, under the store's names of chromosomes
    <track>.json figures of its reads
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...store.errors import InputError, Problems
from ...store.files.atomic_write import naming_file, write_atomic
from ...store.genome.intervals import Intervals, merge
from ...store.reader import Store
from ..inputs.bigwig import match_chromosomes
from ..inputs.cell_line_folder import CellFolder
from ..inputs.read_files import has_alignments
from ..inputs.sheets.tracks import SignalFile
from .files.alignment_file import read_header
from .files.fragment_file import read_fragments
from .read_set import ReadSet, open_reads
from .scale import UNITS, effective_genome_size
from .signal import KnownGenome, signal_notes, write_signals
from .signal_file import Strand, strand_of
from .signal_options import SignalOptions, parse_assay


@dataclass(frozen=True)
class ReadSignals:
    """bigWigs made from reads.

    Attributes:
        tracks: name -> the track as a bigWig.
        reports: name -> figures of its reads.
        notes: for the user.
    """

    tracks: Mapping[str, SignalFile] = field(default_factory=dict)
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_bigwig(self, track: SignalFile) -> SignalFile:
        """Return a track as a bigWig: the one made from its reads, or its own."""
        return self.tracks.get(track.name, track)


def make_signals(
    folder: Path,
    tracks: Sequence[SignalFile],
    store: Store,
    options: SignalOptions,
    aliases: Mapping[str, str],
    *,
    state: Mapping[str, Any],
    allow_missing: bool = False,
) -> ReadSignals:
    """Make the bigWigs of tracks with reads; those that an interrupted build left are used, if made from the same.

    Args:
        folder: to write to.
        tracks: of the cell line.
        store: whose chromosomes, blacklist and assembly count.
        options: how reads become signal.
        aliases: name in the files -> name in the store, of chromosomes.
        state: what the bigWigs depend on.
        allow_missing: whether reads may lack chromosomes of the store.

    Raises:
        InputError: a file of reads cannot be used, or a bigWig cannot be written.
        UsageError: the assay of a track, or the scale, lacks a figure.
    """
    _check_chromosomes(tracks, store, aliases, Problems(), allow_missing=allow_missing)
    _prepare(folder, state)
    sequenced, notes = sequenced_bases(store), tuple[str, ...]()
    is_known = options.genome_size is not None or effective_genome_size(store.info.assembly, None) is not None
    if not is_known and options.scale == "1x":
        notes = (
            f"effective genome size: not known for {store.info.assembly}; its {sequenced:,} bases outside runs of N "
            "are taken",
        )
    made: dict[str, SignalFile] = {}
    reports: dict[str, Mapping[str, Any]] = {}
    for group in _groups(tracks, options):
        reads, settings = _open(group, store, options, aliases)
        todo = {strand_of(t.name): folder / f"{t.name}.bw" for t in group if not _is_made(folder, t.name)}
        if todo:
            # Cuts in the blacklist are kept, as in a bigWig; no window of training touches it.
            blacklist = blacklist_of(store, reads)
            genome = KnownGenome(
                store.info.assembly, sequenced, blacklist, keep_listed=True, chroms=store.coordinates.names
            )
            report = write_signals(reads, settings, todo, genome, scratch=folder)
            content = json.dumps(report.describe()).encode()
            for path in todo.values():
                write_atomic(path.with_suffix(".json"), content)
        for track in group:
            path = folder / f"{track.name}.bw"
            reports[track.name] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            made[track.name] = replace(track, paths=(path,), assay=settings.assay or "", units=UNITS[settings.scale])
    for name, figures in reports.items():
        lines = signal_notes(figures)
        if strand_of(name) != "both":
            lines.insert(0, f"cuts on the {strand_of(name)} strand; the figures that follow are of both strands")
        notes += tuple(f"track {name}: {line}" for line in lines)
    return ReadSignals(made, reports, notes)


def check_reads(
    tracks: Sequence[SignalFile],
    store: Store,
    options: SignalOptions,
    aliases: Mapping[str, str],
    problems: Problems,
    *,
    allow_missing: bool = False,
) -> None:
    """Make the checks of `make_signals`, without reading on: of names, headers, ends of files, and options."""
    _check_chromosomes(tracks, store, aliases, problems, allow_missing=allow_missing)
    for group in _groups(tracks, options):
        with problems.catch():
            reads, _ = _open(group, store, options, aliases)
            for file in reads.files if reads.has_fragments else ():
                next(read_fragments(file), None)


def _check_chromosomes(
    tracks: Sequence[SignalFile],
    store: Store,
    aliases: Mapping[str, str],
    problems: Problems,
    *,
    allow_missing: bool,
) -> None:
    """Check the headers of all alignments against the store, before any of them is read.

    Raises:
        InputError: names or lengths of chromosomes do not match.
    """
    for track in tracks:
        for path in track.paths if track.has_reads else ():
            if has_alignments(path):
                with problems.catch():
                    found = read_header(path).lengths
                    match_chromosomes(path, found, store.coordinates, aliases, allow_missing=allow_missing)


def with_terms(inputs: CellFolder, options: SignalOptions, problems: Problems | None = None) -> CellFolder:
    """Return a cell line whose tracks have the assay and units that they will have: of reads those of the options.

    Args:
        inputs: the cell line.
        options: how reads become signal.
        problems: collects the errors of tracks, which are then left out; by default the first is raised.

    Raises:
        InputError: an assay is not one of reads, or units are not those of the scale.
    """
    problems, tracks = problems or Problems(), list[SignalFile]()
    for track in inputs.tracks:
        with problems.catch():
            if track.has_reads:
                assay = _assay_of(track, options).assay or ""
                tracks.append(replace(track, assay=assay, units=UNITS[options.scale]))
            else:
                tracks.append(track)
    return replace(inputs, tracks=tuple(tracks))


def _prepare(folder: Path, state: Mapping[str, Any]) -> None:
    """Create the folder; empty it if it is of another state."""
    file, content = folder / "state.json", json.dumps(state, sort_keys=True)
    with naming_file(folder):
        if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != content:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(file, content.encode())


def _is_made(folder: Path, name: str) -> bool:
    return (folder / f"{name}.json").is_file() and (folder / f"{name}.bw").is_file()


def _groups(tracks: Sequence[SignalFile], options: SignalOptions) -> list[list[SignalFile]]:
    """Return the tracks with reads, grouped: a stranded pair of the same files is read once."""
    groups: dict[Any, list[SignalFile]] = {}
    for track in tracks:
        if track.has_reads:
            groups.setdefault((track.paths, _assay_of(track, options).assay), []).append(track)
    found = []
    for group in groups.values():
        by_strand: dict[Strand, list[SignalFile]] = {}
        for track in group:
            by_strand.setdefault(strand_of(track.name), []).append(track)
        # Two names of the same cuts are two tracks, of two passes.
        while any(by_strand.values()):
            found.append([rows.pop(0) for rows in by_strand.values() if rows])
    return found


def _assay_of(track: SignalFile, options: SignalOptions) -> SignalOptions:
    """Return the options of a track, with its assay and units checked.

    Raises:
        InputError: its assay is not one of reads that are cut, or its units are not those of the scale.
    """
    if track.assay and parse_assay(track.assay) is None:
        problem = f"track {track.name!r} has reads of assay {track.assay!r}"
        raise InputError(track.path, problem, hint="write assay=DNase-seq or assay=ATAC-seq in bigwig.txt")
    units = UNITS[options.scale]
    if track.units and track.units.lower() != units.lower():
        problem = f"track {track.name!r} has units {track.units!r}, the scale {options.scale} gives {units}"
        raise InputError(track.path, problem, hint="correct bigwig.txt, or choose the scale")
    return replace(options, assay=parse_assay(track.assay) or options.assay)


def _open(
    group: Sequence[SignalFile], store: Store, options: SignalOptions, aliases: Mapping[str, str]
) -> tuple[ReadSet, SignalOptions]:
    track = group[0]
    lengths = dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
    settings = _assay_of(track, options)
    reads = open_reads(track.paths, lengths, aliases)
    if not reads.has_fragments and settings.assay is None and settings.shift is None:
        hint = "write assay=DNase-seq or assay=ATAC-seq in its row of bigwig.txt, or give the assay"
        raise InputError(track.path, f"the assay of track {track.name!r} is not known", hint=hint)
    return reads, settings


def blacklist_of(store: Store, reads: ReadSet) -> Intervals:
    """Return the store's blacklist in the coordinates of the reads."""
    blacklist = store.blacklist()
    chrom, start = store.coordinates.from_absolute(blacklist.starts)
    stop = start + blacklist.stops - blacklist.starts
    numbers = np.array([reads.coordinates.indices.get(name, -1) for name in store.coordinates.names])[chrom]
    known = numbers >= 0
    first = reads.coordinates.to_absolute(numbers[known], start[known])
    return merge(Intervals(first, first + (stop - start)[known]))


def sequenced_bases(store: Store) -> int:
    """Return the bases of a store's chromosomes outside runs of N."""
    gaps = store.assembly_gaps()
    return sum(store.coordinates.lengths) - int((gaps.stops - gaps.starts).sum())
