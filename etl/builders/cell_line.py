"""Build one cell line, tracks, peaks, labels and meta values, as a group of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import zarr

from ...store.cell_info import CellInfo, Factor, Track
from ...store.errors import StoreError
from ...store.files.atomic_write import naming_file
from ...store.files.digest import file_digest
from ...store.format.layout import DEFAULT_LAYOUT, Layout
from ...store.reader import Store, open_store
from ...store.storage.atomic_swap import cell_line_staging_name, final_path
from ..inputs.bigwig import CheckedBigWig, open_bigwig
from ..inputs.cell_line_folder import CellFolder, SignalFile, read_cell_folder
from ..inputs.chip_peaks import FactorPeaks, read_factor, shared_peak_notes
from ..inputs.provenance import (
    InputFingerprint,
    check_unchanged,
    describe_build,
    describe_changes,
    fingerprint_inputs,
    report_changed_inputs,
)
from ..publish.disk_space import check_disk_space, check_publishable
from ..publish.manifest_writer import write_group, write_manifest
from ..publish.transaction import Version, check_not_replaced, explaining_replacement, publish, staging, version_at
from ..reads.signal_options import SignalOptions
from ..reads.track_signals import ReadSignals, make_signals, with_terms
from ..shards.executor import OnPlan, OnReport, Resources
from ..shards.journal import Journal
from ..shards.tasks import ShardTask
from ..verify.objects import verify_store
from .cell_summary import cell_notes, summarise
from .parts.chromosome_arrays import ChromosomeArrays
from .parts.labels import create_labels
from .parts.table_writer import write_tables
from .parts.tracks import create_track
from .report import BuildReport
from .size_estimate import cell_bytes
from .up_to_date import is_built, recorded_cell_line


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


def build_cell(
    path: Path,
    folder: Path | CellFolder,
    options: CellOptions,
    resources: Resources,
    *,
    force: bool = False,
    repair: bool = False,
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> BuildReport:
    """Add a cell line to the store at `path`, or replace it.

    Args:
        path: a compressed store, a local folder.
        folder: cell-line folder, or what one would contain.
        options: how to read it.
        resources: processes and memory.
        force: replace an existing cell line; otherwise one built from the same inputs and options is left unchanged.
        repair: rebuild a damaged cell line from the same inputs, to the same digests; an undamaged one is left
            unchanged.
        on_report: called as each task ends.
        on_plan: called with all tasks before the first starts.

    Raises:
        StoreError: no such store; the cell line exists, built from other inputs or options (and neither `force` nor
            `repair`), is being built by another process, or cannot be repaired from this folder; or the disk is full
            or faulty.
        InputError, UsageError: an input is wrong. Nothing is published then.
    """
    store = open_store(path)
    if not store.storage.local:
        raise StoreError(path, "is not a local folder", hint="build into a local folder, and export that")
    if store.is_raw:
        raise StoreError(
            path, "is a raw store", hint="build into the compressed store it was unpacked from, and unpack that again"
        )
    inputs = with_terms(folder if isinstance(folder, CellFolder) else read_cell_folder(folder), options.reads)
    final = final_path(Path(store.path), cell_line_staging_name(inputs.name))
    replaced = version_at(final)
    # Opened separately: a store that has read a cell line holds it open, and a replaced version could not be removed.
    if replaced is not None and not (force or repair):
        with explaining_replacement(final, replaced):
            if is_built(open_store(path), inputs, options.describe(inputs)):
                return unchanged(inputs.name, store.path)
            raise StoreError(
                f"{path}/cells/{inputs.name}",
                "already exists, but is no cell line",
                hint="use the force option to replace it",
            )
    with explaining_replacement(final, replaced):
        _check_is_ours(final)
    check_publishable(Path(store.path), cell_line_staging_name(inputs.name))
    fingerprints = fingerprint_inputs(inputs.files)
    provenance = describe_build(fingerprints, options.describe(inputs), sources=inputs.sources)
    build = _Build(store, inputs, options, fingerprints, provenance, replaced)
    return (build.repair if repair else build.build)(resources, on_report, on_plan)


def _check_is_ours(final: Path) -> None:
    """Check that a folder at the path of a cell line, which would be replaced, is empty or part of a Zarr hierarchy.

    Raises:
        StoreError: it has other files.
    """
    try:
        is_foreign = final.is_dir() and any(final.iterdir()) and not any(final.rglob("zarr.json"))
    except FileNotFoundError:
        return  # another process has just removed it
    if is_foreign:
        raise StoreError(final, "exists, and holds other files than those of a cell line", hint="move it away")


def unchanged(name: str, location: str) -> BuildReport:
    """Return the report of a cell line that already exists as it would be built."""
    note = "already exists, built from the same inputs and options"
    return BuildReport(f"cell line {name} in {location}", (), (note,), unchanged=True)


@dataclass(frozen=True)
class _Content:
    """Checked inputs of a cell line: its tracks, a bigWig for each of them, and the peaks of its factors."""

    tracks: tuple[Track, ...]
    bigwigs: tuple[CheckedBigWig, ...]
    factors: tuple[FactorPeaks, ...]


@dataclass(frozen=True)
class _Build:
    """One build of a cell line.

    Attributes:
        store: to build into.
        inputs: files of the cell line.
        options: how to read them.
        fingerprints: of the input files when the build began.
        provenance: as it will be recorded.
        replaced: version at the final path when the build began; None if there was none.
        expected: attributes of the cell line that a repair must reproduce; None otherwise.
    """

    store: Store
    inputs: CellFolder
    options: CellOptions
    fingerprints: tuple[InputFingerprint, ...]
    provenance: dict[str, Any]
    replaced: Version | None
    expected: CellInfo | None = None

    def build(self, resources: Resources, on_report: OnReport, on_plan: OnPlan | None) -> BuildReport:
        """Build and publish; report damage in the genome too, because every reader of the cell line reads it."""
        root, name = Path(self.store.path), cell_line_staging_name(self.inputs.name)
        with staging(root, name, keep=True) as work:
            check_not_replaced(final_path(root, name), self.replaced)
            report = self._build_in(work, resources, on_report, on_plan)
        return replace(report, left=verify_store(self.store.path, cells=(), quick=True).findings)

    def repair(self, resources: Resources, on_report: OnReport, on_plan: OnPlan | None) -> BuildReport:
        """Rebuild the cell line if it is damaged; report what was repaired and what else is damaged."""
        path, name = self.store.path, self.inputs.name
        with explaining_replacement(final_path(Path(path), cell_line_staging_name(name)), self.replaced):
            expected = recorded_cell_line(open_store(path), self.inputs, self.provenance)  # opened separately, as above
            verified = verify_store(path, cells=[name])
        damage = verified.of(f"cells/{name}")
        left = tuple(f for f in verified.findings if f not in damage)
        if not damage:
            note = "nothing to repair: it is undamaged"
            return BuildReport(f"cell line {name} in {path}", (), (note,), unchanged=True, left=left)
        report = replace(self, expected=expected).build(resources, on_report, on_plan)
        repaired = [f"repaired: {f.path} ({f.kind})" for f in damage]
        return replace(report, notes=(*repaired, *report.notes), left=left)

    def _build_in(self, work: Path, resources: Resources, on_report: OnReport, on_plan: OnPlan | None) -> BuildReport:
        """Build in the staging folder `work`, and publish."""
        name, root = self.inputs.name, Path(self.store.path)
        with report_changed_inputs(self.fingerprints):
            signals = self._signals_of_reads(work)
        content = self._read_inputs(signals)
        self._check_disk_space(content)
        with closing(Journal(work, self._describe_state())) as journal:
            staged = journal.folder / name
            tasks = self._create_arrays(staged, content)
            write_tables(staged, content.factors, self.inputs.meta)
            if on_plan:
                on_plan(tasks)
            with report_changed_inputs(self.fingerprints):
                reports = journal.run(tasks, staged, resources, on_report)
            summary = summarise(content.tracks, content.factors, reports, signals.reports)
            info = CellInfo(
                name,
                self.store.info.sequences,
                content.tracks,
                tuple(Factor(f.name, f.relaxed is not None) for f in content.factors),
                tuple(feature for feature, _ in self.inputs.meta),
                {t.name: self.store.info.shared[t.name] for t in content.tracks if t.shared},
                self.provenance,
                summary,
            )
            manifest = write_manifest(staged, known=journal.known)
            write_group(staged, {**info.to_attributes(), **manifest})
            check = partial(self._check_publishable, manifest["manifest"])
            publish(staged, root, cell_line_staging_name(name), check=check)
        notes = [*([journal.note] if journal.note else []), *self.inputs.notes]
        notes += [*signals.notes, *cell_notes(content.tracks, content.bigwigs, summary, reports)]
        notes += shared_peak_notes(self.inputs.chip, self.fingerprints, self._other_cell_lines())
        return BuildReport(f"cell line {name} in {self.store.path}", tuple(reports), tuple(notes))

    def _signals_of_reads(self, work: Path) -> ReadSignals:
        """Make bigWigs in `work` of the tracks that are given as reads."""
        if not any(track.has_reads for track in self.inputs.tracks):
            return ReadSignals()
        for track in self.inputs.tracks:
            if track.name in self.store.info.shared and track.has_reads:
                problem = f"track {track.name!r} is shared by all cell lines of the store"
                raise StoreError(track.path, problem, hint="name this one differently in bigwig.txt")
        options, aliases = self.options.reads, self.options.aliases
        return make_signals(
            work / "signals",
            self.inputs.tracks,
            self.store,
            options,
            aliases,
            state=self._describe_state(),
            allow_missing=self.options.allow_missing,
        )

    def _read_inputs(self, signals: ReadSignals) -> _Content:
        coordinates, aliases = self.store.coordinates, self.options.aliases
        factors = tuple(read_factor(row, coordinates, aliases) for row in self.inputs.chip)
        rows = tuple(signals.as_bigwig(track) for track in self.inputs.tracks)
        bigwigs = tuple(
            # Cuts are counted under the store's names already.
            open_bigwig(
                t.path,
                coordinates,
                {} if t not in self.inputs.tracks else aliases,
                allow_missing=self.options.allow_missing,
            )
            for t in rows
        )
        return _Content(tuple(_as_track(self.store, t) for t in rows), bigwigs, factors)

    def _check_disk_space(self, content: _Content) -> None:
        files = [f for row in self.inputs.chip for f in (row.conservative, row.relaxed) if f is not None]
        tracks = sum(not t.shared for t in content.tracks)
        needed = cell_bytes(self.store.coordinates, tracks=tracks, peak_files=files)
        what, hint = f"cell line {self.inputs.name}", "or move the store to another disk"
        check_disk_space(Path(self.store.path), needed, what=what, hint=hint)

    def _describe_state(self) -> dict[str, Any]:
        """Return what the shards of the cell line depend on, for the journal."""
        sheets = {
            "tracks": [[t.name, *(path.name for path in t.paths), t.assay, t.units] for t in self.inputs.tracks],
            "factors": [[row.factor, row.relaxed is not None] for row in self.inputs.chip],
        }
        genome = self.store.info.genome_manifest
        return {**self.provenance, "sheets": sheets, "genome": genome, "layout": asdict(self.options.layout)}

    def _create_arrays(self, staged: Path, content: _Content) -> list[ShardTask]:
        """Create the group and its arrays; return the tasks that fill them."""
        with naming_file(staged / "zarr.json"):
            zarr.create_group(str(staged), zarr_format=3)
        arrays = ChromosomeArrays(staged, self.store.coordinates, self.options.layout)
        tasks: list[ShardTask] = []
        for track, bigwig in zip(content.tracks, content.bigwigs, strict=True):
            if not track.shared:
                terms = {"assay": track.assay, "units": track.units}
                tasks += create_track(arrays, f"tracks/{track.name}", track.name, bigwig, **terms)
        return tasks + create_labels(arrays, content.factors)

    def _other_cell_lines(self) -> list[CellInfo]:
        """Return the other cell lines of the store whose attributes can be read."""
        others = []
        for name in self.store.cells:
            if name != self.inputs.name:
                with suppress(StoreError):
                    others.append(self.store.cell(name))
        return others

    def _check_publishable(self, manifest: str) -> None:
        """Check that inputs and genome have not changed during the build, and that a repair reproduced the digest."""
        check_unchanged(self.fingerprints)
        if open_store(self.store.path).info.genome_manifest != self.store.info.genome_manifest:
            raise StoreError(
                self.store.path, "the genome was replaced during the build", hint="build the cell line again"
            )
        if self.expected is not None and manifest != self.expected.manifest:
            changed = describe_changes(self.expected.provenance, self.provenance)
            raise StoreError(
                f"{self.store.path}/cells/{self.inputs.name}",
                "differs from the original when rebuilt from the recorded inputs "
                f"({changed or 'meta.txt or the layout of chunks may have changed'}); nothing was published",
                hint="use the force option to replace it",
            )


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
