"""Draw the windows of an epoch by FactorNet's rules, for one factor or for several at once.

    single task     positives are peaks, drawn at their middle with a new jitter each epoch; negatives do not overlap
                    each other and avoid relaxed peaks (or conservative ones where there are none)
    multi-task      positives are all bins with 101 bases in a conservative peak; negatives, drawn with replacement,
                    avoid conservative peaks; jitter of up to 20 bases for all, validation included

In both, negatives are drawn again every epoch and avoid peaks widened by 200 bases and the blacklist widened by a
window's length. No window, positive or negative, touches a gap of the assembly (a run of N) that the store records:
FactorNet's blacklist contains these gaps, so that with it nothing changes; others, such as ENCODE's, do not.
Source: FactorNet's README and code (uci-cbcl/FactorNet).
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
    """Positives and possible negatives of one cell line in the training or validation regions.

    Attributes:
        positives: bins with their largest jitter and targets.
        negative_regions: where the 200-base bins of negatives may lie, merged intervals in absolute coordinates.
        negative_starts: starts of bins inside `negative_regions` whose window stays inside the regions.
        at_gaps: number of positives left out because their window touches a gap of the assembly.
    """

    positives: Positives
    negative_regions: Intervals
    negative_starts: Intervals
    at_gaps: int = 0


class Sampler:
    """Sampler of training and validation windows.

    Args:
        store: an open store.
        cells: training cell lines; each contributes its own positives and negatives.
        factor: factor to learn, which every cell line must have; None for several.
        split: training, validation and test regions.
        window_length: length of the model's window, bases.
        negatives: negatives per positive and epoch.
        valid_cells: cell lines to validate on; the training cell lines if empty.
        factors: factors to learn at once, without `factor`; all factors of a single cell line if empty.
        may_lack: whether cell lines may lack some of several factors: for what learns bins, since no window can say
            that its target is unknown.

    Attributes:
        tasks: names of the targets.
        train_positives: `CellPositives` of each training cell line, in the training regions.
        valid_positives: `CellPositives` of each validation cell line, in the validation regions.

    Raises:
        UsageError: a cell line lacks a factor or has no positives in the training or validation regions; or several
            cell lines without a factor; or so many negatives that there are more windows than bases.
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
        factors: tuple[str, ...] = (),
        may_lack: bool = False,
    ) -> None:
        self.store, self.factor, self.split = store, factor, split
        self.cells, self.window_length, self.negatives_per_positive = cells, window_length, negatives
        self.valid_cells = valid_cells or cells
        self.tasks = (factor,) if factor is not None else factors or self._all_factors()
        self.lacking = self._lacking(may_lack)
        self._blacklist = widened_blacklist(store, window_length)
        self._gaps = store.assembly_gaps()
        self.train_positives = tuple(self._cell_positives(c, split.train, "training") for c in self.cells)
        self.valid_positives = tuple(self._cell_positives(c, split.valid, "validation") for c in self.valid_cells)
        self._check_negatives()

    @property
    def multitask(self) -> bool:
        """Whether several factors are learnt at once, of which no one is `factor`."""
        return self.factor is None

    def _check_negatives(self) -> None:
        """Check that an epoch has no more windows than the genome has bases, before memory is taken for them."""
        n = max(len(found.positives) for found in self.train_positives + self.valid_positives)
        bases = sum(self.store.coordinates.lengths)
        if n * (1 + self.negatives_per_positive) > bases:
            raise UsageError(
                f"{self.negatives_per_positive:,} negatives for each of {n:,} positives are more windows than the "
                f"genome has bases ({bases:,}); give fewer"
            )

    def _all_factors(self) -> tuple[str, ...]:
        if len(self.cells) != 1:
            raise UsageError(
                f"without a factor, all factors of a single cell line are learnt; {len(self.cells)} cell lines were "
                f"given: {', '.join(self.cells)}"
            )
        tasks = self.store.cell(self.cells[0]).factor_names
        if not tasks:
            raise UsageError(f"cell line {self.cells[0]} has no factors to learn; it can only be used for prediction")
        return tasks

    def _lacking(self, allowed: bool) -> dict[str, tuple[str, ...]]:
        """Return the tasks that cell lines lack, by cell line, if that is allowed."""
        lacking = {}
        for cell in dict.fromkeys(self.cells + self.valid_cells):
            info = self.store.cell(cell)
            missing = tuple(task for task in self.tasks if task not in info.factor_names)
            if missing and not (allowed and self.multitask):
                info.factor_index(missing[0])
            if missing:
                lacking[cell] = missing
        return lacking

    def _peaks(self, cell: str) -> list[Intervals]:
        """Return the conservative peaks of each task; none of those that the cell line lacks."""
        none = Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return [
            none
            if task in self.lacking.get(cell, ())
            else self.store.peaks(cell, task, "conservative").to_intervals(self.store.coordinates)
            for task in self.tasks
        ]

    def _positives(self, peaks: list[Intervals], blacklist: Intervals) -> Positives:
        """Return the positives of the whole genome."""
        if self.multitask:
            return positives_of_bins(peaks, blacklist, self.store.coordinates)
        return positives_of_peaks(peaks[0], blacklist)

    def _cell_positives(self, cell: str, regions: Intervals, purpose: str) -> CellPositives:
        coordinates = self.store.coordinates
        peaks = self._peaks(cell)
        avoided_peaks = intervals.union(*peaks) if self.multitask else self._avoided_peaks(cell, peaks[0])
        genome_positives = self._positives(peaks, self._blacklist)
        n_usable = len(genome_positives.within(regions, self.window_length))
        regions = intervals.subtract(regions, self._gaps)
        positives = genome_positives.within(regions, self.window_length)
        if len(positives) == 0:
            raise UsageError(
                f"{self.factor or 'any factor'} has no usable peak of cell line {cell} in the {purpose} regions "
                f"({sum(p.starts.size for p in peaks)} peaks in the genome); choose other regions or another cell line"
            )
        avoided = intervals.union(coordinates.widen(avoided_peaks, BIN), self._blacklist)
        allowed = intervals.subtract(regions, avoided)
        jitter = BIN_JITTER if self.multitask else 0
        starts = negative_starts(allowed, regions, window_length=self.window_length, jitter=jitter)
        return CellPositives(positives, allowed, starts, n_usable - len(positives))

    def _avoided_peaks(self, cell: str, conservative: Intervals) -> Intervals:
        """Return the relaxed peaks, or the conservative ones outside the blacklist where there are none."""
        info = self.store.cell(cell)
        if info.factors[info.factor_index(self.tasks[0])].relaxed:
            return self.store.peaks(cell, self.tasks[0], "relaxed").to_intervals(self.store.coordinates)
        usable = ~intervals.overlaps(conservative, self._blacklist)
        return Intervals(conservative.starts[usable], conservative.stops[usable])

    def count_positives(self, cell: str) -> dict[str, int]:
        """Count the positives of a cell line in the test regions (``test``), and anywhere at all (``total``)."""
        peaks = self._peaks(cell)
        test = intervals.subtract(self.split.test, self._gaps)
        held_out = self._positives(peaks, self._blacklist).within(test, self.window_length)
        nowhere = Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return {"test": len(held_out), "total": len(self._positives(peaks, nowhere))}

    @property
    def chromosomes(self) -> tuple[str, ...]:
        """Names of the chromosomes with training or validation regions, in the store's order."""
        coordinates = self.store.coordinates
        chroms = [coordinates.from_absolute(regions.starts)[0] for regions in (self.split.train, self.split.valid)]
        return tuple(coordinates.names[c] for c in np.unique(np.concatenate(chroms)))

    @property
    def positives_per_epoch(self) -> tuple[int, ...]:
        """Number of positives of each training cell line."""
        return tuple(len(p.positives) for p in self.train_positives)

    def epoch(self, seed: int, epoch: int) -> SamplingPlan:
        """Return the training windows of one epoch: all positives, jittered, and new negatives.

        The result depends on `seed` and `epoch` alone.

        Raises:
            UsageError: there is no room for so many negatives, or a cell line lacks a factor.
        """
        return self._draw(self.cells, self.train_positives, seed, epoch, jittered=True)

    def validation(self, seed: int) -> SamplingPlan:
        """Return the validation windows, the same each time; single-task positives have no jitter.

        Raises:
            UsageError: as for `epoch`.
        """
        return self._draw(self.valid_cells, self.valid_positives, seed, -1, jittered=self.multitask)

    def _draw(
        self,
        cells: tuple[str, ...],
        positives_by_cell: tuple[CellPositives, ...],
        seed: int,
        epoch: int,
        *,
        jittered: bool,
    ) -> SamplingPlan:
        if any(cell in self.lacking for cell in cells):
            lacking = "; ".join(f"{cell} lacks {', '.join(missing)}" for cell, missing in self.lacking.items())
            raise UsageError(f"windows need targets of all factors: {lacking}")
        plans = []
        for i, candidates in enumerate(positives_by_cell):
            rng = make_rng(seed, epoch + 1, i)
            positives = candidates.positives
            n = len(positives)
            max_jitter = np.zeros(n * (1 + self.negatives_per_positive), np.int64)
            max_jitter[:n] = positives.max_jitter
            max_jitter[n:] = BIN_JITTER if self.multitask else 0
            jitter = rng.integers(-max_jitter, max_jitter, endpoint=True) if jittered else np.zeros_like(max_jitter)
            negatives = draw_negatives(
                candidates.negative_starts, n * self.negatives_per_positive, rng, overlapping=self.multitask
            )
            chrom, start = self.store.coordinates.from_absolute(np.concatenate([positives.start, negatives]))
            label = np.zeros((start.size, len(self.tasks)), np.uint8)
            label[:n] = positives.label
            plans.append(SamplingPlan(cells, np.full(start.size, i, np.int64), chrom, start, jitter, label))
        return SamplingPlan.join(plans)
