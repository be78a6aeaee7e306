"""The bins or intervals to predict, from the options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from ...etl.inputs.alias_tables import read_aliases
from ...etl.inputs.bed import read_intervals
from ...etl.inputs.chrom_aliases import abbreviate
from ...store.errors import UsageError
from ...store.files.digest import file_digest
from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.schema import BIN, bin_count
from ...store.text import format_count
from ..common.arguments import parse_regions
from ..common.output import print_warning

if TYPE_CHECKING:
    from ...model.prediction.bins import Bins
    from ...model.prediction.runs.interval_run import IntervalBins
    from ...model.prediction.runs.region_bins import RegionBins


def choose_regions(options: argparse.Namespace, store: Store) -> list[Region]:
    """Return the regions to predict; none with ``-b``.

    Raises:
        UsageError: a region is none of the store, or ``all`` is not alone, or no chromosome has a bin.
    """
    if "all" not in (options.regions or ()) or "all" in store.coordinates.names:
        return parse_regions(options.regions or (), store, option="--regions")
    if len(options.regions) > 1:
        raise UsageError("--regions all: has all chromosomes of the store; give no other region")
    lengths = dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
    regions = [Region(name, 0, length) for name, length in lengths.items() if bin_count(length)]
    if not regions:
        raise UsageError(f"--regions all: no chromosome of the store is as long as a bin of {BIN} bases")
    if short := [name for name in lengths if not bin_count(lengths[name])]:
        print_warning(f"--regions all: {abbreviate(short)} left out, shorter than a bin of {BIN} bases")
    return regions


def read_bins(options: argparse.Namespace, store: Store) -> IntervalBins:
    """Read the intervals of ``-b``, and warn of those that are longer than a bin and not tiled.

    Raises:
        InputError: as for `read_intervals`.
    """
    from ...model.prediction.bins import Bins
    from ...model.prediction.runs.interval_run import IntervalBins

    aliases = read_aliases(options.chrom_alias, store.coordinates.names)
    bins = Bins(*read_intervals(options.bed, store.coordinates, aliases))
    if options.tile is None:
        _warn_of_long_intervals(options, bins)
    origin = {"bed": options.bed.name, "bed_sha256": file_digest(options.bed)}
    return IntervalBins(bins=bins, origin=origin, tile=options.tile)


def chromosomes_of(asked: RegionBins | IntervalBins, store: Store) -> tuple[str, ...]:
    """Return the names of the chromosomes that bins are on."""
    from ...model.prediction.runs.region_bins import RegionBins

    if isinstance(asked, RegionBins):
        return tuple(dict.fromkeys(region.chrom for region in asked.regions))
    return tuple(store.coordinates.names[chrom] for chrom in np.unique(asked.bins.chrom))


def _warn_of_long_intervals(options: argparse.Namespace, bins: Bins) -> None:
    """Warn of intervals that are longer than a bin: they get one score each."""
    length = bins.stop - bins.start
    if n := int((length > BIN).sum()):
        print_warning(
            f"{options.bed}: {n:,} of {format_count(len(bins), 'interval')} longer than a bin of {BIN} bases (up to "
            f"{length.max():,}): each gets one score, that of the bin in its middle; --tile max or mean takes all bins "
            "in them, --regions predicts all bins of regions"
        )
