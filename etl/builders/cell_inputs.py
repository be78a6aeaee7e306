"""Read and check the inputs of a cell line, for its build and for its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...store.cell_info import Track
from ...store.errors import Problems, StoreError
from ...store.files.digest import file_digest
from ...store.format.layout import DEFAULT_LAYOUT, Layout
from ...store.genome.intervals import GenomeCoordinates
from ...store.reader import Store
from ..inputs.bigwig import CheckedBigWig, open_bigwig
from ..inputs.cell_line_folder import CellFolder, ChipFiles
from ..inputs.chip_peaks import FactorPeaks, read_factor
from ..inputs.sheets.tracks import SignalFile
from ..publish.disk_space import check_disk_space
from ..reads.signal_options import SignalOptions
from ..reads.track_signals import ReadSignals
from .size_estimate import cell_bytes


@dataclass(frozen=True)
class CellOptions:
    """How to read a cell-line folder.

    Attributes:
        aliases: name in the files -> name in the store, of chromosomes.
        allow_missing: take the signal of chromosomes that a track lacks as 0.
        layout: chunks and shards.
        reads: how the reads of tracks become signal; bigwig.txt may say the assay of each.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    allow_missing: bool = False
    layout: Layout = DEFAULT_LAYOUT
    reads: SignalOptions = field(default_factory=SignalOptions)

    def describe(self, inputs: CellFolder) -> dict[str, Any]:
        """Return the options as recorded in the provenance: those that matter for these inputs."""
        found: dict[str, Any] = {"aliases": dict(self.aliases), "allow_missing_chroms": self.allow_missing}
        if any(track.has_reads for track in inputs.tracks):
            found["reads"] = self.reads.describe()
        return found

    def describe_state(self, store: Store, inputs: CellFolder, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the shards of a cell line depend on, for the journal."""
        sheets = {
            "tracks": [[t.name, *(path.name for path in t.paths), t.assay, t.units] for t in inputs.tracks],
            "factors": [[row.factor, row.relaxed is not None] for row in inputs.chip],
        }
        genome = store.info.genome_manifest
        return {**provenance, "sheets": sheets, "genome": genome, "layout": asdict(self.layout)}


@dataclass(frozen=True)
class CellContent:
    """Checked inputs of a cell line: its tracks, a bigWig for each of them, and the peaks of its factors."""

    tracks: tuple[Track, ...]
    bigwigs: tuple[CheckedBigWig, ...]
    factors: tuple[FactorPeaks, ...]


def read_inputs(
    store: Store, inputs: CellFolder, options: CellOptions, signals: ReadSignals, problems: Problems | None = None
) -> CellContent:
    """Read the peaks of a cell line, and check the bigWigs of its tracks.

    Args:
        store: to build into.
        inputs: files of the cell line.
        options: how to read them.
        signals: bigWigs of the tracks that are given as reads; tracks whose reads it lacks are left out.
        problems: collects the errors of files, whose rows are then left out; by default the first is raised.

    Raises:
        InputError, StoreError: a file cannot be used.
    """
    problems = problems or Problems()
    coordinates, aliases = store.coordinates, options.aliases
    factors = list[FactorPeaks | None]()
    for files in inputs.chip:
        with problems.catch():
            factors.append(read_factor(files, coordinates, aliases, problems))
    tracks, bigwigs = list[Track](), list[CheckedBigWig]()
    for track in inputs.tracks:
        row = signals.as_bigwig(track)
        if row.has_reads:
            continue
        with problems.catch():
            # Cuts are counted under the store's names already.
            names = aliases if row is track else {}
            bigwig = open_bigwig(row.path, coordinates, names, allow_missing=options.allow_missing)
            tracks.append(_as_track(store, row))
            bigwigs.append(bigwig)
    return CellContent(tuple(tracks), tuple(bigwigs), tuple(f for f in factors if f is not None))


def check_tracks_of_reads(store: Store, inputs: CellFolder, problems: Problems | None = None) -> None:
    """Check that no track of reads has the name of a track that all cell lines share.

    Raises:
        StoreError: one has.
    """
    problems = problems or Problems()
    for track in inputs.tracks:
        if track.name in store.info.shared and track.has_reads:
            problem = f"track {track.name!r} is shared by all cell lines of the store"
            with problems.catch():
                raise StoreError(track.path, problem, hint="name this one differently in bigwig.txt")


def bytes_needed(coordinates: GenomeCoordinates, chip: tuple[ChipFiles, ...], *, n_tracks: int) -> int:
    """Return the estimated size of a cell line with so many tracks of its own, in bytes."""
    files = [f for row in chip for f in (row.conservative, row.relaxed) if f is not None]
    return cell_bytes(coordinates, tracks=n_tracks, peak_files=files)


def check_space(path: Path, needed: int, *, name: str) -> None:
    """Check that the disk of a store has room for a cell line.

    Raises:
        StoreError: it has not.
    """
    check_disk_space(path, needed, what=f"cell line {name}", hint="or move the store to another disk")


def _as_track(store: Store, signal: SignalFile) -> Track:
    """Return the track of a row of bigwig.txt: shared if the genome has one of its name, built from the same file.

    Raises:
        StoreError: the genome's track of this name was built from a file of other content.
    """
    shared = store.info.shared
    if signal.name not in shared:
        return Track(signal.name, shared=False, assay=signal.assay, units=signal.units)
    digests = [i["sha256"] for i in store.info.provenance.get("inputs", [])]
    # Files of shared tracks are the last of the genome's inputs, in the order of the tracks.
    built_from = dict(zip(reversed(shared), reversed(digests), strict=False))
    if file_digest(signal.path) != built_from.get(signal.name):
        raise StoreError(
            signal.path,
            f"track {signal.name!r} is shared by all cell lines of the store, from a file of other content",
            hint="name this one differently in bigwig.txt",
        )
    return Track(signal.name, shared=True, assay=signal.assay, units=signal.units)
