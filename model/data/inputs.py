"""Check that cell lines of a store have the inputs of a network, and identify their data."""

from __future__ import annotations

from collections.abc import Iterable

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.windows.inputs import WindowInputs
from ..network.config import NetworkConfig


def check_tracks(config: NetworkConfig, store: Store, cell: str) -> None:
    """Check that a cell line has the tracks of a network, in its order.

    Raises:
        UsageError: it has others, or in another order; both are named.
    """
    _check_names("tracks", store.cell(cell).track_names, config.tracks, cell)


def check_inputs(config: NetworkConfig, store: Store, cell: str) -> None:
    """Check that a cell line has the tracks and meta values of a network, in its order.

    Raises:
        UsageError: it has others, or in another order; both are named.
    """
    check_tracks(config, store, cell)
    if config.meta:
        _check_names("meta values", store.cell(cell).meta, config.meta, cell)


def _check_names(noun: str, found: tuple[str, ...], expected: tuple[str, ...], cell: str) -> None:
    if found != expected:
        raise UsageError(
            f"cell line {cell} has the {noun} {', '.join(found) or 'none'}; the model was trained on "
            f"{', '.join(expected) or 'none'}, in that order"
        )


def network_inputs(config: NetworkConfig, store: Store, cells: tuple[str, ...]) -> WindowInputs:
    """Return what a network reads of cell lines.

    Raises:
        UsageError: as for `check_inputs`, or the network uses annotation and the store has none.
    """
    for cell in cells:
        check_inputs(config, store, cell)
    return WindowInputs.of(store, cells, meta=bool(config.meta), gencode=config.gencode)


def manifest_digests(store: Store, cells: Iterable[str]) -> dict[str, str]:
    """Map genome and cell lines (by path in the store) to the digests of their manifests.

    For a raw store the digest is that of the compressed one, so that equal data have equal digests.
    """
    infos = [store.cell(cell) for cell in cells]
    found = {"genome": store.info.unpacked_from or store.info.genome_manifest}
    return found | {f"cells/{info.name}": info.unpacked_from or info.manifest for info in infos}
