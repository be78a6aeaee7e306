"""Windows and targets of one's own: all bins of regions, labelled by the intervals that they overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..genome.intervals import GenomeCoordinates, Intervals, merge
from ..genome.regions import Region
from ..schema import BIN, STRIDE
from ..text import format_count
from .plan import SamplingPlan


def bins_in_regions(
    regions: Sequence[Region], coordinates: GenomeCoordinates, cells: Sequence[str], *, stride: int = STRIDE
) -> SamplingPlan:
    """Return all bins of 200 bases inside regions, in each cell line, without targets.

    Args:
        regions: where; overlapping ones repeat bins.
        coordinates: the store's chromosomes.
        cells: cell lines, one after the other.
        stride: bases between the starts of bins, which are multiples of it.

    Raises:
        UsageError: `stride` is less than 1, or no bin is inside the regions.
    """
    if stride < 1:
        raise UsageError(f"stride must be at least 1, got {stride}")
    chroms, starts = list[NDArray[np.int64]](), list[NDArray[np.int64]]()
    for region in regions:
        found = np.arange(-(-region.start // stride) * stride, region.stop - BIN + 1, stride, dtype=np.int64)
        starts.append(found)
        chroms.append(np.full(found.size, coordinates.index(region.chrom), np.int64))
    chrom, start = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (chroms, starts))
    if not start.size:
        raise UsageError(
            f"no bin of {BIN} bases is inside the {format_count(len(regions), 'region')}; give larger ones"
        )
    n = len(cells)
    cell = np.repeat(np.arange(n), start.size)
    empty = np.zeros((n * start.size, 0), np.uint8)
    return SamplingPlan(tuple(cells), cell, np.tile(chrom, n), np.tile(start, n), np.zeros(cell.size, np.int64), empty)


def label_overlaps(
    plan: SamplingPlan,
    coordinates: GenomeCoordinates,
    intervals: Sequence[Mapping[str, NDArray[np.int64]]],
    *,
    least: int = BIN // 2,
) -> SamplingPlan:
    """Return a plan whose targets say which bins overlap intervals, such as those of BED files.

    Args:
        plan: the bins.
        coordinates: the store's chromosomes.
        intervals: of each target: cell line -> chromosome index, start and stop, int64 (3, intervals), as
            `factornet.etl.read_intervals` returns them. Overlapping intervals count once.
        least: bases of a bin of 200 that its target of 1 needs.

    Raises:
        UsageError: a target lacks a cell line of the plan, or `least` is not 1 to 200.
    """
    if not 1 <= least <= BIN:
        raise UsageError(f"least must be 1 to {BIN} bases, got {least}")
    labels = np.zeros((len(plan), len(intervals)), np.uint8)
    starts = coordinates.to_absolute(plan.chrom, plan.bin_starts)
    for task, of_cells in enumerate(intervals):
        for number, cell in enumerate(plan.cells):
            if cell not in of_cells:
                raise UsageError(
                    f"target {task + 1} has no intervals of cell line {cell}; give them, or an empty array"
                )
            rows = plan.cell == number
            chrom, first, last = of_cells[cell]
            marked = merge(Intervals(coordinates.to_absolute(chrom, first), coordinates.to_absolute(chrom, last)))
            overlap = _bases_before(marked, starts[rows] + BIN) - _bases_before(marked, starts[rows])
            labels[rows, task] = overlap >= least
    return replace(plan, label=labels)


def _bases_before(merged: Intervals, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many bases of merged intervals lie before each position."""
    if not merged.starts.size:
        return np.zeros(position.size, np.int64)
    total = np.concatenate([[0], np.cumsum(merged.stops - merged.starts)])
    i = np.searchsorted(merged.starts, position, side="right")
    beyond = np.maximum(merged.stops[np.maximum(i - 1, 0)] - position, 0)
    return np.where(i > 0, total[i] - beyond, 0)
