"""Describe a store as an entry of a catalogue, from its attributes and manifests; no value of it is read."""

from __future__ import annotations

from datetime import UTC, datetime

from ...store.errors import StoreError, UsageError
from ...store.format.manifest import parse_objects
from ...store.reader import Store
from ...store.schema import bin_count
from ...store.text import printable
from .entry import CatalogueEntry, CellEntry, Statements


def describe_store(
    store: Store, name: str, *, statements: Statements, zip_size: int = 0, zip_sha256: str = ""
) -> CatalogueEntry:
    """Return the entry of a store.

    Args:
        store: an open store.
        name: of its folder or zip file.
        statements: licence, citation and contact.
        zip_size: bytes of the zip file, where it is one.
        zip_sha256: of the zip file.

    Raises:
        StoreError: the store is damaged, or something in it has no valid name.
    """
    info, lengths = store.info, store.coordinates.lengths
    groups = ("genome", *(f"cells/{cell}" for cell in store.cells))
    try:
        return CatalogueEntry(
            name=name,
            size=zip_size or sum(_group_size(store, group) for group in groups),
            unpacked_size=_unpacked_size(store),
            sha256=zip_sha256,
            encoding=info.encoding,
            assembly=info.assembly,
            sequences=info.sequences,
            n_chromosomes=len(lengths),
            bases=sum(lengths),
            genome_manifest=info.genome_manifest,
            cells=tuple(_describe_cell(store, cell) for cell in store.cells),
            software=f"factornet {printable(str(info.provenance.get('factornet', 'of an unknown version')))}",
            exported=datetime.now(UTC).strftime("%Y-%m-%d"),
            statements=statements,
        )
    except (TypeError, UsageError) as e:
        raise StoreError(store.location, f"cannot be listed in a catalogue ({e})", hint="export it anew") from e


def _describe_cell(store: Store, cell: str) -> CellEntry:
    info = store.cell(cell)
    tracks = tuple(track.name for track in store.tracks_of(cell))
    return CellEntry(name=cell, manifest=info.manifest, tracks=tracks, factors=info.factor_names)


def _group_size(store: Store, group: str) -> int:
    """Return the bytes of all objects of a group, without the attributes that have the digest of its manifest."""
    info = store.info
    listed = info.genome_manifest_objects if group == "genome" else store.cell(group[6:]).manifest_objects
    objects = {**store.objects(group), **parse_objects(listed, location=f"{store.location}/{group}")}
    return sum(size for size, _ in objects.values())


def _unpacked_size(store: Store) -> int:
    """Return the bytes of all values, signal as float32."""
    lengths = store.coordinates.lengths
    bases, bins = sum(lengths), sum(map(bin_count, lengths))
    size = bases * (1 + store.has_annotation + 4 * len(store.info.shared))
    for cell in store.cells:
        info = store.cell(cell)
        size += 4 * bases * sum(not track.shared for track in info.tracks) + bins * len(info.factors)
    return size
