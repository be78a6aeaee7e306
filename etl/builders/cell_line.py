"""Build one cell line: tracks, peaks, labels and meta values, as a group of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from ...store.errors import StoreError
from ...store.format.layout import DEFAULT_LAYOUT, Layout, create_array
from ...store.format.tables import Peaks
from ...store.genome.intervals import GenomeCoordinates, IntArray
from ...store.reader import Store, open_store
from ...store.schema import CellInfo, Factor, Track, bin_count
from ...store.storage.atomic_swap import cell_line_staging_name, final_path
from ...store.storage.files import file_digest
from ..inputs.bigwig import CheckedBigWig, open_bigwig
from ..inputs.cell_line_folder import CellFolder, SignalFile, read_cell_folder
from ..inputs.chip_peaks import FactorPeaks, factor_notes, read_factor, warn_shared_peak_files
from ..inputs.provenance import (
    InputFingerprint,
    check_unchanged,
    describe_build,
    fingerprint_inputs,
    report_changed_inputs,
    what_changed,
)
from ..publish.disk_space import check_disk_space
from ..publish.manifest_writer import write_group, write_manifest
from ..publish.transaction import Version, check_not_replaced, publish, staging, version_at
from ..shards.executor import OnPlan, OnReport, Resources
from ..shards.journal import Journal
from ..shards.tasks import ShardReport, ShardTask, WriteLabels, shard_regions
from ..verify.objects import verify_store
from .report import BuildReport
from .size_estimate import cell_bytes
from .table_writer import peaks_dataset, write_dataset
from .tracks import create_track, signal_notes, signal_tasks
from .up_to_date import is_built, recorded_cell_line


@dataclass(frozen=True)
class CellOptions:
    """How to read a cell-line folder.

    Attributes:
        aliases: file name -> store name of chromosomes.
        allow_missing: take chromosomes that a track lacks as 0.
        layout: chunks and shards.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    allow_missing: bool = False
    layout: Layout = DEFAULT_LAYOUT

    def describe(self) -> dict[str, Any]:
        """For the provenance."""
        return {"aliases": dict(self.aliases), "allow_missing_chroms": self.allow_missing}


def build_cell(
    path: Path,
    folder: Path,
    options: CellOptions,
    resources: Resources,
    *,
    force: bool = False,
    repair: bool = False,
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> BuildReport:
    """Add a cell line, or replace it, in the store at `path`.

    Args:
        path: of a compressed store.
        folder: of the cell line.
        options: how to read it.
        resources: processes and memory.
        force: replace a cell line that is there; without it, one that is there from the same inputs and options is
            left as it is.
        repair: replace one that is damaged by what it was before, from the same inputs; nothing is done where it is
            sound.
        on_report: called as each shard is done.
        on_plan: called with the tasks before the first is started.

    Raises:
        StoreError: no such store, the cell line is there from other inputs or options (and neither `force` nor
            `repair`), is being built by another process, or cannot be repaired from this folder.
        InputError, UsageError: an input is wrong. Nothing is published then.
    """
    store = open_store(path)
    if not store.home.local:
        raise StoreError(path, "is no folder", hint="build into a folder, and export that")
    if store.is_raw:
        raise StoreError(
            path, "is a raw store", hint="build into the compressed one it came from, and unpack that again"
        )
    sheets = read_cell_folder(folder)
    seen = version_at(final_path(Path(store.path), cell_line_staging_name(sheets.name)))
    # In a store of its own: who has looked into a cell line reads it, and would keep a replaced one from being removed.
    if seen is not None and not (force or repair):
        if is_built(open_store(path), sheets, options.describe()):
            return unchanged(sheets.name, store.path)
        raise StoreError(
            f"{path}/cells/{sheets.name}", "is there already, and no cell line", hint="give --force to replace it"
        )
    states = fingerprint_inputs(sheets.files)
    build = _Build(store, sheets, options, states, describe_build(states, options.describe()), seen)
    return (build.repair if repair else build.make)(resources, on_report, on_plan)


def unchanged(name: str, location: str) -> BuildReport:
    """Of a cell line that is there as it would be built."""
    return BuildReport(
        f"cell line {name} in {location}", (), ("is there already, from the same inputs and options",), unchanged=True
    )


@dataclass(frozen=True)
class _Build:
    """One build of a cell line; `seen` is what was there when it was begun, `before` what a repair must give again."""

    store: Store
    sheets: CellFolder
    options: CellOptions
    states: tuple[InputFingerprint, ...]
    provenance: dict[str, Any]
    seen: Version | None
    before: CellInfo | None = None

    def make(self, resources: Resources, on_report: OnReport, on_plan: OnPlan | None) -> BuildReport:
        """Build, and publish, and say what is wrong with the genome: whoever reads the cell line reads that too."""
        root, name = Path(self.store.path), cell_line_staging_name(self.sheets.name)
        with staging(root, name, keep=True) as work:
            check_not_replaced(final_path(root, name), self.seen)
            report = self._run(work, resources, on_report, on_plan)
        return replace(report, left=verify_store(self.store.path, cells=(), quick=True).findings)

    def repair(self, resources: Resources, on_report: OnReport, on_plan: OnPlan | None) -> BuildReport:
        """Build again what was there, where it is damaged, and say what was, and what is wrong beside it."""
        path, name = self.store.path, self.sheets.name
        # In a store of its own, as above.
        before = recorded_cell_line(open_store(path), self.sheets, self.provenance)
        seen = verify_store(path, cells=[name])
        found = seen.of(f"cells/{name}")
        left = tuple(f for f in seen.findings if f not in found)
        if not found:
            note = "nothing to repair: it is as it was built"
            return BuildReport(f"cell line {name} in {path}", (), (note,), unchanged=True, left=left)
        report = replace(self, before=before).make(resources, on_report, on_plan)
        repaired = [f"repaired: {f.path} ({f.kind})" for f in found]
        return replace(report, notes=(*repaired, *report.notes), left=left)

    def _run(self, work: Path, resources: Resources, on_report: OnReport, on_plan: OnPlan | None) -> BuildReport:
        """Build in the folder `work`, and publish."""
        store, sheets, options = self.store, self.sheets, self.options
        coordinates = store.coordinates
        factors = [read_factor(row, coordinates, options.aliases) for row in sheets.chip]
        missing = options.allow_missing
        sources = [open_bigwig(t.path, coordinates, options.aliases, allow_missing=missing) for t in sheets.tracks]
        tracks = tuple(_as_track(store, t) for t in sheets.tracks)
        self._refuse_full_disk(sum(not t.shared for t in tracks))
        with closing(Journal(work, self._state())) as journal:
            staged = journal.folder / sheets.name
            group = zarr.create_group(str(staged), zarr_format=3)
            tasks = _signal_tasks(group, staged, coordinates, tracks=tracks, sources=sources, layout=options.layout)
            tasks += _label_tasks(group, staged, coordinates, factors, options.layout)
            for factor in factors:
                _write_peaks(staged, factor)
            _write_meta(staged, sheets)
            if on_plan:
                on_plan(tasks)
            with report_changed_inputs(self.states):
                reports = journal.run(tasks, staged, resources, on_report)
            info = CellInfo(
                sheets.name,
                store.info.sequences,
                tracks,
                tuple(Factor(f.name, f.relaxed is not None) for f in factors),
                tuple(name for name, _ in sheets.meta),
                {t.name: store.info.shared[t.name] for t in tracks if t.shared},
                self.provenance,
                summarise(tracks, factors, reports),
            )
            manifest = write_manifest(staged, known=journal.known)
            write_group(staged, {**info.to_attributes(), **manifest})
            check = partial(self._check, manifest["manifest"])
            publish(staged, Path(store.path), cell_line_staging_name(sheets.name), check=check)
        notes = [*([journal.note] if journal.note else []), *_notes(factors, tracks, sources, reports)]
        notes += warn_shared_peak_files(
            sheets.chip, self.states, _readable(store, [n for n in store.cells if n != sheets.name])
        )
        return BuildReport(f"cell line {sheets.name} in {store.path}", tuple(reports), tuple(notes))

    def _state(self) -> dict[str, Any]:
        """What shards of the cell line depend on."""
        sheets = {
            "tracks": [[t.name, t.path.name] for t in self.sheets.tracks],
            "factors": [[c.factor, c.relaxed is not None] for c in self.sheets.chip],
        }
        genome = self.store.info.genome_manifest
        return {**self.provenance, "sheets": sheets, "genome": genome, "layout": asdict(self.options.layout)}

    def _refuse_full_disk(self, tracks: int) -> None:
        files = [f for c in self.sheets.chip for f in (c.conservative, c.relaxed) if f is not None]
        needed = cell_bytes(self.store.coordinates, tracks=tracks, peak_files=files)
        location = Path(self.store.path)
        check_disk_space(
            location, needed, what=f"cell line {self.sheets.name}", hint="or move the store to another disk"
        )

    def _check(self, manifest: str) -> None:
        """Refuse to publish what is not what it should be."""
        check_unchanged(self.states)
        if open_store(self.store.path).info.genome_manifest != self.store.info.genome_manifest:
            raise StoreError(
                self.store.path, "the genome was replaced during the build", hint="build the cell line again"
            )
        if self.before is not None and manifest != self.before.manifest:
            changed = what_changed(self.before.provenance, self.provenance)
            raise StoreError(
                f"{self.store.path}/cells/{self.sheets.name}",
                "built again from the recorded inputs, it is not the same "
                f"({changed or 'meta.txt or the layout of chunks may have changed'}); nothing was "
                "published",
                hint="give --force to replace it",
            )


def _readable(store: Store, names: list[str]) -> list[CellInfo]:
    """What the store says of those cell lines whose attributes are not damaged."""
    found = []
    for name in names:
        with suppress(StoreError):
            found.append(store.cell(name))
    return found


def _as_track(store: Store, signal: SignalFile) -> Track:
    """A track is shared where the genome has one of this name made from the same file."""
    shared = store.info.shared
    if signal.name not in shared:
        return Track(signal.name, shared=False)
    inputs = [i["sha256"] for i in store.info.provenance.get("inputs", [])]
    made_from = dict(zip(reversed(shared), reversed(inputs), strict=False))  # the last of the inputs, in the same order
    if file_digest(signal.path) != made_from.get(signal.name):
        raise StoreError(
            signal.path,
            f"track {signal.name!r} is shared by all cell lines of the store, from a file of other content",
            hint="name this one differently in bigwig.txt",
        )
    return Track(signal.name, shared=True)


def _signal_tasks(
    group: zarr.Group,
    staged: Path,
    coordinates: GenomeCoordinates,
    *,
    tracks: tuple[Track, ...],
    sources: list[CheckedBigWig],
    layout: Layout,
) -> list[ShardTask]:
    tasks: list[ShardTask] = []
    for track, source in zip(tracks, sources, strict=True):
        if not track.shared:
            create_track(group, "tracks", track.name, coordinates, layout)
            tasks += signal_tasks(staged, f"tracks/{track.name}", track.name, coordinates, source)
    return tasks


def _label_tasks(
    group: zarr.Group, staged: Path, coordinates: GenomeCoordinates, factors: list[FactorPeaks], layout: Layout
) -> list[ShardTask]:
    if not factors:
        return []
    labels = group.create_group("labels")
    tasks: list[ShardTask] = []
    for i, (name, length) in enumerate(zip(coordinates.names, coordinates.lengths, strict=True)):
        bins = bin_count(length)
        create_array(
            labels,
            name,
            shape=(bins, len(factors)),
            dtype="uint8",
            dimension_names=(f"bin_{name}", "factor"),
            layout=layout.for_rows(bins, width=len(factors)),
            attributes={"factors": [f.name for f in factors], "values": "0=unbound 1=bound 2=ambiguous"},
        )
        peaks = tuple((_on(f.conservative.peaks, i), _on((f.relaxed or f.conservative).peaks, i)) for f in factors)
        tasks += [WriteLabels(t, peaks) for t in shard_regions(staged, f"labels/{name}")]
    return tasks


def _on(peaks: Peaks, chrom: int) -> tuple[IntArray, IntArray]:
    here = peaks.chrom == chrom
    return peaks.start[here], peaks.stop[here]


def _write_peaks(staged: Path, factor: FactorPeaks) -> None:
    write_dataset(peaks_dataset(factor.conservative.peaks), staged, f"peaks/{factor.name}/conservative")
    if factor.relaxed is not None:
        write_dataset(peaks_dataset(factor.relaxed.peaks), staged, f"peaks/{factor.name}/relaxed")


def _write_meta(staged: Path, sheets: CellFolder) -> None:
    values = np.array([value for _, value in sheets.meta], np.float32)
    write_dataset(xr.Dataset({"meta": ("feature", values)}), staged, "")


def summarise(tracks: tuple[Track, ...], factors: list[FactorPeaks], reports: list[ShardReport]) -> dict[str, Any]:
    """Figures of a cell line: of each track the values, of each factor the peaks and the bins of each label."""
    summary: dict[str, Any] = {"tracks": {}, "factors": {}}
    for track in tracks:
        parts = [r.signal for r in reports if r.name == track.name and r.signal is not None]
        if parts:
            whole = sum(parts[1:], parts[0])
            summary["tracks"][track.name] = {
                "covered": whole.covered,
                "gaps": whole.gaps,
                "min": whole.low if whole.covered else None,
                "mean": whole.total / whole.covered if whole.covered else None,
                "max": whole.high if whole.covered else None,
            }
    count = [r.counts for r in reports if r.name == "labels"]
    for i, factor in enumerate(factors):
        unbound, bound, ambiguous = (sum(c[i][k] for c in count) for k in range(3))
        summary["factors"][factor.name] = {
            "conservative": int(factor.conservative.peaks.start.size),
            "relaxed": int(factor.relaxed.peaks.start.size) if factor.relaxed else None,
            "dropped": factor.conservative.dropped,
            "bins": {"unbound": unbound, "bound": bound, "ambiguous": ambiguous},
        }
    return summary


def _notes(
    factors: list[FactorPeaks], tracks: tuple[Track, ...], sources: list[CheckedBigWig], reports: list[ShardReport]
) -> list[str]:
    notes = [f"track {t.name}: shared, kept with the genome" for t in tracks if t.shared]
    for track, source in zip(tracks, sources, strict=True):
        notes += [] if track.shared else signal_notes(track.name, source, reports)
    return notes + [note for factor in factors for note in factor_notes(factor)]
