"""Check that cell lines of a store have the inputs of a network, and identify their data."""

from __future__ import annotations

from collections.abc import Iterable

from ...store.errors import UsageError
from ...store.meta_names import explain_other_meta
from ...store.reader import Store
from ...store.windows.inputs import WindowInputs, check_annotation, check_has_tracks
from ..network.variants import AnyConfig


def check_factor(config: AnyConfig, factor: str) -> None:
    """Check that a network predicts a factor.

    Raises:
        UsageError: it does not; the message lists those that it predicts.
    """
    if factor not in config.tasks:
        raise UsageError(f"the model does not predict {factor!r}; it predicts {', '.join(config.tasks)}")


def check_tracks(config: AnyConfig, store: Store, cell: str) -> None:
    """Check that a cell line has the tracks of a network; others may be among them, in any order.

    Raises:
        UsageError: it lacks some; the message names them, the tracks that it has and those of the network.
    """
    try:
        check_has_tracks(store, (cell,), config.tracks)
    except UsageError as error:
        raise UsageError(f"{error}; the model was trained on {', '.join(config.tracks)}") from error


def check_inputs(config: AnyConfig, store: Store, cell: str) -> None:
    """Check that a cell line has the tracks of a network, and its meta values in its order.

    Raises:
        UsageError: it lacks a track, or has other meta values or in another order, which are named; or the network uses
            annotation and the store has none.
    """
    check_tracks(config, store, cell)
    if config.uses_annotation:
        check_annotation(store)
    if config.meta and (found := store.cell(cell).meta) != config.meta:
        problem = (
            f"cell line {cell} has the meta values {', '.join(found) or 'none'}; the model was trained on "
            f"{', '.join(config.meta)}, in that order"
        )
        hint = explain_other_meta(config.meta, found)
        raise UsageError(f"{problem}; {hint}" if hint else problem)


def network_inputs(config: AnyConfig, store: Store, cells: tuple[str, ...]) -> WindowInputs:
    """Return what a network reads of cell lines.

    Raises:
        UsageError: as for `check_inputs`.
    """
    for cell in cells:
        check_inputs(config, store, cell)
    return WindowInputs.of(store, cells, tracks=config.tracks, meta=bool(config.meta), gencode=config.gencode)


def manifest_digests(store: Store, cells: Iterable[str]) -> dict[str, str]:
    """Map genome and cell lines (by path in the store) to the digests of their manifests.

    For a raw store the digest is that of the compressed one, so that equal data have equal digests.
    """
    infos = [store.cell(cell) for cell in cells]
    found = {"genome": store.info.unpacked_from or store.info.genome_manifest}
    return found | {f"cells/{info.name}": info.unpacked_from or info.manifest for info in infos}
