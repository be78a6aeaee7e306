"""Build the part of a store that all cell lines share: sequence, annotation, blacklist, shared tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from ...store.errors import InputError, StoreError, UsageError
from ...store.format.layout import DEFAULT_LAYOUT, Layout, create_array
from ...store.genome.intervals import GenomeCoordinates, IntArray, Intervals
from ...store.reader import open_store
from ...store.schema import FEATURES, Chromosome, StoreInfo, check_name
from ...store.text import format_count
from ..inputs.annotation import (
    README_RULES,
    AnnotationRules,
    annotation_from_beds,
    annotation_from_gtf,
    check_bedtools,
)
from ..inputs.bed import read_peaks
from ..inputs.bigwig import CheckedBigWig, open_bigwig
from ..inputs.chrom_aliases import alias_hint, default_selection, file_names
from ..inputs.fasta import PreparedFasta, prepare_fasta
from ..inputs.provenance import check_unchanged, describe_build, fingerprint_inputs, report_changed_inputs
from ..publish.disk_space import check_disk_space
from ..publish.manifest_writer import genome_attributes, values_digest, write_group, write_manifest
from ..publish.transaction import publish, staging
from ..shards.executor import OnPlan, OnReport, Resources
from ..shards.journal import Journal
from ..shards.tasks import DigestSequence, ShardReport, ShardTask, WriteAnnotation, WriteSequence, shard_regions
from .report import BuildReport
from .size_estimate import genome_bytes
from .table_writer import intervals_dataset, write_dataset
from .tracks import create_track, signal_notes, signal_tasks


@dataclass(frozen=True)
class GenomeInputs:
    """Files a genome is made of.

    Attributes:
        fasta: sequence, plain or gzipped.
        gtf: transcripts (GENCODE), with `cpg`; or none.
        cpg: CpG islands, UCSC table or BED.
        beds: instead of both, one BED a feature of `FEATURES`.
        blacklist: BED, or none.
        tracks: name -> bigWig that all cell lines share.
    """

    fasta: Path
    gtf: Path | None = None
    cpg: Path | None = None
    beds: Mapping[str, Path] = field(default_factory=dict)
    blacklist: Path | None = None
    tracks: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.gtf is None) != (self.cpg is None):
            raise UsageError("annotation needs both --gtf and --cpg, or six BED files (--annotation-bed)")
        if self.beds and (self.gtf is not None or set(self.beds) != set(FEATURES)):
            raise UsageError(f"ready annotation needs exactly one BED file each of {', '.join(FEATURES)}, and no --gtf")
        for path in self.files:
            if not path.is_file():
                raise InputError(path, "no such file", hint="correct the path")

    @property
    def files(self) -> tuple[Path, ...]:
        """All input files there are."""
        named = [self.fasta, self.gtf, self.cpg, *self.beds.values(), self.blacklist, *self.tracks.values()]
        return tuple(p for p in named if p is not None)


@dataclass(frozen=True)
class GenomeOptions:
    """How to read them.

    Attributes:
        assembly: its name; recognised by chromosome lengths, or else the FASTA's file name, where None.
        chroms: store names to take; FactorNet's (chr1..22, X) where empty.
        aliases: file name -> store name.
        rules: how transcripts become features.
        allow_missing: take chromosomes that a track lacks as 0.
        layout: chunks and shards.
    """

    assembly: str | None = None
    chroms: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    rules: AnnotationRules = README_RULES
    allow_missing: bool = False
    layout: Layout = DEFAULT_LAYOUT

    def describe(self) -> dict[str, Any]:
        """For the provenance."""
        return {
            "chroms": list(self.chroms),
            "aliases": dict(self.aliases),
            "promoter": [self.rules.upstream, self.rules.downstream],
            "untranslated": self.rules.untranslated,
            "allow_missing_chroms": self.allow_missing,
        }


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
    """Make a new store with a genome in it.

    Raises:
        StoreError: the store is there (and not `force`), or has cell lines.
        InputError, UsageError: an input or option is wrong.
    """
    _refuse_existing(store, force=force)
    check_name(store.name, "store")
    for name in inputs.tracks:
        check_name(name, "track")
    if inputs.gtf is not None:
        check_bedtools()
    states = fingerprint_inputs(inputs.files)
    provenance = describe_build(states, options.describe())
    state = _state(inputs, options, provenance)
    refuse = partial(_refuse_existing, store, force=force)
    with staging(store.resolve(), "genome", keep=True) as work, closing(Journal(work, state)) as journal:
        refuse()  # again, now that no other can start one
        fasta = prepare_fasta(inputs.fasta, journal.folder)
        records, notes = _select(inputs.fasta, fasta, options)
        coordinates = GenomeCoordinates(tuple(records), tuple(fasta.lengths[r] for r in records.values()))
        assembly = _assembly(options.assembly, coordinates, inputs.fasta)
        needed = genome_bytes(coordinates, tracks=len(inputs.tracks))
        check_disk_space(store, needed, what="the genome", hint="or make the store on another disk")
        staged = journal.folder / store.name
        root = zarr.create_group(str(staged), zarr_format=3)
        genome = root.create_group("genome")
        tasks: list[ShardTask] = [DigestSequence(name, fasta, record) for name, record in records.items()]
        tasks += _sequence_tasks(genome, staged, coordinates, fasta=fasta, records=records, layout=options.layout)
        tasks += _annotation_tasks(genome, staged, coordinates, inputs, options)
        sources = _open_tracks(inputs, coordinates, options)
        tasks += _track_tasks(genome, staged, coordinates, sources, options.layout)
        notes += _write_blacklist(staged, coordinates, inputs, options)
        if on_plan:
            on_plan(tasks)
        with report_changed_inputs(states):
            reports = journal.run(tasks, staged, resources, on_report)
        notes += [note for name, source in sources.items() for note in signal_notes(name, source, reports)]
        known = {key.removeprefix("genome/"): sha for key, sha in journal.known.items()}
        shared = {name: values_digest(known, f"tracks/{name}/") for name in inputs.tracks}
        info = StoreInfo(assembly, _chromosomes(coordinates, reports), shared=shared, provenance=provenance)
        genome.attrs["tracks"] = list(inputs.tracks)
        genome.attrs["annotation"] = bool(inputs.gtf or inputs.beds)
        manifest = write_manifest(staged / "genome", own=True, known=known)
        write_group(staged, {**info.to_attributes(), **genome_attributes(manifest)})
        check_unchanged(states)
        publish(staged, store.resolve(), "genome", check=refuse)
    return BuildReport(
        f"genome {assembly} in {store}", tuple(reports), (*notes, *([journal.note] if journal.note else []))
    )


def _chromosomes(coordinates: GenomeCoordinates, reports: Sequence[ShardReport]) -> tuple[Chromosome, ...]:
    digests = {r.chrom: r.digest for r in reports if r.digest}
    return tuple(
        Chromosome(n, size, digests[n]) for n, size in zip(coordinates.names, coordinates.lengths, strict=True)
    )


def _state(inputs: GenomeInputs, options: GenomeOptions, provenance: dict[str, Any]) -> dict[str, Any]:
    """What shards of the genome depend on."""
    roles = {
        "assembly": options.assembly,
        "gtf": inputs.gtf is not None,
        "beds": {name: path.name for name, path in inputs.beds.items()},
        "blacklist": inputs.blacklist is not None,
        "tracks": {name: path.name for name, path in inputs.tracks.items()},
    }
    return {**provenance, "roles": roles, "layout": asdict(options.layout)}


def _refuse_existing(store: Path, *, force: bool) -> None:
    if not store.exists():
        return
    if not force:
        raise StoreError(store, "is there already", hint="give another name, or --force to replace it")
    try:
        cells = open_store(store).cells
    except StoreError:
        # Damaged, or of an earlier version: may be replaced too, but not a folder that never was a store.
        if not (store / "zarr.json").is_file() or not (store / "genome").is_dir():
            raise
        cells = tuple(sorted(p.name for p in store.glob("cells/*")))
    if cells:
        raise StoreError(store, f"holds the cell lines {', '.join(cells)}", hint="remove it by hand to start over")


def _select(path: Path, fasta: PreparedFasta, options: GenomeOptions) -> tuple[dict[str, str], list[str]]:
    """Store name -> record of the chromosomes to take, in the FASTA's order, and a note on those left out."""
    names = [options.aliases.get(r, r) for r in fasta.lengths]
    chosen = list(options.chroms) or default_selection(names)
    records = file_names([n for n in names if n in chosen], fasta.lengths, options.aliases, file=path)
    absent = [n for n in chosen if n not in records]
    if absent:
        have = ", ".join(list(fasta.lengths)[:6])
        raise InputError(
            path, f"no record for {', '.join(absent)}; it has {have}", hint=alias_hint(fasta.lengths, absent)
        )
    for name in records:
        try:
            check_name(name, "chromosome")
        except UsageError as e:
            hint = "rename it with --chrom-alias, or leave it out with --chroms"
            raise InputError(path, str(e), hint=hint) from e
    left = [n for n in names if n not in records]
    shown = ", ".join(left[:6]) + (", ..." if len(left) > 6 else "")
    return records, [f"{format_count(len(left), 'record')} of the FASTA left out: {shown}"] if left else []


def _assembly(given: str | None, coordinates: GenomeCoordinates, fasta: Path) -> str:
    """The assembly's name: recognised by the lengths of its chromosomes, given, or the FASTA's file name.

    Raises:
        InputError: the name given is one we know, and a length differs.
    """
    tables = [t for t in (files("factornet") / "resources").iterdir() if t.name.endswith(".chrom.sizes")]
    for table in sorted(tables, key=lambda t: t.name):
        known = dict(line.split() for line in table.read_text().splitlines())
        name = table.name.removesuffix(".chrom.sizes")
        wrong = [
            (n, size)
            for n, size in zip(coordinates.names, coordinates.lengths, strict=True)
            if known.get(n) != str(size)
        ]
        if given == name and wrong:
            chrom, size = wrong[0]
            problem = f"{chrom} has {size} bases, in {name} it has {known.get(chrom, 'no place')}"
            raise InputError(fasta, problem, hint="fetch the file anew if it was cut, or correct --assembly")
        if given is None and not wrong:
            return name
    return given or fasta.name.split(".")[0]


def _sequence_tasks(
    genome: zarr.Group,
    staged: Path,
    coordinates: GenomeCoordinates,
    *,
    fasta: PreparedFasta,
    records: Mapping[str, str],
    layout: Layout,
) -> list[ShardTask]:
    group = genome.create_group("sequence")
    tasks: list[ShardTask] = []
    for name, length in zip(coordinates.names, coordinates.lengths, strict=True):
        create_array(
            group,
            name,
            shape=(length,),
            dtype="uint8",
            dimension_names=(f"position_{name}",),
            layout=layout.for_rows(length),
            attributes={"codes": "0=A 1=C 2=G 3=T 4=other"},
        )
        tasks += [WriteSequence(t, fasta, records[name]) for t in shard_regions(staged, f"genome/sequence/{name}")]
    return tasks


def _annotation_tasks(
    genome: zarr.Group, staged: Path, coordinates: GenomeCoordinates, inputs: GenomeInputs, options: GenomeOptions
) -> list[ShardTask]:
    if inputs.gtf and inputs.cpg:
        features = annotation_from_gtf(inputs.gtf, inputs.cpg, coordinates, options.aliases, options.rules)
    elif inputs.beds:
        features = annotation_from_beds(inputs.beds, coordinates, options.aliases)
    else:
        return []
    group = genome.create_group("annotation")
    tasks: list[ShardTask] = []
    for i, (name, length) in enumerate(zip(coordinates.names, coordinates.lengths, strict=True)):
        create_array(
            group,
            name,
            shape=(length,),
            dtype="uint8",
            dimension_names=(f"position_{name}",),
            layout=options.layout.for_rows(length),
            attributes={"bits": list(FEATURES)},
        )
        for target in shard_regions(staged, f"genome/annotation/{name}"):
            first, last = coordinates.offsets[i] + target.start, coordinates.offsets[i] + target.stop
            tasks.append(
                WriteAnnotation(
                    target, tuple(_between(features[f], first, last, coordinates.offsets[i]) for f in FEATURES)
                )
            )
    return tasks


def _open_tracks(
    inputs: GenomeInputs, coordinates: GenomeCoordinates, options: GenomeOptions
) -> dict[str, CheckedBigWig]:
    missing = options.allow_missing
    return {n: open_bigwig(p, coordinates, options.aliases, allow_missing=missing) for n, p in inputs.tracks.items()}


def _track_tasks(
    genome: zarr.Group,
    staged: Path,
    coordinates: GenomeCoordinates,
    sources: Mapping[str, CheckedBigWig],
    layout: Layout,
) -> list[ShardTask]:
    tasks: list[ShardTask] = []
    for name, source in sources.items():
        create_track(genome, "tracks", name, coordinates, layout)
        tasks += signal_tasks(staged, f"genome/tracks/{name}", name, coordinates, source)
    return tasks


def _between(merged: Intervals, first: int, last: int, offset: int) -> tuple[IntArray, IntArray]:
    """Those intervals that touch ``[first, last)`` of the axis, in coordinates of the chromosome."""
    keep = (merged.starts < last) & (merged.stops > first)
    return merged.starts[keep] - offset, merged.stops[keep] - offset


def _write_blacklist(
    staged: Path, coordinates: GenomeCoordinates, inputs: GenomeInputs, options: GenomeOptions
) -> list[str]:
    if inputs.blacklist is None:
        empty = np.array([], np.int64)
        write_dataset(intervals_dataset(empty, empty, empty), staged, "genome/blacklist")
        return ["no blacklist given: none of the genome is left out"]
    found = read_peaks(inputs.blacklist, coordinates, options.aliases)
    if not found.peaks.start.size:
        raise InputError(inputs.blacklist, "no interval in the file", hint="fetch it anew, or leave --blacklist out")
    write_dataset(intervals_dataset(found.peaks.chrom, found.peaks.start, found.peaks.stop), staged, "genome/blacklist")
    return [f"blacklist: {format_count(found.peaks.chrom.size, 'interval')}"]
