"""Group networks whose windows are cut alike, and order their tiles along the genome.

group    networks with windows of one length, tiles of one size and the same inputs: a tile is read once for all
step     one tile of one group; steps are in the order of their first bases, so that groups share what is read
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ....store.reader import Store
from ...network.block_ensemble import BlockEnsemble
from ...network.mean_signal import MeanSignal
from ...network.variants import AnyConfig, AnyNetwork
from ..bins import Bins, SortedWindows


@dataclass(frozen=True, eq=False)
class NetworkGroup:
    """Networks that score the same tiles.

    Attributes:
        networks: their indices among those given.
        config: of the first; all that concerns inputs is the same in the others.
        means: mean signal that they see; None where they see none.
        windows: of the bins.
        tiles: slices of the windows.
    """

    networks: tuple[int, ...]
    config: AnyConfig
    means: MeanSignal | None
    windows: SortedWindows
    tiles: tuple[slice, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """A tile to be read and scored by the networks of a group."""

    group: NetworkGroup
    rows: slice


def tile_bases(config: AnyConfig) -> int:
    """Return the bases within which the windows of a tile start: both strands' activations take 128 MiB."""
    return max(2**24 // config.kernels, 2**14)


def group_networks(networks: Sequence[AnyNetwork], bins: Bins, store: Store) -> list[NetworkGroup]:
    """Group networks by their inputs and tiles; the tiles of each are those that it has alone."""
    members: dict[tuple[Any, ...], list[int]] = {}
    for i, network in enumerate(networks):
        members.setdefault(_key(network), []).append(i)
    windows: dict[tuple[int, int], SortedWindows] = {}
    groups = []
    for of_group in members.values():
        network = networks[of_group[0]]
        config = network.config
        length, margin = config.window_length, config.excluded_margin
        if (length, margin) not in windows:
            windows[length, margin] = SortedWindows.of(bins, store, length=length, margin=margin)
        tiles = tuple(windows[length, margin].tiles(tile_bases(config)))
        groups.append(NetworkGroup(tuple(of_group), config, _means(network), windows[length, margin], tiles))
    return groups


def steps_along_genome(groups: Sequence[NetworkGroup]) -> Iterator[Step]:
    """Return the tiles of all groups, sorted by chromosome and the first base of their first clean window."""

    def position(step: Step) -> tuple[int, int]:
        windows, rows = step.group.windows, step.rows
        clean = windows.clean[rows]
        first = rows.start + int(clean.argmax())  # the first window of all, where none is clean: nothing is read
        return int(windows.chrom[first]), int(windows.start[first])

    return iter(sorted((Step(group, rows) for group in groups for rows in group.tiles), key=position))


def _means(network: AnyNetwork) -> MeanSignal | None:
    return network.mean_signal if isinstance(network, BlockEnsemble) else None


def _key(network: AnyNetwork) -> tuple[Any, ...]:
    """Return all that the tiles of a network depend on."""
    config = network.config
    sizes = (type(config), config.window_length, config.excluded_margin, tile_bases(config))
    inputs: tuple[Any, ...] = (config.tracks, config.meta, config.gencode)
    if isinstance(network, BlockEnsemble):
        inputs += (network.config.annotation, network.config.mean_tracks, id(network.mean_signal))
    return sizes + inputs
