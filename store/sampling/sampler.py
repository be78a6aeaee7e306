"""Which windows an epoch shows: FactorNet's sampling, for one factor or for all of a cell line's.

    single task     positives are peaks, drawn at their middle with a fresh jitter each epoch; negatives do not overlap
                    each other and keep away from relaxed peaks (or conservative ones where there are none)
    multi-task      positives are all bins with 101 bases in a conservative peak; negatives, drawn with replacement,
                    keep away from conservative peaks; jitter of up to 20 bases everywhere, validation included

In both, negatives are new every epoch, and peaks are widened by 200 bases and the blacklist by a window's length
before negatives keep away from them. Source: FactorNet's README and code (uci-cbcl/FactorNet).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..genome import intervals
from ..genome.intervals import Intervals
from ..reader import Store
from ..schema import BIN
from .candidates import BIN_JITTER, Positives, draw_negatives, negative_starts, positives_of_bins, positives_of_peaks
from .plan import SamplingPlan, make_rng
from .splits import Split, widened_blacklist


@dataclass(frozen=True)
class CellPositives:
    """What one cell line contributes to a part of the genome: positives, and where negatives may be.

    Attributes:
        positives: with their largest jitter and targets.
        free: where 200-base negatives may lie, merged intervals on the axis.
        starts: bin starts to draw negatives from: in `free`, and their window in the part of the genome.
    """

    positives: Positives
    free: Intervals
    starts: Intervals


class Sampler:
    """Draws the epochs of a training.

    Args:
        store: an open store.
        cells: training cell lines; each contributes its own positives and negatives.
        factor: which factor to learn, every cell line must have it; None for all factors of the one cell line.
        split: parts of the genome.
        window_length: model window, bases.
        negatives: negatives a positive and epoch.
        valid_cells: cell lines to validate on; the training ones if empty.

    Attributes:
        tasks: names of the targets.
        train_sites: of each cell line, in the training part.
        valid_sites: of each validation cell line, in the validation part.

    Raises:
        UsageError: a cell line lacks the factor or has no positives in the training or validation part; several cell
            lines without a factor.
    """

    def __init__(
        self,
        store: Store,
        *,
        cells: tuple[str, ...],
        split: Split,
        window_length: int,
        factor: str | None = None,
        negatives: int = 1,
        valid_cells: tuple[str, ...] = (),
    ) -> None:
        self.store, self.factor, self.split = store, factor, split
        self.cells, self.window_length, self.per_positive = cells, window_length, negatives
        self.valid_cells = valid_cells or cells
        self.tasks = self._tasks()
        self._blacklist = widened_blacklist(store, window_length)
        self.train_sites = tuple(self._sites(c, split.train, "training") for c in self.cells)
        self.valid_sites = tuple(self._sites(c, split.valid, "validation (-v)") for c in self.valid_cells)

    @property
    def multitask(self) -> bool:
        """Whether all factors of the cell line are learnt at once."""
        return self.factor is None

    def _tasks(self) -> tuple[str, ...]:
        if self.factor is not None:
            return (self.factor,)
        if len(self.cells) != 1:
            raise UsageError(
                f"without a factor (-f) all factors of one cell line are learnt; {len(self.cells)} cell lines were "
                f"given (-i): {', '.join(self.cells)}"
            )
        tasks = self.store.cell(self.cells[0]).factor_names
        for cell in self.valid_cells:
            for task in tasks:
                self.store.cell(cell).factor_index(task)
        if not tasks:
            raise UsageError(f"cell line {self.cells[0]} has no factors to learn; it is for prediction only")
        return tasks

    def _sites(self, cell: str, region: Intervals, what: str) -> CellPositives:
        coordinates = self.store.coordinates
        peaks = [self.store.peaks(cell, task, "conservative").on(coordinates) for task in self.tasks]
        if self.multitask:
            everywhere, near = positives_of_bins(peaks, self._blacklist, coordinates), intervals.union(*peaks)
        else:
            everywhere, near = positives_of_peaks(peaks[0], self._blacklist), self._relaxed(cell, peaks[0])
        found = everywhere.inside(region, self.window_length)
        if len(found) == 0:
            raise UsageError(
                f"{self.factor or 'any factor'} has no usable peak of cell line {cell} in the {what} regions "
                f"({sum(p.starts.size for p in peaks)} peaks in all); choose other regions or another cell line"
            )
        free = intervals.subtract(region, intervals.union(coordinates.widen(near, BIN), self._blacklist))
        jitter = BIN_JITTER if self.multitask else 0
        return CellPositives(found, free, negative_starts(free, region, length=self.window_length, jitter=jitter))

    def _relaxed(self, cell: str, conservative: Intervals) -> Intervals:
        """Peaks that negatives keep away from; where there is no relaxed set, the conservative ones outside the
        blacklist.
        """
        info = self.store.cell(cell)
        if info.factors[info.factor_index(self.tasks[0])].relaxed:
            return self.store.peaks(cell, self.tasks[0], "relaxed").on(self.store.coordinates)
        clean = ~intervals.overlaps(conservative, self._blacklist)
        return Intervals(conservative.starts[clean], conservative.stops[clean])

    @property
    def chromosomes(self) -> tuple[str, ...]:
        """Names of the chromosomes that training and validation windows lie on."""
        coordinates = self.store.coordinates
        chroms = [coordinates.from_absolute(part.starts)[0] for part in (self.split.train, self.split.valid)]
        return tuple(coordinates.names[c] for c in np.unique(np.concatenate(chroms)))

    @property
    def positives_per_epoch(self) -> tuple[int, ...]:
        """Positives of each training cell line."""
        return tuple(len(s.positives) for s in self.train_sites)

    def epoch(self, seed: int, epoch: int) -> SamplingPlan:
        """Training windows of one epoch: all positives, jittered, and fresh negatives. Depends on nothing else."""
        return self._draw(self.cells, self.train_sites, seed, epoch, jittered=True)

    def validation(self, seed: int) -> SamplingPlan:
        """Validation windows, the same each time: positives (those of a single task without jitter) and negatives."""
        return self._draw(self.valid_cells, self.valid_sites, seed, -1, jittered=self.multitask)

    def _draw(
        self, cells: tuple[str, ...], sites: tuple[CellPositives, ...], seed: int, epoch: int, *, jittered: bool
    ) -> SamplingPlan:
        parts = []
        for i, cell in enumerate(sites):
            rng = make_rng(seed, epoch + 1, i)
            n = len(cell.positives)
            reach = np.zeros(n * (1 + self.per_positive), np.int64)
            reach[:n] = cell.positives.jitter
            reach[n:] = BIN_JITTER if self.multitask else 0
            jitter = rng.integers(-reach, reach, endpoint=True) if jittered else np.zeros_like(reach)
            others = draw_negatives(cell.starts, n * self.per_positive, rng, overlapping=self.multitask)
            chrom, start = self.store.coordinates.from_absolute(np.concatenate([cell.positives.start, others]))
            label = np.zeros((start.size, len(self.tasks)), np.uint8)
            label[:n] = cell.positives.label
            parts.append(SamplingPlan(cells, np.full(start.size, i, np.int64), chrom, start, jitter, label))
        return SamplingPlan.join(parts)
