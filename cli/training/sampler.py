"""Choose factors, cell lines and regions of ``factornet-train``, and make the sampler of its windows."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.sampling.bin_targets import has_peaks
from ...store.sampling.sampler import Sampler
from ..common.arguments import cell_name, naming_option
from ..common.output import print_line
from .split import split_from_args


def factors_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the factors that are asked for; none: all."""
    return tuple(dict.fromkeys(options.factor or ()))


def sampler_from_args(options: argparse.Namespace, store: Store, window_length: int) -> Sampler:
    """Return the sampler of a training.

    Raises:
        UsageError: as for `split_from_args` and `Sampler`, or there is nothing to learn a factor from.
    """
    split, asked = split_from_args(options, store), factors_of(options)
    cells = tuple(cell_name(c) for c in options.cells)
    blocks = options.preset == "blocks"

    def make(factors: tuple[str, ...]) -> Sampler:
        factor = factors[0] if len(asked) == 1 else None
        return Sampler(
            store,
            cells=cells,
            valid_cells=tuple(cell_name(c) for c in options.valid_cells),
            factor=factor,
            factors=() if factor else factors,
            may_lack=blocks,
            split=split,
            window_length=window_length,
            negatives=options.negatives,
        )

    if len(asked) == 1 or not (blocks or asked):
        return make(asked)
    with naming_option("-f" if asked else "-i"):
        sampler = make(_block_factors(store, cells, asked) if blocks else asked)
        bound = _bound_factors(sampler, asked)
    return sampler if bound == sampler.tasks else make(bound)


def _bound_factors(sampler: Sampler, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tasks with a bound bin in the training regions; the others are named on standard error.

    Raises:
        UsageError: one that is asked for has none.
    """
    has = np.any([found.positives.label.any(axis=0) for found in sampler.train_positives], axis=0)
    unbound = [task for task, known in zip(sampler.tasks, has, strict=True) if not known]
    if unbound and asked:
        raise UsageError(
            f"no bin of the training regions is bound by {', '.join(unbound)} in {', '.join(sampler.cells)}; choose "
            "other regions or factors"
        )
    if unbound:
        print_line(f"not learnt, without a bound bin in the training regions: {', '.join(unbound)}", file=sys.stderr)
    return tuple(task for task in sampler.tasks if task not in unbound)


def _block_factors(store: Store, cells: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the factors that one ensemble predicts: those asked for, else all of which a cell line has a peak.

    Args:
        store: an open store.
        cells: training cell lines, each of which may lack some of the factors.
        asked: factors asked for; none for all.

    Raises:
        UsageError: a cell line is not in the store, or no cell line has a peak of a factor that is asked for.
    """
    named = tuple(dict.fromkeys(factor for cell in cells for factor in store.cell(cell).factor_names))
    known = tuple(factor for factor in named if any(has_peaks(store, cell, factor) for cell in cells))
    if missing := [factor for factor in asked if factor not in known]:
        raise UsageError(
            f"no training cell line ({', '.join(cells)}) has a peak of {', '.join(missing)}; they have those of "
            f"{', '.join(known) or 'no factor'}"
        )
    if not known:
        raise UsageError(f"no factor to learn: {', '.join(cells)} have no peaks; they can only be used for prediction")
    if not asked and len(known) < len(named):
        without = ", ".join(factor for factor in named if factor not in known)
        print_line(f"not learnt, without a peak in the training cell lines: {without}", file=sys.stderr)
    return asked or known
