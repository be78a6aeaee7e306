"""Open a store and read its arrays, tables and attributes.

Every read is checked: a missing or altered object raises `StoreError` and is never read as zeros. Arrays of a
compressed store are read from their shards (`format.sharded`), those of a raw one are memory maps (`format.memmap`), of
signal mostly as codes (`format.value_tables`).
Reading does not use zarr and holds no threads or locks, so a forked process may continue to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cell_info import CellInfo, Track
from .errors import StoreError, UsageError
from .format.attributes import read_attributes, read_manifest
from .format.manifest import Objects, check_self_digest, read_object, unreadable
from .format.memmap import map_array
from .format.sharded import ShardedArray
from .format.tables import Peaks, read_table
from .format.value_tables.coded_array import is_coded, map_coded_array
from .format.zarr_json import parse_zarr_json
from .genome.intervals import GenomeCoordinates, Intervals, merge
from .location import StoreLocation, check_is_store, find_location, is_remote, with_forward_slashes
from .schema import PeakSet, StoreInfo
from .spans import StoredArray
from .storage.base import GroupStorage
from .storage.cache import ObjectCache, default_cache
from .text import format_count, format_names, printable, shell_word


@dataclass
class _Groups:
    """Groups of a store, as first read in this process; later reads use the same version of them.

    Attributes:
        location: where the store is; None before the first read.
        folders: path of a group (``genome`` or ``cells/<cell>``) -> its folder.
        objects: path of a group -> objects that its manifest lists.
        cells: name of a cell line -> its attributes.
    """

    location: StoreLocation | None = None
    folders: dict[str, GroupStorage] = field(default_factory=dict)
    objects: dict[str, Objects] = field(default_factory=dict)
    cells: dict[str, CellInfo] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """An open store. Cheap to pickle: each process opens arrays on first use.

    After a cell line is replaced, a process that has read from it continues to read the old version. A process that
    receives the store by pickling refuses versions other than those in `pins`.

    Attributes:
        path: of a folder or zip file, or a URL.
        info: attributes of the root group.
        pins: name of each cell line that was read -> digest of its manifest.
        cache: for objects read from a server.
    """

    path: str
    info: StoreInfo
    pins: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    cache: ObjectCache = field(default_factory=default_cache, repr=False, compare=False)
    _opened: dict[str, StoredArray] = field(default_factory=dict, init=False, repr=False, compare=False)
    _groups: _Groups = field(default_factory=_Groups, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Store, (self.path, self.info, dict(self.pins), self.cache))

    def __repr__(self) -> str:
        try:
            cells = "on a server" if is_remote(self.path) else format_names(self.cells, "cell line")
        except StoreError as error:
            cells = error.problem
        lengths = self.coordinates.lengths
        genome = f"{printable(self.info.assembly)}, {format_count(len(lengths), 'chromosome')}, {sum(lengths):,} bases"
        return f"Store({self.path!r}: {genome}; {'raw' if self.is_raw else 'compressed'}; {cells})"

    def for_workers(self) -> Store:
        """Return the store at its absolute path: processes that unpickle it may run in other folders."""
        path = self.path if is_remote(self.path) else str(Path(self.path).absolute())
        return Store(path, self.info, dict(self.pins), self.cache)

    @property
    def storage(self) -> StoreLocation:
        """Folder, zip file or server of the store."""
        if self._groups.location is None:
            self._groups.location = find_location(self.path, self.cache)
        return self._groups.location

    @property
    def location(self) -> str:
        """Path or URL of the store, for messages."""
        return self.storage.location

    @cached_property
    def coordinates(self) -> GenomeCoordinates:
        """The chromosomes as one coordinate axis."""
        return self.info.coordinates

    @property
    def is_raw(self) -> bool:
        """Whether arrays are uncompressed files to memory-map."""
        return self.info.encoding == "raw"

    @property
    def random_access(self) -> bool:
        """Whether windows can be read in any order at the same speed (arrays are mapped or in memory)."""
        return self.is_raw

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cell lines, sorted.

        Raises:
            StoreError: they cannot be listed.
        """
        try:
            return self.storage.cells()
        except OSError as e:
            raise unreadable(f"{self.location}/cells", e) from e

    def cell(self, name: str) -> CellInfo:
        """Return the attributes of a cell line.

        Raises:
            UsageError: no such cell line; the message lists the names in the store.
            StoreError: it is damaged, was replaced or built on another genome, or cell lines cannot be listed.
        """
        if name not in self._groups.cells:
            # A cell line in the index of a server exists, though damaged, even if its attributes are missing.
            if not self.storage.has(name) and name not in self.cells:
                names = ", ".join(self.cells) or "none yet (add one with `factornet-etl build`)"
                raise UsageError(f"{self.location}: no cell line {name!r} in the store; it has {names}")
            self._groups.cells[name] = self._read_cell(name)
        return self._groups.cells[name]

    def _read_cell(self, name: str) -> CellInfo:
        location = f"{self.location}/cells/{name}"
        text, attributes = read_attributes(self.folder(f"cells/{name}"))
        info = CellInfo.from_attributes(attributes, location=location)
        check_self_digest(text, attributes, location=location)
        if info.name != name:
            raise StoreError(
                location, f"is the cell line {info.name}, not {name}", hint="run `factornet-etl verify` for a remedy"
            )
        info.check_genome(self.info, location=location)
        if self.pins.setdefault(name, info.manifest) != info.manifest:
            raise StoreError(location, "was replaced while it was in use", hint="start again to use the new version")
        return info

    def sequence(self, chrom: str) -> StoredArray:
        """Return the base codes of a chromosome, uint8 (length,)."""
        return self.array(f"genome/sequence/{chrom}")

    def annotation(self, chrom: str) -> StoredArray:
        """Return the annotation bits of a chromosome, uint8 (length,)."""
        return self.array(f"genome/annotation/{chrom}")

    @cached_property
    def has_annotation(self) -> bool:
        """Whether the store has gene annotation."""
        return bool(self.genome_attributes.get("annotation"))

    @cached_property
    def genome_attributes(self) -> dict[str, Any]:
        """Attributes of the genome's group: names of the shared tracks, whether it has annotation, and gaps."""
        text = read_object(self.folder("genome"), "zarr.json", self.objects("genome"))
        return dict(parse_zarr_json(text, "group")["attributes"])

    def labels(self, cell: str, chrom: str) -> StoredArray:
        """Return the labels of a chromosome's bins, uint8 (bins, factors)."""
        return self.array(f"cells/{cell}/labels/{chrom}")

    def track(self, cell: str, name: str, chrom: str) -> StoredArray:
        """Return the signal of a track of a cell line on a chromosome, float32 (length,)."""
        return self.array(self.track_path(cell, name, chrom))

    def tracks_of(self, cell: str) -> tuple[Track, ...]:
        """Return the tracks of a cell line, then those of the genome that its bigwig.txt does not list.

        All cell lines share these: a computed one, such as uniqueness, has no file that a sheet could name.
        """
        listed = self.cell(cell).tracks
        names = {track.name for track in listed}
        return listed + tuple(Track(name, shared=True) for name in self.info.shared if name not in names)

    def track_path(self, cell: str, name: str, chrom: str) -> str:
        """Return the path of a track's signal in the store; shared tracks are stored with the genome.

        Raises:
            UsageError: no such cell line or track; the message lists the names in the store.
        """
        tracks = self.tracks_of(cell)
        for track in tracks:
            if track.name == name:
                return f"{'genome' if track.shared else f'cells/{cell}'}/tracks/{name}/{chrom}"
        raise UsageError(f"cell line {cell} has no track {name!r}; it has {', '.join(t.name for t in tracks)}")

    def meta(self, cell: str) -> NDArray[np.float32]:
        """Return the cell-line features (gene-expression components), float32 (features,)."""
        return np.array(self.array(f"cells/{cell}/meta")[:], np.float32)

    def blacklist(self) -> Intervals:
        """Return the blacklisted intervals in absolute coordinates, merged; empty if the store has none.

        Raises:
            StoreError: the table is damaged, or a row is not an interval on a chromosome.
        """
        return self._intervals("genome/blacklist")

    def assembly_gaps(self) -> Intervals:
        """Return the runs of N in absolute coordinates, merged; empty if the store has no record of them.

        Raises:
            StoreError: the table is damaged, or a row is not an interval on a chromosome.
        """
        if not self.genome_attributes.get("assembly_gaps"):
            return Intervals(np.array([], np.int64), np.array([], np.int64))
        return self._intervals("genome/assembly_gaps")

    def peaks(self, cell: str, factor: str, which: PeakSet) -> Peaks:
        """Return the peaks of a factor; the conservative set if there is no relaxed one.

        Raises:
            UsageError: no such cell line or factor.
            StoreError: the table is damaged, or a row is not an interval on a chromosome.
        """
        info = self.cell(cell)
        has_relaxed = info.factors[info.factor_index(factor)].relaxed
        which = which if has_relaxed else "conservative"
        return Peaks(**self._table(f"cells/{cell}/peaks/{factor}/{which}", "chrom", "start", "stop", "summit"))

    def _intervals(self, group: str) -> Intervals:
        table = self._table(group, "chrom", "start", "stop")
        return merge(Intervals(*(self.coordinates.to_absolute(table["chrom"], table[k]) for k in ("start", "stop"))))

    def _table(self, group: str, *columns: str) -> dict[str, NDArray[np.int64]]:
        arrays = {name: self.array(f"{group}/{name}") for name in columns}
        return read_table(arrays, self.coordinates, location=f"{self.location}/{group}")

    def array(self, path: str) -> StoredArray:
        """Open the array at `path` of the store, once per process.

        Raises:
            StoreError: no such array, its metadata is damaged, or (in a raw store) its file is of the wrong size.
        """
        if path not in self._opened:
            depth = 1 if path.startswith("genome/") else 2  # "genome", or "cells/<cell>"
            parts = path.split("/")
            group, name = "/".join(parts[:depth]), "/".join(parts[depth:])
            if self.is_raw and not self.storage.local:
                raise StoreError(
                    self.location,
                    "a raw store can only be memory-mapped from a local disk",
                    hint=f"copy it to one with `factornet-etl import {shell_word(self.location)} DEST`, or export the "
                    "compressed store it was unpacked from",
                )
            self._opened[path] = self._open_array(self.folder(group), name, self.objects(group))
        return self._opened[path]

    def _open_array(self, group: GroupStorage, name: str, objects: Objects) -> StoredArray:
        if not self.is_raw:
            return ShardedArray(group, name, objects)
        return map_coded_array(group, name, objects) if is_coded(name, objects) else map_array(group, name, objects)

    def folder(self, group: str) -> GroupStorage:
        """Return the folder of ``genome`` or ``cells/<cell>``, in the version that was first opened.

        Raises:
            StoreError: it does not exist or cannot be read.
        """
        if group not in self._groups.folders:
            try:
                self._groups.folders[group] = self.storage.folder(group)
            except OSError as e:
                raise unreadable(f"{self.location}/{group}", e) from e
        return self._groups.folders[group]

    def objects(self, group: str) -> Objects:
        """Return the objects that the manifest of ``genome`` or ``cells/<cell>`` lists.

        Raises:
            UsageError: no such cell line.
            StoreError: the group or its manifest is missing or damaged.
        """
        if group not in self._groups.objects:
            if group == "genome":
                digest, listed = self.info.genome_manifest, self.info.genome_manifest_objects
            else:
                info = self.cell(group.removeprefix("cells/"))
                digest, listed = info.manifest, info.manifest_objects
            self._groups.objects[group] = read_manifest(self.folder(group), digest, listed)
        return self._groups.objects[group]


def open_store(path: str | Path, *, cache: ObjectCache | str | Path | None = None) -> Store:
    """Open the store at `path` for reading.

    Args:
        path: a folder, a ``.zip`` file made by ``factornet-etl export``, or a URL: ``s3://``, ``gs://``, ``https://``,
            ``http://``.
        cache: folder (or `ObjectCache`, with a limit) for objects downloaded from a server, each whole and once;
            None means $FACTORNET_CACHE or the user's cache folder.

    Raises:
        StoreError: it does not exist, is damaged, has an unsupported schema version, or the server fails.
        UsageError: unsupported kind of URL.
    """
    cache = (
        cache if isinstance(cache, ObjectCache) else ObjectCache(Path(cache).absolute()) if cache else default_cache()
    )
    storage = find_location(path, cache)
    shown = storage.location if is_remote(storage.location) else str(path)
    try:
        folder = storage.folder("")
    except OSError as e:
        raise unreadable(shown, e) from e
    try:
        text, attributes = read_attributes(folder)
        info = StoreInfo.from_attributes(attributes, location=shown)
    except StoreError:
        check_is_store(storage, shown)
        raise
    check_self_digest(text, attributes, location=shown)
    store = Store(with_forward_slashes(path) if is_remote(storage.location) else storage.location, info, cache=cache)
    store._groups.location = storage
    return store
