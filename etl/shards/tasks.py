"""The work of an ETL as tasks: each writes one whole shard of one array, and nothing else.

A task is a frozen dataclass that can be sent to any process and called there. Blocks that do not align with shards
lose data silently when written in parallel, so a task that is not aligned is refused before it writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from numpy.typing import NDArray

from ...store.errors import StoreError
from ...store.machine import peak_memory
from ...store.storage.files import file_digest
from ..inputs.bigwig import SignalSummary, read_values
from ..inputs.fasta import FastaReader, PreparedFasta
from .labels import IntArray, bin_labels


@dataclass(frozen=True)
class ShardReport:
    """What a task did: `name` of what it wrote, on which chromosome; for a signal, a summary of its values.

    `key` is that of the task; where it wrote a shard, it is the object's path, and `sha256` the object's digest.
    """

    name: str
    chrom: str
    rows: int
    bytes: int
    peak_rss: int
    signal: SignalSummary | None = None
    counts: tuple[tuple[int, ...], ...] = ()
    digest: str = ""
    key: str = ""
    sha256: str = ""


CODEC_PIPELINE = "zarrs.ZarrsCodecPipeline"
PACKING = {"codec_pipeline.path": CODEC_PIPELINE, "threading.max_workers": 1}
"""How arrays are written: by zarrs, several times as fast as zarr-python's own pipeline, and by one thread a worker:
several put the chunks into a shard in the order in which they happen to be done (docs/decisions.md)."""


class ShardTask(Protocol):
    """What writes one shard; tasks of one build have different keys."""

    @property
    def key(self) -> str:
        """Its name."""

    def __call__(self) -> ShardReport:
        """Do the work."""


@dataclass(frozen=True)
class ShardRegion:
    """Rows ``start:stop`` of the array at `path` in the store (being built) at `root`; `key` is the object's path."""

    root: Path
    path: str
    start: int
    stop: int
    key: str

    @property
    def chrom(self) -> str:
        """The chromosome, which names the array."""
        return self.path.rpartition("/")[2]

    def write(self, values: NDArray[Any]) -> str:
        """Write the rows; the SHA-256 of the object on disk comes back.

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
        except (OSError, RuntimeError) as e:  # zarrs has no errors of its own kind
            raise StoreError(self.root / self.key, f"cannot be written ({e})", hint="nothing was published") from e


def shard_regions(root: Path, path: str) -> Iterator[ShardRegion]:
    """One target a shard, covering the array."""
    array = zarr.open_array(str(root), path=path, mode="r", zarr_format=3)
    shard = (array.shards or array.chunks)[0]
    rest = "/0" * (array.ndim - 1)
    for start in range(0, array.shape[0], shard):
        yield ShardRegion(root, path, start, min(start + shard, array.shape[0]), f"{path}/c/{start // shard}{rest}")


def _report(target: ShardRegion, name: str, values: NDArray[Any], **extra: Any) -> ShardReport:
    """Write the values, and say so."""
    sha = target.write(values)
    peak = peak_memory()
    return ShardReport(name, target.chrom, len(values), values.nbytes, peak, key=target.key, sha256=sha, **extra)


@dataclass(frozen=True)
class WriteSequence:
    """Base codes of one shard of a chromosome."""

    target: ShardRegion
    fasta: PreparedFasta
    record: str

    @property
    def key(self) -> str:
        """Its name: the path of the object."""
        return self.target.key

    def __call__(self) -> ShardReport:
        """Do the work."""
        reader = FastaReader(self.fasta)
        try:
            codes = reader.codes(self.record, self.target.start, self.target.stop)
        finally:
            reader.close()
        counts = tuple(int(np.count_nonzero(codes == code)) for code in range(5))
        return _report(self.target, "sequence", codes, counts=(counts,))


@dataclass(frozen=True)
class DigestSequence:
    """Refget digest of a whole record; writes nothing."""

    chrom: str
    fasta: PreparedFasta
    record: str

    @property
    def key(self) -> str:
        """Its name."""
        return f"digest/{self.chrom}"

    def __call__(self) -> ShardReport:
        """Do the work."""
        reader = FastaReader(self.fasta)
        try:
            digest = reader.digest(self.record)
        finally:
            reader.close()
        rows = self.fasta.lengths[self.record]
        peak = peak_memory()
        return ShardReport("digest", self.chrom, rows, rows, peak, digest=digest, key=self.key)


@dataclass(frozen=True)
class WriteAnnotation:
    """Annotation bits of one shard: bit i is set where an interval of the i-th feature covers the base."""

    target: ShardRegion
    features: tuple[tuple[IntArray, IntArray], ...]

    @property
    def key(self) -> str:
        """Its name: the path of the object."""
        return self.target.key

    def __call__(self) -> ShardReport:
        """Do the work."""
        first, count = self.target.start, self.target.stop - self.target.start
        bits = np.zeros(count, np.uint8)
        for i, (starts, stops) in enumerate(self.features):
            for start, stop in zip(np.maximum(starts - first, 0), np.minimum(stops - first, count), strict=True):
                bits[start : max(stop, start)] |= 1 << i
        counts = tuple(int(np.count_nonzero(bits & (1 << i))) for i in range(len(self.features)))
        return _report(self.target, "annotation", bits, counts=(counts,))


@dataclass(frozen=True)
class WriteSignal:
    """One shard of a track; `record` is the bigWig's name for the chromosome, None where it has none (all 0)."""

    target: ShardRegion
    name: str
    bigwig: Path
    record: str | None

    @property
    def key(self) -> str:
        """Its name: the path of the object."""
        return self.target.key

    def __call__(self) -> ShardReport:
        """Do the work."""
        size = self.target.stop - self.target.start
        if self.record is None:
            values, summary = np.zeros(size, np.float32), SignalSummary(gaps=size)
        else:
            values, summary = read_values(self.bigwig, self.record, self.target.start, self.target.stop)
        return _report(self.target, self.name, values, signal=summary)


@dataclass(frozen=True)
class WriteLabels:
    """Labels of one shard of bins, all factors: (conservative, relaxed) peaks of each on this chromosome."""

    target: ShardRegion
    peaks: tuple[tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray]], ...]

    @property
    def key(self) -> str:
        """Its name: the path of the object."""
        return self.target.key

    def __call__(self) -> ShardReport:
        """Do the work."""
        first, count = self.target.start, self.target.stop - self.target.start
        labels = np.empty((count, len(self.peaks)), np.uint8)
        for i, (conservative, relaxed) in enumerate(self.peaks):
            labels[:, i] = bin_labels(conservative, relaxed, first=first, count=count)
        counts = tuple(tuple(np.bincount(labels[:, i], minlength=3).tolist()) for i in range(len(self.peaks)))
        return _report(self.target, "labels", labels, counts=counts)
