"""Write the regions of a genome in which no window of training lies: the blacklist, and the gaps of the assembly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....store.errors import InputError
from ....store.genome import intervals
from ....store.genome.intervals import GenomeCoordinates
from ....store.schema import GAP_BASES
from ....store.text import format_count
from ...inputs.chip_peaks import read_peak_set
from ...shards.tasks import ShardReport
from .table_writer import intervals_dataset, write_dataset

_MASKED_RUNS = 1_000
_MASKED_RUNS_PER_BASE = 100 / 1_000_000
"""More runs of N than both are repeats masked in the FASTA; assemblies have at most some tens per million bases."""


def write_blacklist(
    staged: Path, coordinates: GenomeCoordinates, path: Path | None, aliases: Mapping[str, str]
) -> tuple[str, ...]:
    """Write the blacklist, empty if there is none, and return notes on it.

    Raises:
        InputError: the file has no interval on a chromosome of the store.
    """
    if path is None:
        empty = np.array([], np.int64)
        write_dataset(intervals_dataset(empty, empty, empty), staged, "genome/blacklist")
        return ("no blacklist given: no region of the genome is excluded",)
    read = read_peak_set(path, coordinates, aliases)
    found = read.peaks
    if not found.start.size:
        hint = "download the file again, or build without a blacklist"
        raise InputError(path, "no interval in the file", hint=hint)
    write_dataset(intervals_dataset(found.chrom, found.start, found.stop), staged, "genome/blacklist")
    bases = intervals.size(intervals.merge(found.to_intervals(coordinates)))
    notes = [f"blacklist: {format_count(found.chrom.size, 'interval')}, {_share(bases, coordinates)}"]
    if read.n_clipped:
        count = format_count(read.n_clipped, "interval")
        notes.append(f"blacklist: {count} reached past an end of the chromosome, clipped there")
    if read.dropped:
        chroms = ", ".join(list(read.dropped)[:6]) + (", ..." if len(read.dropped) > 6 else "")
        n = format_count(sum(read.dropped.values()), "interval")
        notes.append(f"blacklist: {n} left out, on chromosomes that the store lacks ({chroms})")
    return tuple(notes)


def write_assembly_gaps(
    staged: Path, coordinates: GenomeCoordinates, reports: Sequence[ShardReport]
) -> tuple[dict[str, Any], str]:
    """Write the runs of N that the tasks of a genome found; return figures of them, and a note.

    A FASTA in which repeats are masked by N has so many that hardly a window would be left: they are not written.
    """
    gaps = {r.chrom: r.gaps for r in reports if r.digest}
    chrom = np.repeat(np.arange(len(coordinates.names)), [len(gaps[name]) for name in coordinates.names])
    start, stop = np.array([g for name in coordinates.names for g in gaps[name]], np.int64).reshape(-1, 2).T
    n, bases, total = len(start), int((stop - start).sum()), sum(coordinates.lengths)
    masked = n > max(_MASKED_RUNS, _MASKED_RUNS_PER_BASE * total)
    figures = {"min_bases": GAP_BASES, "runs": n, "bases": bases, "excluded": not masked}
    note = f"runs of N: {n:,} of at least {GAP_BASES} bases, {_share(bases, coordinates)}"
    if masked:
        return (
            figures,
            f"{note}; repeats seem to be masked, so windows may be drawn from them (give a FASTA that is not)",
        )
    if n:
        write_dataset(intervals_dataset(chrom, start, stop), staged, "genome/assembly_gaps")
    return figures, f"{note}; no window of training touches them" if n else note


def _share(bases: int, coordinates: GenomeCoordinates) -> str:
    return f"{bases:,} bases ({bases / sum(coordinates.lengths):.2%} of the genome)"
