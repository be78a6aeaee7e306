"""What lies at a destination already: which store it is, and whether its groups are whole."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...store.errors import RemoteError, StoreError
from ...store.format.attributes import read_attributes
from ...store.format.manifest import Objects, check_self_digest, parse_objects
from ...store.location import StoreLocation
from ...store.reader import Store, open_store
from ...store.schema import StoreInfo
from .group import GroupSnapshot, snapshot_cell_line, snapshot_genome

Digest = Callable[[str], str]
"""SHA-256 of the object of this path in a store, empty where there is none that can be read."""

GroupStatus = Literal["absent", "equal", "damaged", "other", "unknown"]
"""Of a group at a destination; an ``unknown`` one is damaged so that it does not say what it was."""

_MANIFEST = "manifest/c/0"


@dataclass(frozen=True)
class ExistingStore:
    """The store at a destination, and how digests of its objects are had."""

    store: Store
    digest: Digest

    def state(self, part: GroupSnapshot, *, deep: bool, threads: int, on_object: Callable[[int], None]) -> GroupStatus:
        """What is there of a group that is to be copied.

        Args:
            part: the group.
            deep: compare digests of all objects, not only names and sizes.
            threads: that read.
            on_object: called with the bytes of each object whose digest was compared.

        Raises:
            RemoteError: the server failed.
        """
        home, genome = self.store.home, part.group == "genome"
        if not genome and not home.has(part.cell):
            return "absent"
        attributes = _sealed_attributes(home, "" if genome else part.group)
        if attributes is None:
            # The genome of a damaged root was compared by `open_existing`.
            return "damaged" if genome or self._has_manifest(part) else "unknown"
        key = "genome_manifest" if genome else "manifest"
        if attributes.get(key) != part.digest:
            return "other"
        # The manifest itself may have been packed by another zstd: it is as the attributes that are there say.
        own = parse_objects(attributes.get(f"{key}_objects"), location=home.location)
        expected = {**part.objects, **own}
        whole = self._has_sizes(part.group, expected)
        if whole and deep:
            whole = self._has_digests(part.group, expected, threads, on_object)
        return "equal" if whole else "damaged"

    def manifest(self, part: GroupSnapshot) -> str:
        """Digest of the manifest of a cell line that is there; empty where it is damaged."""
        return str((_sealed_attributes(self.store.home, part.group) or {}).get("manifest", ""))

    def _has_manifest(self, part: GroupSnapshot) -> bool:
        return self.digest(f"{part.group}/{_MANIFEST}") == part.objects.get(_MANIFEST, (0, "none"))[1]

    def _has_sizes(self, group: str, expected: Objects) -> bool:
        """Whether exactly these objects are there, each of its size."""
        try:
            found = dict(self.store.home.folder(group).listing() or {})
        except RemoteError:
            raise
        except (StoreError, OSError):
            return False
        if group != "genome":
            found.pop("zarr.json", None)
        sizes = {name: entry.size for name, entry in found.items() if entry.kind == "file"}
        return len(sizes) == len(found) and sizes == {name: size for name, (size, _) in expected.items()}

    def _has_digests(self, group: str, expected: Objects, threads: int, on_object: Callable[[int], None]) -> bool:
        with ThreadPoolExecutor(threads, thread_name_prefix="compare") as pool:
            digests = pool.map(self.digest, [f"{group}/{name}" for name in expected])
            for digest, (size, sha) in zip(digests, expected.values(), strict=True):
                on_object(size)
                if digest != sha:
                    return False
        return True

    def rest(self, without: Collection[str]) -> list[GroupSnapshot]:
        """All groups but these.

        Raises:
            StoreError: one is damaged.
        """
        groups = [f"cells/{c}" for c in self.store.cells]
        parts = [] if "genome" in without else [snapshot_genome(self.store)]
        return parts + [snapshot_cell_line(self.store, g.removeprefix("cells/")) for g in groups if g not in without]

    def has_wrong_list(self) -> bool:
        """Whether there is a list of cell lines, and it does not list those that are there."""
        home = self.store.home
        try:
            listed = home.listed()
        except (StoreError, OSError):
            return True
        if listed is None:
            return False
        found = {c: _sealed_attributes(home, f"cells/{c}") or {} for c in home.cells()}
        return listed != {c: attributes.get("manifest") for c, attributes in found.items()}


def open_existing(home: StoreLocation, path: str | Path, info: StoreInfo | None, digest: Digest) -> ExistingStore:
    """The store at a destination.

    Args:
        home: of it.
        path: of it.
        info: of the store to be copied. What lies at the destination with damaged attributes is a store of the same
            genome if its genome has the same manifest, or else if its cell lines were built on these sequences.
        digest: of an object at the destination.

    Raises:
        StoreError: there is something else, or what cannot be told to be a store of this genome.
    """
    try:
        return ExistingStore(open_store(path), digest)
    except RemoteError:
        raise
    except StoreError as e:
        if _sealed_attributes(home, "") is not None:
            raise  # one that this factornet does not read
        listed = parse_objects(info.genome_manifest_objects, location=home.location) if info else {}
        same = digest(f"genome/{_MANIFEST}") == listed.get(_MANIFEST, (0, "none"))[1]
        if info and (same or _genomes_of_cells(home) == {info.sequences}):
            return ExistingStore(Store(home.location, info), digest)
        if not {"zarr.json", "genome"} & (home.top() or {}).keys():
            raise StoreError(home.location, "is there, and is no FactorNet store", hint="give another name") from e
        raise StoreError(
            home.location,
            "is no FactorNet store, or its attributes (zarr.json) are damaged and its genome is not "
            "known to be the same",
            hint="give another name, or remove what is there and run the same command again",
        ) from e


def _genomes_of_cells(home: StoreLocation) -> set[str]:
    """Digests of the sequences that the cell lines were built on, of those whose attributes are whole."""
    found = (_sealed_attributes(home, f"cells/{cell}") for cell in home.cells())
    return {str(attributes.get("genome")) for attributes in found if attributes is not None}


def _sealed_attributes(home: StoreLocation, group: str) -> dict[str, Any] | None:
    """Attributes of a group, None where they are not, byte for byte, as they were written."""
    try:
        folder = home.folder(group)
        text, attributes = read_attributes(folder)
        check_self_digest(text, attributes, location=folder.location)
    except RemoteError:
        raise
    except (StoreError, OSError):
        return None
    return attributes
