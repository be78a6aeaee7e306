"""Open a store and read from it; nothing here writes.

Every read is checked: an object that is missing or altered raises `StoreError`, it is never taken for zeros. Arrays of
a compressed store are read from their shards (`sharded`), those of a raw one are memory maps (`mapped`); zarr writes
stores and has no part in reading them here, and a forked process may read on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import StoreError, UsageError
from .format.attributes import read_attributes, read_manifest
from .format.layout import check_values
from .format.manifest import CURE, Objects, check_self_digest, read_object
from .format.memmap import map_array
from .format.sharded import ShardedArray
from .format.tables import Peaks, read_table
from .format.zarr_json import parse_zarr_json
from .genome.intervals import GenomeCoordinates, Intervals, merge
from .location import StoreLocation, check_is_store, find_location, is_remote, with_forward_slashes
from .schema import CellInfo, PeakSet, StoreInfo
from .storage.base import GroupStorage
from .storage.cache import ObjectCache, default_cache

StoredArray = ShardedArray | NDArray[Any]
"""An array of a store; a memory map where the store is raw. Both have a shape and are sliced alike."""


@dataclass
class _Groups:
    """Groups of a store as first read in this process: every later read uses the same version of them.

    Attributes:
        location: folder, zip file or server.
        folders: by path of the group, ``genome`` or ``cells/<cell>``.
        objects: content of the manifest, by path of the group.
        cells: attributes, by name of the cell line.
    """

    location: StoreLocation | None = None
    folders: dict[str, GroupStorage] = field(default_factory=dict)
    objects: dict[str, Objects] = field(default_factory=dict)
    cells: dict[str, CellInfo] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """An open store. Cheap to pickle: arrays are opened again, on first use, in each process.

    A cell line that is replaced goes on being read as it was when it was first used here (`folder`). A process that
    is sent the store knows by `pins` (cell line -> digest of the manifest) which version was meant, and takes no other.
    `path` is that of a folder or zip file, or a URL, of which `cache` keeps what was read.
    """

    path: str
    info: StoreInfo
    pins: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    cache: ObjectCache = field(default_factory=default_cache, repr=False, compare=False)
    _opened: dict[str, StoredArray] = field(default_factory=dict, init=False, repr=False, compare=False)
    _groups: _Groups = field(default_factory=_Groups, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Store, (self.path, self.info, dict(self.pins), self.cache))

    @property
    def home(self) -> StoreLocation:
        """Where the store lies."""
        if self._groups.location is None:
            self._groups.location = find_location(self.path, self.cache)
        return self._groups.location

    @property
    def location(self) -> str:
        """Where the store lies, for messages."""
        return self.home.location

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
        """Whether windows are cut from arrays that lie in memory, so that any order is as quick."""
        return self.is_raw

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cell lines, sorted.

        Raises:
            StoreError: they cannot be listed.
        """
        try:
            return self.home.cells()
        except OSError as e:
            raise StoreError(f"{self.location}/cells", f"cannot be read ({e.strerror})", hint=CURE) from e

    def cell(self, name: str) -> CellInfo:
        """What the store says about a cell line.

        Raises:
            UsageError: no such cell line; the message lists those there are.
            StoreError: it is damaged, or those there are cannot be listed.
        """
        if name not in self._groups.cells:
            # One that the list of a server names is there, though damaged, also where its attributes are gone.
            if not self.home.has(name) and name not in self.cells:
                has = ", ".join(self.cells) or "none yet (add one with `factornet-etl build`)"
                raise UsageError(f"{self.location}: no cell line {name!r} in the store; it has {has}")
            self._groups.cells[name] = self._read_cell(name)
        return self._groups.cells[name]

    def _read_cell(self, name: str) -> CellInfo:
        location = f"{self.location}/cells/{name}"
        text, attributes = read_attributes(self.folder(f"cells/{name}"))
        info = CellInfo.from_attributes(attributes, location=location)
        check_self_digest(text, attributes, location=location)
        if info.name != name:
            raise StoreError(
                location, f"is the cell line {info.name}, not {name}", hint="`factornet-etl verify` says what to do"
            )
        self.info.check_genome(info, location=location)
        if self.pins.setdefault(name, info.manifest) != info.manifest:
            raise StoreError(location, "was replaced while it was in use", hint="start again to use the new version")
        return info

    def sequence(self, chrom: str) -> StoredArray:
        """Base codes of a chromosome, uint8 (length,)."""
        return self.array(f"genome/sequence/{chrom}")

    def annotation(self, chrom: str) -> StoredArray:
        """Annotation bits of a chromosome, uint8 (length,)."""
        return self.array(f"genome/annotation/{chrom}")

    @cached_property
    def has_annotation(self) -> bool:
        """Whether the store was made with gene annotation."""
        return bool(self.genome_attributes.get("annotation"))

    @cached_property
    def genome_attributes(self) -> dict[str, Any]:
        """Attributes of the genome's group: names of the shared tracks, and whether there is annotation."""
        text = read_object(self.folder("genome"), "zarr.json", self.objects("genome"))
        return dict(parse_zarr_json(text, "group")["attributes"])

    def labels(self, cell: str, chrom: str) -> StoredArray:
        """Labels of a chromosome's bins, uint8 (bins, factors)."""
        return self.array(f"cells/{cell}/labels/{chrom}")

    def track(self, cell: str, name: str, chrom: str) -> StoredArray:
        """Signal of one track of a cell line on a chromosome, float32 (length,)."""
        return self.array(self.track_path(cell, name, chrom))

    def track_path(self, cell: str, name: str, chrom: str) -> str:
        """Where in the store the signal of a track lies; shared tracks lie with the genome.

        Raises:
            UsageError: no such cell line or track; the message lists those there are.
        """
        for track in self.cell(cell).tracks:
            if track.name == name:
                return f"{'genome' if track.shared else f'cells/{cell}'}/tracks/{name}/{chrom}"
        raise UsageError(f"cell line {cell} has no track {name!r}; it has {', '.join(self.cell(cell).track_names)}")

    def meta(self, cell: str) -> NDArray[np.float32]:
        """Cell-line features (gene-expression components), float32 (features,)."""
        return np.array(self.array(f"cells/{cell}/meta")[:], np.float32)

    def blacklist(self) -> Intervals:
        """Blacklisted intervals in axis coordinates, merged; empty when the store has none.

        Raises:
            StoreError: it is damaged, or holds what is no interval on a chromosome.
        """
        found = self._table("genome/blacklist", "chrom", "start", "stop")
        return merge(Intervals(*(self.coordinates.to_absolute(found["chrom"], found[k]) for k in ("start", "stop"))))

    def peaks(self, cell: str, factor: str, which: PeakSet) -> Peaks:
        """Peaks of a factor. Where there is no relaxed set, the conservative one stands in for it.

        Raises:
            UsageError: no such cell line or factor.
            StoreError: they are damaged, or hold what is no interval on a chromosome.
        """
        info = self.cell(cell)
        found = info.factors[info.factor_index(factor)]
        which = which if found.relaxed else "conservative"
        return Peaks(**self._table(f"cells/{cell}/peaks/{factor}/{which}", "chrom", "start", "stop", "summit"))

    def _table(self, group: str, *columns: str) -> dict[str, NDArray[np.int64]]:
        arrays = {name: self.array(f"{group}/{name}") for name in columns}
        return read_table(arrays, self.coordinates, location=f"{self.location}/{group}")

    def array(self, path: str) -> StoredArray:
        """Any array of the store, opened once a process.

        Raises:
            StoreError: there is none at `path`, or (of a raw store) its file has not the size it must have.
        """
        if path not in self._opened:
            depth = 1 if path.startswith("genome/") else 2  # "genome", or "cells/<cell>"
            parts = path.split("/")
            group, name = "/".join(parts[:depth]), "/".join(parts[depth:])
            if self.is_raw and not self.home.local:
                raise StoreError(
                    self.location,
                    "a raw store is there to be memory-mapped from a local disk",
                    hint=f"bring it there with `factornet-etl import {self.location} DEST`, or export the "
                    "compressed store it came from",
                )
            read = map_array if self.is_raw else ShardedArray
            self._opened[path] = read(self.folder(group), name, self.objects(group))
        return self._opened[path]

    def folder(self, group: str) -> GroupStorage:
        """The folder of ``genome`` or ``cells/<cell>`` as it was when it was first asked for.

        Raises:
            StoreError: there is none.
        """
        if group not in self._groups.folders:
            try:
                self._groups.folders[group] = self.home.folder(group)
            except OSError as e:
                raise StoreError(f"{self.location}/{group}", f"cannot be read ({e.strerror})", hint=CURE) from e
        return self._groups.folders[group]

    def objects(self, group: str) -> Objects:
        """What the manifest of ``genome`` or ``cells/<cell>`` lists.

        Raises:
            StoreError: there is no such group, or its manifest is missing or damaged.
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
    """The store at `path`, for reading.

    Args:
        path: a folder, a ``.zip`` file that ``factornet-etl export`` made, or a URL: ``s3://``, ``gs://``,
            ``https://``, ``http://``.
        cache: of a store on a server: folder (or `ObjectCache`, with a limit) for objects that were fetched, each whole and
            once; $FACTORNET_CACHE or the user's cache folder where None.

    Raises:
        StoreError: there is none, it is damaged, or of a schema version this one does not read; or a server does not
            give it.
        UsageError: no such kind of URL.
    """
    cache = (
        cache if isinstance(cache, ObjectCache) else ObjectCache(Path(cache).absolute()) if cache else default_cache()
    )
    home = find_location(path, cache)
    shown = home.location if is_remote(home.location) else str(path)
    try:
        folder = home.folder("")
    except OSError as e:
        raise StoreError(shown, f"cannot be read ({e.strerror})", hint=CURE) from e
    try:
        text, attributes = read_attributes(folder)
        info = StoreInfo.from_attributes(attributes, location=shown)
    except StoreError:
        check_is_store(home, shown)
        raise
    check_self_digest(text, attributes, location=shown)
    store = Store(with_forward_slashes(path) if is_remote(home.location) else home.location, info, cache=cache)
    store._groups.location = home
    return store


def read_span(array: StoredArray, start: int, stop: int) -> NDArray[Any]:
    """Rows ``start:stop`` of an array, checked; a copy.

    Raises:
        StoreError: a chunk is missing or damaged, a value is none that valid data have, or the span lies outside the
            array; the message names array and rows.
    """
    location = f"{array_location(array)}[{start}:{stop}]"
    if not 0 <= start <= stop <= array.shape[0]:
        raise StoreError(location, f"outside the array of {array.shape[0]} rows")
    try:
        values = np.array(array[start:stop], copy=None if isinstance(array, ShardedArray) else True)
    except StoreError:
        raise
    except Exception as e:
        raise StoreError(location, f"a chunk is damaged ({e})", hint=CURE) from e
    check_values(values, location=array_location(array), start=start)
    return values


def array_location(array: StoredArray) -> str:
    """Where an array lies, for messages."""
    return array.location if isinstance(array, ShardedArray) else str(getattr(array, "filename", ""))


def padded_span(array: StoredArray, start: int, stop: int, *, pad_value: float) -> NDArray[Any]:
    """Positions ``start:stop`` of a chromosome's array, with `pad_value` before its first and after its last."""
    inner = read_span(array, min(max(start, 0), array.shape[0]), max(min(stop, array.shape[0]), 0))
    before, after = min(max(-start, 0), stop - start), min(max(stop - array.shape[0], 0), stop - start)
    if before == after == 0:
        return inner
    return np.pad(inner, (before, after), constant_values=pad_value)
