"""Tasks that compute uniqueness, each of which writes one file; compiled loops are imported where they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...store.files.atomic_write import naming_file
from ...store.files.digest import file_digest
from ..inputs.fasta import PreparedFasta
from ..shards.tasks import ShardReport
from .kmer_hash import KmerHash
from .packed_sequence import open_packed, pack_sequence
from .repeats import read_copies, repeats_file
from .values import write_values

PACKED, HISTOGRAM = "packed", "histogram"
"""Keys of the packed sequence, and of the number of k-mers of each bucket: int64 (buckets,), the sum of all spans'."""


@dataclass(frozen=True)
class _WriteFile:
    """Base class of the tasks: each writes the file `key` in the folder `root`."""

    root: Path
    key: str

    @property
    def path(self) -> Path:
        """Return the path of the file; its folder is created."""
        path = self.root / self.key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _report(self, name: str, rows: int, size: int, **fields: tuple[tuple[int, ...], ...]) -> ShardReport:
        path = self.root / self.key
        return ShardReport(name, "", rows, size, key=self.key, sha256=file_digest(path), **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class PackSequence(_WriteFile):
    """Pack records of a FASTA, with their reverse complements if both strands count."""

    fasta: PreparedFasta
    records: tuple[str, ...]
    both_strands: bool

    def __call__(self) -> ShardReport:
        """Do the work."""
        size = pack_sequence(self.fasta, self.records, self.path, both_strands=self.both_strands)
        return self._report("packed sequence", size, size)


@dataclass(frozen=True)
class CountBuckets(_WriteFile):
    """Count the k-mers of each bucket that begin in a span of the packed sequence: uint32 (buckets,)."""

    kmer_hash: KmerHash
    start: int
    stop: int

    def __call__(self) -> ShardReport:
        """Do the work."""
        from .counting import count_by_bucket

        counts = count_by_bucket(open_packed(self.root / PACKED), self.kmer_hash, self.start, self.stop)
        with naming_file(self.path):
            self.path.write_bytes(counts.astype("<u4").tobytes())
        return self._report("k-mers by bucket", int(counts.sum()), self.stop - self.start)


@dataclass(frozen=True)
class CountPass(_WriteFile):
    """Count the copies of the k-mers in a range of buckets.

    Attributes:
        kmer_hash: how k-mers are spread over buckets.
        first: first bucket.
        stop: past the last one.
        most: k-mers that are held in memory.
    """

    kmer_hash: KmerHash
    first: int
    stop: int
    most: int

    def __call__(self) -> ShardReport:
        """Do the work."""
        from .counting import count_pass

        packed = open_packed(self.root / PACKED)
        histogram = np.fromfile(self.root / HISTOGRAM, "<i8", self.stop - self.first, offset=8 * self.first)
        with repeats_file(self.path, packed.size) as out:
            count_pass(packed, self.kmer_hash, self.first, histogram, most=self.most, out=out)
        return self._report("copies", int(histogram.sum()), packed.size)


@dataclass(frozen=True)
class WriteValues(_WriteFile):
    """Write the bigWig; the counts of its report are the bases by copies (`values.CLASSES`).

    Attributes:
        passes: keys of the files of all passes.
        k: length of the k-mers.
        lengths: bases of each counted record by name.
    """

    passes: tuple[str, ...]
    k: int
    lengths: Mapping[str, int]

    def __call__(self) -> ShardReport:
        """Do the work."""
        packed = open_packed(self.root / PACKED)
        copies = read_copies([self.root / key for key in self.passes], packed.size)
        bases = write_values(self.path, packed, copies, k=self.k, lengths=self.lengths)
        return self._report("values", sum(bases), 4 * packed.plus_size, counts=(bases,))
