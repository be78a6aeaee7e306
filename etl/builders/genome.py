"""Build the genome of a store, which all cell lines share: sequence, annotation, blacklist, shared tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import zarr

from ...store.annotation_rules import README_RULES
from ...store.errors import StoreError, UsageError
from ...store.files.atomic_write import naming_file
from ...store.format.manifest import check_may_be_damaged
from ...store.genome.intervals import GenomeCoordinates, IntArray, Intervals
from ...store.reader import open_store
from ...store.schema import FEATURES, GAP_BASES, Chromosome, StoreInfo, check_name
from ..annotation.features import Annotation, annotation_from_beds, annotation_from_gtf, check_bedtools
from ..annotation.shares import annotation_notes, describe_annotation
from ..inputs.bigwig import CheckedBigWig, open_bigwig
from ..inputs.provenance import (
    InputFingerprint,
    check_unchanged,
    describe_build,
    fingerprint_inputs,
    report_changed_inputs,
)
from ..publish.cell_index_writer import write_cells_group
from ..publish.disk_space import check_disk_space, check_publishable
from ..publish.manifest_writer import genome_attributes, values_digest, write_group, write_manifest
from ..publish.store_name import check_store_folder
from ..publish.transaction import publish, staging
from ..shards.executor import OnPlan, OnReport, Resources
from ..shards.journal import Journal
from ..shards.tasks import DigestSequence, ShardReport, ShardTask, WriteAnnotation, WriteSequence
from ..uniqueness.compute import compute_uniqueness, uniqueness_bytes
from .genome_inputs import GenomeInputs, GenomeOptions
from .parts.chromosome_arrays import ChromosomeArrays
from .parts.excluded_regions import write_assembly_gaps, write_blacklist
from .parts.selected_sequence import SelectedSequence, read_sequence
from .parts.tracks import create_track, describe_tracks, track_notes
from .report import BuildReport
from .size_estimate import genome_bytes


def build_genome(
    store: Path,
    inputs: GenomeInputs,
    options: GenomeOptions,
    resources: Resources,
    *,
    force: bool = False,
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> BuildReport:
    """Create a store with a genome and no cell lines.

    Args:
        store: folder to create.
        inputs: source files.
        options: how to read them.
        resources: processes and memory.
        force: replace an existing store without cell lines.
        on_report: called as each task ends.
        on_plan: called with tasks before they start; several times if uniqueness is computed.

    Raises:
        StoreError: the store already exists (and not `force`), has cell lines, or is being built by another process;
            or the disk is full or faulty.
        InputError, UsageError: an input or option is wrong.
    """
    check_replaceable = partial(_check_replaceable, store, force=force)
    check_replaceable()
    _check_before_work(store, inputs, options)
    fingerprints = fingerprint_inputs(inputs.files)
    provenance = describe_build(fingerprints, options.describe())
    state = _describe_state(inputs, options, provenance)
    with staging(store.resolve(), "genome", keep=True) as work, closing(Journal(work, state)) as journal:
        check_replaceable()  # again, now that no other process can build one
        sequence = read_sequence(
            inputs.fasta, journal.folder, chroms=options.chroms, aliases=options.aliases, assembly=options.assembly
        )
        needed = genome_bytes(sequence.coordinates, tracks=len(inputs.tracks) + (options.uniqueness is not None))
        needed += uniqueness_bytes(sequence.fasta, options.uniqueness) if options.uniqueness else 0
        check_disk_space(store, needed, what="the genome", hint="or build the store on another disk")
        inputs, computed_notes = _with_uniqueness(
            inputs, sequence, fingerprints, options, resources, work=work, on_report=on_report, on_plan=on_plan
        )
        fingerprints += fingerprint_inputs(inputs.files[len(fingerprints) :])
        provenance = describe_build(fingerprints, options.describe())
        staged = journal.folder / store.name
        annotation = _read_annotation(inputs, options, sequence.coordinates)
        tasks, bigwigs = _create_arrays(staged, sequence, annotation, inputs, options)
        blacklist_notes = write_blacklist(staged, sequence.coordinates, inputs.blacklist, options.aliases)
        if on_plan:
            on_plan(tasks)
        with report_changed_inputs(fingerprints):
            reports = journal.run(tasks, staged, resources, on_report)
        gaps, gaps_note = write_assembly_gaps(staged, sequence.coordinates, reports)
        summary = _summarise(annotation, inputs, reports) | {"assembly_gaps": gaps}
        _write_attributes(
            staged, sequence, inputs, reports, known=journal.known, provenance=provenance, summary=summary
        )
        check_unchanged(fingerprints)
        publish(staged, store.resolve(), "genome", check=check_replaceable)
    size = sum(sequence.coordinates.lengths)
    notes = [*sequence.notes, *computed_notes, *annotation_notes(summary.get("annotation"), size)]
    notes += [*blacklist_notes, gaps_note]
    notes += [note for name, bigwig in bigwigs.items() for note in track_notes(name, bigwig, reports)]
    notes += [journal.note] if journal.note else []
    return BuildReport(f"genome {sequence.assembly} in {store}", tuple(reports), tuple(notes))


def _with_uniqueness(
    inputs: GenomeInputs,
    sequence: SelectedSequence,
    fingerprints: Sequence[InputFingerprint],
    options: GenomeOptions,
    resources: Resources,
    *,
    work: Path,
    on_report: OnReport,
    on_plan: OnPlan | None,
) -> tuple[GenomeInputs, list[str]]:
    """Return the inputs with a shared track of uniqueness as the last, if one is asked for, and notes on it.

    Its bigWig is computed in a folder of its own, which a resumed build finds again.

    Raises:
        InputError: a chromosome of the store is not counted.
        FactorNetError: as `compute_uniqueness`.
    """
    if options.uniqueness is None:
        return inputs, []
    track = options.uniqueness.track
    with report_changed_inputs(fingerprints):
        computed = compute_uniqueness(
            sequence.fasta,
            fingerprints[0],
            options.uniqueness,
            resources,
            work=work / "uniqueness",
            name=f"{track}.bw",
            required=tuple(sequence.records.values()),
            on_report=on_report,
            on_plan=on_plan,
        )
    inputs = replace(inputs, tracks={**inputs.tracks, track: computed.path})
    return inputs, [f"track {track}: {note}" for note in computed.notes()]


def _check_before_work(store: Path, inputs: GenomeInputs, options: GenomeOptions) -> None:
    """Check what would fail at the end: permissions, names, and the program that a GTF needs."""
    check_store_folder(store)
    check_publishable(store.resolve(), "genome")
    for name in inputs.tracks:
        check_name(name, "track")
    if options.uniqueness and options.uniqueness.track in inputs.tracks:
        raise UsageError(
            f"the track {options.uniqueness.track} is given, and is to be computed too; choose one of both"
        )
    if inputs.gtf is not None:
        check_bedtools()


def _describe_state(inputs: GenomeInputs, options: GenomeOptions, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return what the shards of the genome depend on, for the journal."""
    roles = {
        "assembly": options.assembly,
        "gtf": inputs.gtf is not None,
        "beds": {name: path.name for name, path in inputs.beds.items()},
        "blacklist": inputs.blacklist is not None,
        "tracks": {name: path.name for name, path in inputs.tracks.items()},
    }
    return {**provenance, "roles": roles, "layout": asdict(options.layout), "gap_bases": GAP_BASES}


def _check_replaceable(store: Path, *, force: bool) -> None:
    """Check that no store exists at a path, or, with `force`, one without cell lines."""
    if not store.exists():
        return
    if not force:
        raise StoreError(store, "already exists", hint="choose another name, or use the force option to replace it")
    try:
        cells = open_store(store).cells
    except StoreError as e:
        check_may_be_damaged(e, str(store))
        # A damaged store, or one of an earlier version, may be replaced; a folder that never was a store may not.
        if not (store / "zarr.json").is_file() or not (store / "genome").is_dir():
            raise
        cells = tuple(sorted(p.name for p in store.glob("cells/*") if p.is_dir()))
    if cells:
        raise StoreError(store, f"holds the cell lines {', '.join(cells)}", hint="remove it by hand to start over")


def _create_arrays(
    staged: Path,
    sequence: SelectedSequence,
    annotation: Annotation | None,
    inputs: GenomeInputs,
    options: GenomeOptions,
) -> tuple[list[ShardTask], dict[str, CheckedBigWig]]:
    """Create the genome's arrays; return the tasks that fill them, and the bigWig of each track."""
    with naming_file(staged / "zarr.json"):
        zarr.create_group(str(staged), zarr_format=3).create_group("genome")
    arrays = ChromosomeArrays(staged, sequence.coordinates, options.layout)
    tasks: list[ShardTask] = [
        DigestSequence(c, sequence.fasta.only(record), record) for c, record in sequence.records.items()
    ]
    tasks += _create_sequence(arrays, sequence)
    tasks += _create_annotation(arrays, annotation)
    bigwigs = {
        name: open_bigwig(path, sequence.coordinates, options.aliases, allow_missing=options.allow_missing)
        for name, path in inputs.tracks.items()
    }
    for name, bigwig in bigwigs.items():
        tasks += create_track(arrays, f"genome/tracks/{name}", name, bigwig)
    return tasks, bigwigs


def _create_sequence(arrays: ChromosomeArrays, sequence: SelectedSequence) -> list[ShardTask]:
    codes = {"codes": "0=A 1=C 2=G 3=T 4=other"}
    regions = arrays.per_base("genome/sequence", dtype="uint8", attributes=codes)
    records = ((sequence.records[chrom], regions[chrom]) for chrom in regions)
    return [WriteSequence(r, sequence.fasta.only(record), record) for record, shards in records for r in shards]


def _read_annotation(inputs: GenomeInputs, options: GenomeOptions, coordinates: GenomeCoordinates) -> Annotation | None:
    if inputs.gtf and inputs.cpg:
        rules = options.rules or README_RULES
        return annotation_from_gtf(inputs.gtf, inputs.cpg, coordinates, options.aliases, rules)
    return annotation_from_beds(inputs.beds, coordinates, options.aliases, options.rules) if inputs.beds else None


def _create_annotation(arrays: ChromosomeArrays, annotation: Annotation | None) -> list[ShardTask]:
    if annotation is None:
        return []
    coordinates, features = arrays.coordinates, annotation.features
    regions = arrays.per_base("genome/annotation", dtype="uint8", attributes={"bits": list(FEATURES)})
    tasks: list[ShardTask] = []
    for chrom, offset in zip(coordinates.names, coordinates.offsets, strict=True):
        for r in regions[chrom]:
            selected = tuple(_overlapping(features[f], r.start, r.stop, offset) for f in FEATURES)
            tasks.append(WriteAnnotation(r, selected))
    return tasks


def _overlapping(merged: Intervals, start: int, stop: int, offset: int) -> tuple[IntArray, IntArray]:
    """Select the intervals that overlap ``[start, stop)`` of a chromosome; return them in its coordinates.

    Args:
        merged: intervals in absolute coordinates.
        start: first base on the chromosome, 0-based.
        stop: end, exclusive.
        offset: absolute coordinate of the chromosome's first base.
    """
    keep = (merged.starts < offset + stop) & (merged.stops > offset + start)
    return merged.starts[keep] - offset, merged.stops[keep] - offset


def _summarise(annotation: Annotation | None, inputs: GenomeInputs, reports: Sequence[ShardReport]) -> dict[str, Any]:
    """Return figures of the shared tracks, and of the annotation where there is one."""
    summary: dict[str, Any] = {"tracks": describe_tracks(inputs.tracks, reports)}
    if annotation is not None:
        own = [r for r in reports if r.name == "annotation"]
        bases = dict(zip(FEATURES, map(sum, zip(*(r.counts[0] for r in own), strict=True)), strict=True))
        annotated = {r.chrom for r in own if any(r.counts[0])}
        bare = [r.chrom for r in own if r.chrom not in annotated]
        summary["annotation"] = describe_annotation(annotation, bases, sum(r.rows for r in own), bare=bare)
    return summary


def _write_attributes(
    staged: Path,
    sequence: SelectedSequence,
    inputs: GenomeInputs,
    reports: Sequence[ShardReport],
    *,
    known: Mapping[str, str],
    provenance: dict[str, Any],
    summary: dict[str, Any],
) -> None:
    """Write the attributes of the finished genome, its manifest, and the attributes of the store."""
    group = zarr.open_group(str(staged / "genome"), mode="r+")
    group.attrs["tracks"] = list(inputs.tracks)
    group.attrs["annotation"] = bool(inputs.gtf or inputs.beds)
    group.attrs["assembly_gaps"] = "assembly_gaps" in group
    known = {key.removeprefix("genome/"): sha256 for key, sha256 in known.items()}
    manifest = write_manifest(staged / "genome", own=True, known=known)
    digests = {r.chrom: r.digest for r in reports if r.digest}
    lengths = zip(sequence.coordinates.names, sequence.coordinates.lengths, strict=True)
    info = StoreInfo(
        sequence.assembly,
        tuple(Chromosome(chrom, length, digests[chrom]) for chrom, length in lengths),
        shared={name: values_digest(known, f"tracks/{name}/") for name in inputs.tracks},
        provenance=provenance,
        summary=summary,
    )
    write_cells_group(staged)
    write_group(staged, {**info.to_attributes(), **genome_attributes(manifest)})
