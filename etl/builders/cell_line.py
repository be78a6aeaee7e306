"""Build one cell line, tracks, peaks, labels and meta values, as a group of its own."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import zarr

from ...store.cell_info import CellInfo, Factor
from ...store.errors import StoreError
from ...store.files.atomic_write import naming_file
from ...store.reader import Store, open_store
from ...store.storage.atomic_swap import cell_line_staging_name, final_path
from ..inputs.cell_line_folder import CellFolder, read_cell_folder
from ..inputs.provenance import (
    InputFingerprint,
    check_unchanged,
    describe_build,
    describe_changes,
    fingerprint_inputs,
    report_changed_inputs,
)
from ..publish.cell_index_writer import refresh_cell_index
from ..publish.manifest_writer import write_group, write_manifest
from ..publish.transaction import Version, check_not_replaced, explaining_replacement, publish, staging, version_at
from ..reads.track_signals import ReadSignals, make_signals, with_terms
from ..shards.executor import OnPlan, OnReport, Resources
from ..shards.journal import Journal
from ..shards.tasks import ShardTask
from ..verify.objects import verify_store
from .cell_inputs import CellContent, CellOptions, bytes_needed, check_space, check_tracks_of_reads, read_inputs
from .cell_place import check_buildable, check_existing, check_place
from .cell_summary import cell_notes, summarise
from .compare_cells import read_other_cells, recorded_files, repeated_file_notes, used_files
from .parts.chromosome_arrays import ChromosomeArrays
from .parts.labels import create_labels
from .parts.table_writer import write_tables
from .parts.tracks import create_track
from .report import BuildReport
from .up_to_date import recorded_cell_line


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
    check_buildable(store, path)
    inputs = with_terms(folder if isinstance(folder, CellFolder) else read_cell_folder(folder), options.reads)
    replaced = version_at(final_path(Path(store.path), cell_line_staging_name(inputs.name)))
    if replaced is not None and not (force or repair):
        check_existing(store.path, inputs, options, replaced)
        return unchanged(inputs.name, store.path)
    check_place(Path(store.path), inputs.name, replaced)
    fingerprints = fingerprint_inputs(inputs.files)
    provenance = describe_build(fingerprints, options.describe(inputs), sources=inputs.sources)
    build = _Build(store, inputs, options, fingerprints, provenance, replaced)
    return (build.repair if repair else build.build)(resources, on_report, on_plan)


def unchanged(name: str, location: str) -> BuildReport:
    """Return the report of a cell line that already exists as it would be built."""
    note = "already exists, built from the same inputs and options"
    return BuildReport(f"cell line {name} in {location}", (), (note,), unchanged=True)


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
        """Rebuild the cell line if it is damaged; report what was repaired and what else is damaged.

        The group of all cell lines is written again, if it is missing or damaged.
        """
        path, name = self.store.path, self.inputs.name
        refresh_cell_index(Path(path))
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
        content = read_inputs(self.store, self.inputs, self.options, signals)
        self._check_disk_space(content)
        with closing(Journal(work, self._describe_state())) as journal:
            staged = journal.folder / name
            tasks = self._create_arrays(staged, content)
            write_tables(staged, content.factors, self.inputs.meta)
            if on_plan:
                on_plan(tasks)
            with report_changed_inputs(self.fingerprints):
                reports = journal.run(tasks, staged, resources, on_report)
            summary = summarise(content.tracks, content.factors, reports, signals.reports, self.store.coordinates)
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
        notes += self._repeated_files()
        return BuildReport(f"cell line {name} in {self.store.path}", tuple(reports), tuple(notes))

    def _signals_of_reads(self, work: Path) -> ReadSignals:
        """Make bigWigs in `work` of the tracks that are given as reads."""
        if not any(track.has_reads for track in self.inputs.tracks):
            return ReadSignals()
        check_tracks_of_reads(self.store, self.inputs)
        return make_signals(
            work / "signals",
            self.inputs.tracks,
            self.store,
            self.options.reads,
            self.options.aliases,
            state=self._describe_state(),
            allow_missing=self.options.allow_missing,
        )

    def _check_disk_space(self, content: CellContent) -> None:
        n_tracks = sum(not t.shared for t in content.tracks)
        needed = bytes_needed(self.store.coordinates, self.inputs.chip, n_tracks=n_tracks)
        check_space(Path(self.store.path), needed, name=self.inputs.name)

    def _describe_state(self) -> dict[str, Any]:
        return self.options.describe_state(self.store, self.inputs, self.provenance)

    def _create_arrays(self, staged: Path, content: CellContent) -> list[ShardTask]:
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

    def _repeated_files(self) -> list[str]:
        """Return notes on input files from which other cell lines of the store were built, or that were given twice."""
        digests = {state.path: state.sha256 for state in self.fingerprints}
        others = read_other_cells(self.store, [self.inputs.name])
        files = used_files(self.inputs, self.store, digests.__getitem__)
        return repeated_file_notes(files, [file for cell in others for file in recorded_files(cell)])

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
