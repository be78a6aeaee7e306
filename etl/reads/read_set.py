"""The read files of one track: their chromosomes, and their cuts, collected in one pass over each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...store.errors import InputError, UsageError
from ...store.genome.intervals import GenomeCoordinates, IntArray, Intervals, contains, overlaps
from ...store.text import format_foreign
from ..inputs.read_files import has_alignments, has_fragments
from .cuts import CutCollection, cut_positions
from .files.alignment_file import AlignmentHeader, read_alignments, read_header
from .files.bam_records import ReadBatch
from .files.fragment_file import FragmentBatch, read_fragments
from .read_filter import FIRST_OF_PAIR, PROPER_PAIR, BatchFilter, FilterCounts
from .signal_options import SignalOptions

LONGEST_TEMPLATE = 1000


@dataclass(frozen=True)
class ReadSet:
    """Read files whose cuts are counted together.

    Attributes:
        files: all of alignments, or all of fragments.
        coordinates: chromosomes that cuts are counted on.
        headers: of alignments, one a file; empty for fragments.
        aliases: name in the files -> name in `coordinates`, where they differ.
    """

    files: tuple[Path, ...]
    coordinates: GenomeCoordinates
    headers: tuple[AlignmentHeader, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_fragments(self) -> bool:
        """Whether the files are of fragments."""
        return not self.headers

    def number(self, name: str) -> int:
        """Return the number in `coordinates` of a chromosome by its name in the files; -1 if it has none."""
        return self.coordinates.indices.get(self.aliases.get(name, name), -1)


@dataclass
class ReadSummary:
    """What became of the reads of a track.

    Attributes:
        filtered: alignments by what became of them; fragments count as two reads.
        scaled: reads that count for the scale.
        in_blacklist: reads that are used, and lie in the blacklist.
        ignored: reads that are used, on chromosomes that do not count for the scale.
        cuts: 5' ends counted in the signal.
        cuts_in_blacklist: left out of the signal, unless they are kept.
        cuts_outside: left out, past an end of their chromosome.
        other_chroms: fragments on chromosomes without a known length, left out, by chromosome.
        other_barcodes: fragments left out because their barcode is of no cluster.
        lengths: reads by length.
        first_lengths: first reads of proper pairs by length.
        templates: templates of proper pairs, or fragments, by length; the last for all that are longer.
    """

    filtered: FilterCounts = field(default_factory=FilterCounts)
    scaled: int = 0
    in_blacklist: int = 0
    ignored: int = 0
    cuts: int = 0
    cuts_in_blacklist: int = 0
    cuts_outside: int = 0
    other_chroms: Counter[str] = field(default_factory=Counter)
    other_barcodes: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    first_lengths: Counter[int] = field(default_factory=Counter)
    templates: IntArray = field(default_factory=lambda: np.zeros(LONGEST_TEMPLATE + 2, np.int64))

    @property
    def read_length(self) -> int | None:
        """Median length, rounded down, of the first reads of proper pairs, where there are some, as deepTools has it;
        else of all reads. None where no length is known.
        """
        lengths = self.first_lengths or self.lengths
        if not lengths:
            return None
        sizes = np.array(sorted(lengths))
        ends = np.cumsum([lengths[size] for size in sizes.tolist()])
        middle = [(ends[-1] - 1) // 2, ends[-1] // 2]
        return int(sizes[np.searchsorted(ends, middle, side="right")].mean())


def open_reads(
    files: Sequence[Path], lengths: Mapping[str, int] | None = None, aliases: Mapping[str, str] | None = None
) -> ReadSet:
    """Open the read files of a track, and check that they belong together.

    Args:
        files: BAM, CRAM or SAM files, or fragment files.
        lengths: bases of the chromosomes of fragments; those of alignments are in their headers.
        aliases: name in the files -> name that cuts are counted under, of chromosomes.

    Raises:
        InputError: a file cannot be read, or contradicts another one.
        UsageError: files of both kinds, of none, or fragments without lengths.
    """
    aliases, kinds = aliases or {}, {has_alignments(file) for file in files}
    if len({file.resolve() for file in files}) != len(files):
        raise UsageError(f"a file is given twice, and would be counted twice: {', '.join(map(str, files))}")
    for file in files:
        if not (has_alignments(file) or has_fragments(file)):
            raise UsageError(f"{file}: reads are .bam, .cram or .sam, fragments .tsv.gz, .tsv, .bed.gz or .bed")
    if len(kinds) != 1:
        raise UsageError("one track is made of alignments or of fragments; got " + ", ".join(map(str, files)))
    if kinds == {False}:
        if not lengths:
            raise UsageError("fragment files do not tell the lengths of chromosomes; give them")
        return ReadSet(tuple(files), GenomeCoordinates(tuple(lengths), tuple(lengths.values())), (), aliases)
    headers = tuple(read_header(file) for file in files)
    found: dict[str, int] = {}
    for file, header in zip(files, headers, strict=True):
        names = [aliases.get(name, name) for name in header.lengths]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(file, f"with the aliases, two chromosomes are {twice}", hint="give one alias only")
        if strange := next((name for name in names if not (name.isascii() and name.isprintable())), None):
            hint = "correct its header, where names are of printable ASCII, or give an alias"
            raise InputError(file, f"a chromosome is named {strange!a}", hint=hint)
        for name, length in zip(names, header.lengths.values(), strict=True):
            if found.setdefault(name, length) != length:
                problem = f"{name} has {length} bases, in {files[0]} {found[name]}"
                raise InputError(file, problem, hint="are the files of the same assembly?")
    return ReadSet(tuple(files), GenomeCoordinates(tuple(found), tuple(found.values())), headers, aliases)


class CutCollector:
    """Collect the cuts of a read set, chromosome by chromosome and strand by strand.

    Args:
        reads: the files.
        options: how reads become signal.
        blacklist: merged, in the coordinates of `reads`.
        cuts: to add to, by (cluster, chromosome, is_reverse), numbers; without clusters, the cluster is 0.
        keep_listed: keep cuts in the blacklist; their reads do not count for the scale either way.
        clusters: cluster number by barcode; None: all fragments are of one.
    """

    def __init__(
        self,
        reads: ReadSet,
        options: SignalOptions,
        blacklist: Intervals,
        cuts: CutCollection,
        clusters: Mapping[str, int] | None = None,
        *,
        keep_listed: bool = False,
    ) -> None:
        self._reads, self._options, self._blacklist, self._cuts = reads, options, blacklist, cuts
        self._clusters, self._keep_listed = clusters, keep_listed
        self._lengths = np.array(reads.coordinates.lengths, np.int64)
        n_clusters = 1 if clusters is None else max(clusters.values(), default=-1) + 1
        self.summaries = [ReadSummary() for _ in range(n_clusters)]
        self._file_of: dict[str, Path] = {}

    def run(self) -> None:
        """Read all files.

        Raises:
            InputError: a file is damaged, or filtering by position requires that it is sorted.
            OSError: the temporary file of the cuts cannot be written.
        """
        if self._reads.has_fragments:
            for file in self._reads.files:
                for fragments in read_fragments(file):
                    self._add_fragments(fragments)
                if self._clusters is not None:
                    self._check_barcodes(file, fragments.barcodes)
            return
        for file, header in zip(self._reads.files, self._reads.headers, strict=True):
            if self._options.rules.same_position and not header.is_sorted:
                hint = "sort it (samtools sort), or use duplicates as they were marked"
                raise InputError(file, "is not sorted by coordinate, as filtering by position requires", hint=hint)
            keep = BatchFilter(self._options.rules, self.summaries[0].filtered)
            numbers = np.array([self._reads.number(name) for name in header.lengths], np.int64)
            for batch in read_alignments(file, header):
                self._add_alignments(keep(batch), numbers)

    def _check_barcodes(self, file: Path, barcodes: Sequence[str]) -> None:
        """Check that no barcode of a cluster is in several files: samples use the same ones, of other cells.

        Raises:
            InputError: one is; or no fragment of the file has a barcode.
        """
        if not any(barcodes):
            hint = "give a file with barcodes in column 4, or no clusters"
            raise InputError(file, "has no barcodes", hint=hint)
        for barcode in barcodes:
            other = self._file_of.setdefault(barcode, file) if barcode in (self._clusters or ()) else file
            if other != file:
                problem = f"barcode {format_foreign(barcode, 60)} is in {other}, too, where it may be of another cell"
                raise InputError(file, problem, hint="make clusters of each sample by itself, or make barcodes differ")

    def _add_alignments(self, batch: ReadBatch, numbers: IntArray) -> None:
        summary, chrom = self.summaries[0], numbers[batch.chrom]
        is_first = batch.flag & (FIRST_OF_PAIR | PROPER_PAIR) == FIRST_OF_PAIR | PROPER_PAIR
        for counter, lengths in ((summary.lengths, batch.length), (summary.first_lengths, batch.length[is_first])):
            sizes, counts = np.unique(lengths, return_counts=True)
            counter.update(dict(zip(sizes.tolist(), counts.tolist(), strict=True)))
        _count_templates(summary, np.abs(batch.template[is_first]))
        # As deepTools: the base behind the last may be past the interval.
        start = self._reads.coordinates.to_absolute(chrom, batch.pos)
        is_listed = contains(self._blacklist, Intervals(start, start + np.maximum(batch.length - 1, 1)))
        self._count_scaled(summary, chrom, is_listed)
        position, is_reverse = cut_positions(batch, self._options.shift_of(fragments=False))
        for strand in (False, True):
            rows = is_reverse == strand
            self._add_cuts(0, chrom[rows], position[rows].astype(np.int64), is_reverse=strand)

    def _add_fragments(self, batch: FragmentBatch) -> None:
        numbers = np.array([self._reads.number(name) for name in batch.chroms], np.int64)
        chrom, cluster = numbers[batch.chrom], np.zeros(len(batch), np.int64)
        if self._clusters is not None:
            cluster = np.array([self._clusters.get(name, -1) for name in batch.barcodes], np.int64)[batch.barcode]
            self.summaries[0].other_barcodes += int((cluster < 0).sum())
        for n, summary in enumerate(self.summaries):
            rows = cluster == n
            summary.filtered.total += 2 * int(rows.sum())
            for number, count in zip(*np.unique(batch.chrom[rows & (chrom < 0)], return_counts=True), strict=True):
                summary.other_chroms[batch.chroms[number]] += int(count)
            # Those elsewhere count for the scale, as alignments there do.
            ignored = np.isin(batch.chrom, [i for i, c in enumerate(batch.chroms) if c in self._options.ignore])
            elsewhere = rows & (chrom < 0) & ~ignored
            summary.scaled += 2 * int(elsewhere.sum())
            summary.ignored += 2 * int((rows & (chrom < 0) & ignored).sum())
            summary.filtered.used += 2 * int(rows.sum())
            rows &= chrom >= 0
            _count_templates(summary, batch.stop[rows] - batch.start[rows])
            forward, reverse = self._options.shift_of(fragments=True)
            ends = ((batch.start[rows] + np.int64(forward), False), (batch.stop[rows] - np.int64(1) + reverse, True))
            for position, strand in ends:
                absolute = self._reads.coordinates.to_absolute(chrom[rows], position)
                self._count_scaled(summary, chrom[rows], overlaps(Intervals(absolute, absolute + 1), self._blacklist))
                self._add_cuts(n, chrom[rows], position, is_reverse=strand)

    def _count_scaled(self, summary: ReadSummary, chrom: IntArray, is_listed: np.ndarray[Any, Any]) -> None:
        names = self._reads.coordinates.names
        ignored = np.isin(chrom, [i for i, name in enumerate(names) if name in self._options.ignore])
        summary.ignored += int(ignored.sum())
        summary.in_blacklist += int((is_listed & ~ignored).sum())
        summary.scaled += int((~is_listed & ~ignored).sum())

    def _add_cuts(self, cluster: int, chrom: IntArray, position: IntArray, *, is_reverse: bool) -> None:
        summary = self.summaries[cluster]
        inside = (position >= 0) & (position < self._lengths[chrom])
        summary.cuts_outside += int((~inside).sum())
        chrom, position = chrom[inside], position[inside]
        absolute = self._reads.coordinates.to_absolute(chrom, position)
        listed = overlaps(Intervals(absolute, absolute + 1), self._blacklist) & (not self._keep_listed)
        summary.cuts_in_blacklist += int(listed.sum())
        chrom, places = chrom[~listed], position[~listed].astype(np.int32)
        summary.cuts += places.size
        if not places.size:
            return
        order = np.argsort(chrom, kind="stable") if (chrom[1:] < chrom[:-1]).any() else slice(None)
        chrom, places = chrom[order], places[order]
        bounds = [0, *(np.flatnonzero(np.diff(chrom)) + 1).tolist(), chrom.size]
        for begin, end in pairwise(bounds):
            self._cuts.add((cluster, int(chrom[begin]), is_reverse), places[begin:end])


def _count_templates(summary: ReadSummary, lengths: np.ndarray[Any, Any]) -> None:
    summary.templates += np.bincount(np.minimum(lengths, LONGEST_TEMPLATE + 1), minlength=LONGEST_TEMPLATE + 2)
