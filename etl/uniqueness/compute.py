"""Compute the uniqueness of a genome: from its FASTA to a bigWig, in tasks whose results an interrupted run keeps.

The uniqueness of a base is 1/n where the k bases from it on occur n = 1 to 4 times in the genome, and 0 where they
occur more often: exact copies, on the plus strand (or on both), at all bases of all counted records. Where a letter
other than A, C, G and T is among them, or the sequence ends, there is no value. So ENCODE's Duke track is defined.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import fsync_path, named_write_errors, naming_file
from ...store.files.outputs import check_output_file, output_lock, resolve_output
from ...store.machine import available_memory
from ..inputs.fasta import PreparedFasta, prepare_fasta
from ..inputs.provenance import InputFingerprint, check_unchanged, fingerprint_inputs, report_changed_inputs
from ..publish.disk_space import check_disk_space
from ..publish.transaction import InterruptedBuildError
from ..shards.executor import WORKER_MEMORY, OnPlan, OnReport, Resources
from ..shards.journal import Journal
from ..shards.tasks import ShardReport, ShardTask
from .counted_records import DEFAULT_EXCLUDED, CountedRecords, divide_records
from .kmer_hash import make_hash, plan_passes
from .packed_sequence import open_packed
from .tasks import HISTOGRAM, PACKED, CountBuckets, CountPass, PackSequence, WriteValues

_SHORTEST, _LONGEST = 8, 200
_PASS_SIZE = 20_000_000  # k-mers of 12 bytes
_SPAN = 1 << 28  # bases of a task that counts k-mers by bucket
_DISK = 3.0  # bytes a base: packed sequence 0.25, copies 4 for each base that has some, bigWig


@dataclass(frozen=True)
class UniquenessOptions:
    """What is counted.

    Attributes:
        k: length of the k-mers, 8 to 200.
        excluded: patterns of the names of records that are left out.
        both_strands: whether copies on the minus strand count too; a k-mer that is its own reverse complement, which
            only even k have, has two copies at each place.
        pass_size: k-mers that a worker holds in memory.

    Raises:
        UsageError: k is out of range.
    """

    k: int = 35
    excluded: tuple[str, ...] = DEFAULT_EXCLUDED
    both_strands: bool = False
    pass_size: int = _PASS_SIZE

    def __post_init__(self) -> None:
        if not _SHORTEST <= self.k <= _LONGEST:
            raise UsageError(f"k-mers of {self.k} bases are not counted; choose {_SHORTEST} to {_LONGEST}")

    @property
    def track(self) -> str:
        """Return the name of the track."""
        return f"Unique{self.k}"

    def describe(self) -> dict[str, Any]:
        """Return what is recorded in a store."""
        return {"k": self.k, "excluded": list(self.excluded), "strands": "both" if self.both_strands else "plus"}


@dataclass(frozen=True)
class Uniqueness:
    """A bigWig of uniqueness.

    Attributes:
        path: of the file.
        options: what was counted.
        records: counted ones and others.
        bases: number of bases without a value, and whose k-mer has 1, 2, 3, 4 and more copies.
        reports: one for each task.
        resumed: whether an interrupted run was resumed, for the user; empty if there was none.
    """

    path: Path
    options: UniquenessOptions
    records: CountedRecords
    bases: tuple[int, ...]
    reports: tuple[ShardReport, ...]
    resumed: str = ""

    @property
    def peak_rss(self) -> int:
        """Return the largest resident memory of any worker, in bytes."""
        return max((r.peak_rss for r in self.reports), default=0)

    def notes(self) -> list[str]:
        """Return what the user should know about it."""
        none, *copies = self.bases
        shares = (f"{n / max(sum(copies), 1):.2%}" for n in copies)
        names = ("unique", "2 copies", "3", "4", "more")
        figures = ", ".join(f"{name} {share}" for name, share in zip(names, shares, strict=True))
        strands = ", counted on both strands" if self.options.both_strands else ""
        notes = [
            f"{sum(copies):,} {self.options.k}-mers{strands}: {figures}; {none:,} bases without a value",
            *self.records.describe(),
        ]
        return [*notes, self.resumed] if self.resumed else notes


def write_uniqueness(
    fasta: Path,
    path: Path,
    options: UniquenessOptions,
    resources: Resources,
    *,
    overwrite: bool = False,
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> Uniqueness:
    """Write the uniqueness of a genome as a bigWig; the same call resumes one that was interrupted.

    Args:
        fasta: sequence, plain or gzipped.
        path: of the bigWig; intermediate files are in the folder ``.<name>.building`` next to it meanwhile.
        options: what is counted.
        resources: processes and memory.
        overwrite: replace an existing file.
        on_report: called as each task ends.
        on_plan: called with tasks before they start, several times.

    Raises:
        InputError: the FASTA is invalid, or the file or an intermediate one cannot be written.
        UsageError: the file exists (and not `overwrite`), or is the FASTA.
        FactorNetError: as raised by `executor.run`.
    """
    with output_lock(path):
        check_output_file(path, overwrite=overwrite)
        if path.exists() and fasta.exists() and path.samefile(fasta):
            raise UsageError(f"{path}: is the FASTA; give the bigWig another name")
        with _work_folder(path) as work, named_write_errors(path):
            fingerprints = fingerprint_inputs([fasta])
            prepared = prepare_fasta(fasta, work)
            with report_changed_inputs(fingerprints):
                found = compute_uniqueness(
                    prepared,
                    fingerprints[0],
                    options,
                    resources,
                    work=work,
                    name="uniqueness.bw",
                    on_report=on_report,
                    on_plan=on_plan,
                )
            check_unchanged(fingerprints)
            target = resolve_output(path)
            found.path.replace(target)
            fsync_path(target.parent)
    return replace(found, path=path)


def uniqueness_bytes(fasta: PreparedFasta, options: UniquenessOptions) -> int:
    """Return the estimated size of the intermediate files and the bigWig of a genome, in bytes."""
    return int(sum(fasta.lengths.values()) * (1 + options.both_strands) * _DISK)


@contextmanager
def _work_folder(path: Path) -> Iterator[Path]:
    """Yield the folder of intermediate files of an output; it is kept only if the block is interrupted."""
    target = resolve_output(path)
    folder, kept = target.with_name(f".{target.name}.building"), False
    try:
        with named_write_errors(path):
            folder.mkdir(exist_ok=True)
        yield folder
    except (KeyboardInterrupt, InterruptedBuildError):
        kept = True
        raise
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def compute_uniqueness(
    fasta: PreparedFasta,
    fingerprint: InputFingerprint,
    options: UniquenessOptions,
    resources: Resources,
    *,
    work: Path,
    name: str,
    required: Sequence[str] = (),
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> Uniqueness:
    """Compute a bigWig in a folder; the same call resumes one that was interrupted.

    Args:
        fasta: sequence.
        fingerprint: of its file: results of another one are not used.
        options: what is counted.
        resources: processes and memory.
        work: folder for intermediate files and the bigWig.
        name: of the bigWig.
        required: records that must be counted.
        on_report: called as each task ends.
        on_plan: called with tasks before they start, several times.

    Raises:
        InputError: the FASTA has no k-mer, a record is too long, or one that must be counted is excluded.
        StoreError: the disk has too little space.
        FactorNetError: as raised by `executor.run`.
        OSError: an intermediate file cannot be written.
    """
    records = divide_records(fasta, options.excluded, required=required)
    hint = "or compute it on another disk"
    check_disk_space(work / name, uniqueness_bytes(fasta, options), what="computing uniqueness", hint=hint)
    work.mkdir(exist_ok=True)
    fitting = max(available_memory() // WORKER_MEMORY, 1)  # a pass is held in memory, unlike a shard
    resources = replace(resources, workers=min(resources.workers, fitting))
    state = {"factornet": __version__, "inputs": [fingerprint.describe()], "options": asdict(options), "name": name}
    with closing(Journal(work, state)) as journal:
        root = journal.folder / "files"
        root.mkdir()
        reports = list[ShardReport]()

        def run(tasks: Sequence[ShardTask]) -> list[ShardReport]:
            if on_plan:
                on_plan(tasks)
            found = journal.run(tasks, root, resources, on_report)
            reports.extend(found)
            return found

        run([PackSequence(root, PACKED, fasta, tuple(records.counted), options.both_strands)])
        passes = _count(root, options, run)
        if not passes:
            problem = f"no record has {options.k} letters A, C, G or T in a row"
            raise InputError(fasta.source, problem, hint="give a genome, or a smaller k")
        (values,) = run([WriteValues(root, name, tuple(passes), options.k, records.counted)])
        return Uniqueness(root / name, options, records, values.counts[0], tuple(reports), journal.note)


def _count(root: Path, options: UniquenessOptions, run: Any) -> list[str]:
    """Count the k-mers of the packed sequence; return the keys of the files of copies, none if there is no k-mer."""
    packed = open_packed(root / PACKED)
    n_kmers = packed.count_kmers(options.k)
    if not n_kmers:
        return []
    kmer_hash = make_hash(options.k, n_kmers)
    spans = [
        CountBuckets(root, f"buckets/{start}", kmer_hash, start, min(start + _SPAN, packed.size))
        for start in range(0, packed.size, _SPAN)
    ]
    run(spans)
    histogram = np.zeros(kmer_hash.n_buckets, np.int64)
    for span in spans:
        histogram += np.fromfile(span.path, "<u4")
    with naming_file(root / HISTOGRAM):
        (root / HISTOGRAM).write_bytes(histogram.astype("<i8").tobytes())
    tasks = [
        CountPass(root, f"copies/{first}", kmer_hash, first, stop, options.pass_size)
        for first, stop in plan_passes(histogram, options.pass_size)
    ]
    run(tasks)
    return [task.key for task in tasks]
