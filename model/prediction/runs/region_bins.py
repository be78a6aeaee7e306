"""All bins of regions, and the parts in which they are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ....store.genome.intervals import GenomeCoordinates
from ....store.genome.regions import Region
from ....store.reader import Store
from ..bins import PIECE, Bins, pieces_of_region, split_region
from ..predictor import BinSummary


@dataclass(frozen=True, kw_only=True)
class RegionBins:
    """All bins of regions, one every `stride` bases.

    Attributes:
        regions: in the order of the output; they are scored in parts.
        stride: bases between the starts of bins.
        part_bins: largest number of bins in a part.
    """

    regions: tuple[Region, ...]
    stride: int
    part_bins: int = PIECE
    _summaries: dict[int, BinSummary] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def parts(self) -> tuple[Region, ...]:
        """Regions of one piece of bins each, in the order of the output; see `split_region`."""
        split = partial(split_region, stride=self.stride, bins=self.part_bins)
        return tuple(part for region in self.regions for part in split(region))

    def pieces(self, coordinates: GenomeCoordinates, parts: Sequence[int] | None = None) -> Iterator[Bins]:
        """Yield the bins of some parts, given by index, or of all, in pieces of bounded size."""
        for i in range(len(self.parts)) if parts is None else parts:
            yield from pieces_of_region(self.parts[i], coordinates, stride=self.stride, bins=self.part_bins)

    def options(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"stride": self.stride, "regions": [str(r) for r in self.regions]}

    def summary(self, store: Store, margin: int) -> BinSummary:
        """Return what records say of the bins; it is counted once for each margin."""
        if margin not in self._summaries:
            self._summaries[margin] = BinSummary.of(self.pieces(store.coordinates), store, margin=margin)
        return self._summaries[margin]
