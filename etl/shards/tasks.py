"""Tasks of a build: each writes one whole shard of one array, or computes one digest.

A task is a frozen dataclass that can be sent to any process and called there. Writes that are not aligned with shards
lose data silently when they run in parallel, so a task that is not aligned is refused before it writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from numpy.typing import NDArray

from ...store.errors import StoreError
from ...store.files.digest import file_digest
from ..inputs.bigwig import read_values
from ..inputs.fasta import FastaReader, PreparedFasta
from ..inputs.signal_summary import SignalSummary
from ..publish.disk_space import describe_failure, failure_cure
from .assembly_gaps import GapFinder
from .labels import IntArray, bin_labels


@dataclass(frozen=True)
class ShardReport:
    """Result of one task.

    Attributes:
        name: of what was written, a track's name for example.
        chrom: chromosome.
        rows: number of positions or bins.
        bytes: size of the values in memory.
        signal: summary of the values of a track.
        counts: how often each value occurs: of sequence and annotation one row, of labels a row per factor.
        digest: refget digest of a sequence, or SHA-256 of a raw array.
        gaps: start and stop of each run of N in a sequence.
        key: of the task; if it wrote a shard, path of the object.
        sha256: of that object; empty if the task wrote no shard.
        peak_rss: largest resident memory of the process so far, bytes; the executor fills it in.
    """

    name: str
    chrom: str
    rows: int
    bytes: int
    signal: SignalSummary | None = None
    counts: tuple[tuple[int, ...], ...] = ()
    digest: str = ""
    gaps: tuple[tuple[int, int], ...] = ()
    key: str = ""
    sha256: str = ""
    peak_rss: int = 0


CODEC_PIPELINE = "zarrs.ZarrsCodecPipeline"
PACKING = {"codec_pipeline.path": CODEC_PIPELINE, "threading.max_workers": 1}
"""zarr settings for writing: zarrs is several times as fast as zarr-python's own pipeline; with more than one thread
the order of chunks in a shard would depend on which is done first (docs/decisions.md)."""


class ShardTask(Protocol):
    """A callable that does one unit of work; tasks of one build have different keys."""

    @property
    def key(self) -> str:
        """Return the name of the task."""

    def __call__(self) -> ShardReport:
        """Do the work."""


@dataclass(frozen=True)
class ShardRegion:
    """Rows ``start:stop`` of an array in a store that is being built.

    Attributes:
        root: folder of the store.
        path: of the array in it; its last component is the chromosome.
        start: first row, 0-based.
        stop: end, exclusive.
        key: path of the object (shard) in the store.
    """

    root: Path
    path: str
    start: int
    stop: int
    key: str

    @property
    def chrom(self) -> str:
        """Return the chromosome."""
        return self.path.rpartition("/")[2]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.stop - self.start

    def write(self, values: NDArray[Any]) -> str:
        """Write the rows, and return the SHA-256 of the object on disk.

        Raises:
            StoreError: the rows are not whole shards, or the disk is full or faulty.
        """
        with zarr.config.set(PACKING):
            array = zarr.open_array(str(self.root), path=self.path, mode="r+", zarr_format=3)
        shard = (array.shards or array.chunks)[0]
        if self.start % shard or (self.stop % shard and self.stop != array.shape[0]):
            raise StoreError(
                f"{self.root}/{self.path}", f"rows {self.start}:{self.stop} are not whole shards of {shard}"
            )
        try:
            array[self.start : self.stop] = values
            return file_digest(self.root / self.key)
        except (OSError, RuntimeError) as e:  # zarrs raises RuntimeError for failed writes
            path = self.root / self.key
            problem, hint = (
                f"cannot be written ({describe_failure(e, path)})",
                f"{failure_cure(e)}; nothing was published",
            )
            raise StoreError(path, problem, hint=hint) from e


def shard_regions(root: Path, path: str) -> Iterator[ShardRegion]:
    """Yield one region per shard of the array at `path`, in order."""
    array = zarr.open_array(str(root), path=path, mode="r", zarr_format=3)
    shard = (array.shards or array.chunks)[0]
    rest = "/0" * (array.ndim - 1)
    for start in range(0, array.shape[0], shard):
        yield ShardRegion(root, path, start, min(start + shard, array.shape[0]), f"{path}/c/{start // shard}{rest}")


@dataclass(frozen=True)
class _WriteRegion:
    """Base class of tasks that write one shard."""

    region: ShardRegion

    @property
    def key(self) -> str:
        """Return the path of the object."""
        return self.region.key

    def _write(self, name: str, values: NDArray[Any], **fields: Any) -> ShardReport:
        """Write the values, and report them."""
        sha256 = self.region.write(values)
        return ShardReport(name, self.region.chrom, len(values), values.nbytes, key=self.key, sha256=sha256, **fields)


@dataclass(frozen=True)
class WriteSequence(_WriteRegion):
    """Write base codes of one shard of a chromosome; `record` is the FASTA's name for it."""

    fasta: PreparedFasta
    record: str

    def __call__(self) -> ShardReport:
        """Do the work."""
        with closing(FastaReader(self.fasta)) as reader:
            codes = reader.read_codes(self.record, self.region.start, self.region.stop)
        counts = tuple(int(np.count_nonzero(codes == code)) for code in range(5))
        return self._write("sequence", codes, counts=(counts,))


@dataclass(frozen=True)
class DigestSequence:
    """Compute the refget digest of a whole record, and find its gaps; writes nothing."""

    chrom: str
    fasta: PreparedFasta
    record: str

    @property
    def key(self) -> str:
        """Return the name of the task."""
        return f"digest/{self.chrom}"

    def __call__(self) -> ShardReport:
        """Do the work."""
        finder = GapFinder()
        with closing(FastaReader(self.fasta)) as reader:
            digest = reader.digest(self.record, on_letters=finder.add)
        rows = self.fasta.lengths[self.record]
        return ShardReport("digest", self.chrom, rows, rows, digest=digest, gaps=finder.finish(), key=self.key)


@dataclass(frozen=True)
class WriteAnnotation(_WriteRegion):
    """Write annotation bits of one shard: bit i is set where an interval of the i-th feature covers the base."""

    features: tuple[tuple[IntArray, IntArray], ...]

    def __call__(self) -> ShardReport:
        """Do the work."""
        first, count = self.region.start, len(self.region)
        bits = np.zeros(count, np.uint8)
        for i, (starts, stops) in enumerate(self.features):
            for start, stop in zip(np.maximum(starts - first, 0), np.minimum(stops - first, count), strict=True):
                bits[start : max(stop, start)] |= 1 << i
        counts = tuple(int(np.count_nonzero(bits & (1 << i))) for i in range(len(self.features)))
        return self._write("annotation", bits, counts=(counts,))


@dataclass(frozen=True)
class WriteSignal(_WriteRegion):
    """Write one shard of a track; `record` is the bigWig's name for the chromosome, None if it lacks it (all 0)."""

    name: str
    bigwig: Path
    record: str | None

    def __call__(self) -> ShardReport:
        """Do the work."""
        if self.record is None:
            count = len(self.region)
            values, summary = np.zeros(count, np.float32), SignalSummary(gaps=count)
        else:
            values, summary = read_values(self.bigwig, self.record, self.region.start, self.region.stop)
        return self._write(self.name, values, signal=summary)


@dataclass(frozen=True)
class WriteLabels(_WriteRegion):
    """Write labels of one shard of bins, for all factors: (conservative, relaxed) peaks of each on this chromosome."""

    peaks: tuple[tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray]], ...]

    def __call__(self) -> ShardReport:
        """Do the work."""
        first, count = self.region.start, len(self.region)
        labels = np.empty((count, len(self.peaks)), np.uint8)
        for i, (conservative, relaxed) in enumerate(self.peaks):
            labels[:, i] = bin_labels(conservative, relaxed, first=first, count=count)
        counts = tuple(tuple(np.bincount(labels[:, i], minlength=3).tolist()) for i in range(len(self.peaks)))
        return self._write("labels", labels, counts=counts)
