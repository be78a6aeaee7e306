"""Create the large arrays of a group being built: one per chromosome, with a value per base or labels per bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from ....store.files.atomic_write import naming_file
from ....store.format.layout import Layout, create_array
from ....store.genome.intervals import GenomeCoordinates
from ....store.schema import bin_count
from ...shards.tasks import ShardRegion, shard_regions

Regions = Mapping[str, Sequence[ShardRegion]]
"""Chromosome -> its shards, in order."""


@dataclass(frozen=True)
class ChromosomeArrays:
    """Creates arrays below a Zarr group, and returns their shards to be written.

    Attributes:
        root: folder of the group.
        coordinates: chromosomes and their lengths.
        layout: chunks and shards.
    """

    root: Path
    coordinates: GenomeCoordinates
    layout: Layout

    def per_base(self, path: str, *, dtype: str, attributes: dict[str, Any]) -> Regions:
        """Create arrays of shape (bases,) in the group `path`."""
        group = self._create_group(path)
        for chrom, length in zip(self.coordinates.names, self.coordinates.lengths, strict=True):
            with naming_file(self.root / path / chrom / "zarr.json"):
                create_array(
                    group,
                    chrom,
                    shape=(length,),
                    dtype=dtype,
                    dimension_names=(f"position_{chrom}",),
                    layout=self.layout.for_rows(length),
                    attributes=attributes,
                )
        return self._regions(path)

    def labels(self, path: str, factors: Sequence[str]) -> Regions:
        """Create uint8 arrays of shape (bins, factors) in the group `path`."""
        group = self._create_group(path)
        for chrom, length in zip(self.coordinates.names, self.coordinates.lengths, strict=True):
            bins = bin_count(length)
            with naming_file(self.root / path / chrom / "zarr.json"):
                create_array(
                    group,
                    chrom,
                    shape=(bins, len(factors)),
                    dtype="uint8",
                    dimension_names=(f"bin_{chrom}", "factor"),
                    layout=self.layout.for_rows(bins, width=len(factors)),
                    attributes={"factors": list(factors), "values": "0=unbound 1=bound 2=ambiguous"},
                )
        return self._regions(path)

    def _create_group(self, path: str) -> zarr.Group:
        group = zarr.open_group(str(self.root), mode="r+")
        for name in path.split("/"):
            with naming_file(self.root / path / "zarr.json"):
                group = group.require_group(name)
        return group

    def _regions(self, path: str) -> Regions:
        return {chrom: tuple(shard_regions(self.root, f"{path}/{chrom}")) for chrom in self.coordinates.names}
