"""The store that exists at a destination, and the state of its groups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...store.errors import StoreError
from ...store.format.attributes import read_attributes
from ...store.format.manifest import Objects, check_may_be_damaged, check_self_digest, parse_objects
from ...store.location import StoreLocation
from ...store.reader import Store, open_store
from ...store.schema import StoreInfo
from .group import GroupSnapshot, snapshot_cell_line, snapshot_genome

ReadDigest = Callable[[str], str]
"""Returns the SHA-256 of the object at a path in a store, empty if it cannot be read."""

GroupStatus = Literal["absent", "equal", "damaged", "other", "unknown"]
"""State of a group at a destination; of an ``unknown`` one neither attributes nor manifest can be read."""

_MANIFEST = "manifest/c/0"


@dataclass(frozen=True)
class ExistingStore:
    """The store at a destination.

    Attributes:
        store: opened for reading.
        digest: reads the digests of its objects.
    """

    store: Store
    digest: ReadDigest

    def status(
        self, snapshot: GroupSnapshot, *, deep: bool, threads: int, on_object: Callable[[int], None]
    ) -> GroupStatus:
        """Compare a group at the destination with the one to be copied.

        Args:
            snapshot: the group to be copied.
            deep: compare the digests of all objects, not only names and sizes.
            threads: number of reading threads.
            on_object: called with the bytes of each object whose digest was compared.

        Raises:
            UnreadableError: the server or the machine failed.
        """
        location, is_genome = self.store.storage, snapshot.group == "genome"
        if not is_genome and not location.has(snapshot.cell):
            return "absent"
        attributes = _intact_attributes(location, "" if is_genome else snapshot.group)
        if attributes is None:
            # With a damaged root, `open_existing` has compared the genome.
            return "damaged" if is_genome or self._has_manifest(snapshot) else "unknown"
        key = "genome_manifest" if is_genome else "manifest"
        if attributes.get(key) != snapshot.manifest:
            return "other"
        # Another version of zstd may have compressed the manifest: its bytes are those that the existing group lists.
        manifest_objects = parse_objects(attributes.get(f"{key}_objects"), location=location.location)
        expected = {**snapshot.objects, **manifest_objects}
        whole = self._has_sizes(snapshot.group, expected)
        if whole and deep:
            whole = self._has_digests(snapshot.group, expected, threads, on_object)
        return "equal" if whole else "damaged"

    def manifest(self, snapshot: GroupSnapshot) -> str:
        """Return the digest of the manifest of an existing cell line; empty if its attributes are damaged."""
        return str((_intact_attributes(self.store.storage, snapshot.group) or {}).get("manifest", ""))

    def _has_manifest(self, snapshot: GroupSnapshot) -> bool:
        return self.digest(f"{snapshot.group}/{_MANIFEST}") == snapshot.objects.get(_MANIFEST, (0, "none"))[1]

    def _has_sizes(self, group: str, expected: Objects) -> bool:
        """Return whether exactly these objects exist, each of its size."""
        try:
            found = dict(self.store.storage.folder(group).listing() or {})
        except (StoreError, OSError) as e:
            check_may_be_damaged(e, f"{self.store.location}/{group}")
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

    def snapshots_without(self, groups: Collection[str]) -> list[GroupSnapshot]:
        """Return snapshots of all groups but these.

        Raises:
            StoreError: one of them is damaged.
        """
        snapshots = [] if "genome" in groups else [snapshot_genome(self.store)]
        cells = (cell for cell in self.store.cells if f"cells/{cell}" not in groups)
        return snapshots + [snapshot_cell_line(self.store, cell) for cell in cells]

    def has_outdated_cell_index(self) -> bool:
        """Return whether there is a list of cell lines, and it is damaged or lists others than exist."""
        location = self.store.storage
        try:
            listed = location.listed()
        except (StoreError, OSError) as e:
            check_may_be_damaged(e, self.store.location)
            return True
        if listed is None:
            return False
        found = {c: _intact_attributes(location, f"cells/{c}") or {} for c in location.cells()}
        return listed != {c: attributes.get("manifest") for c, attributes in found.items()}


def open_existing(
    location: StoreLocation, path: str | Path, info: StoreInfo | None, digest: ReadDigest
) -> ExistingStore:
    """Open the store at a destination.

    Args:
        location: where it is.
        path: the same, as the user named it.
        info: attributes of the store to be copied. A store whose own attributes are damaged is taken for one of the
            same genome if its genome has the same manifest, or if all its cell lines were built on these sequences.
        digest: reads the digest of an object at the destination.

    Raises:
        StoreError: something else exists there, or it is damaged and its genome is not known to be the same.
    """
    try:
        return ExistingStore(open_store(path), digest)
    except StoreError as e:
        check_may_be_damaged(e, location.location)
        if _intact_attributes(location, "") is not None:
            raise  # of a schema version that this factornet does not read
        listed = parse_objects(info.genome_manifest_objects, location=location.location) if info else {}
        same = digest(f"genome/{_MANIFEST}") == listed.get(_MANIFEST, (0, "none"))[1]
        if info and (same or _genomes_of_cell_lines(location) == {info.sequences}):
            return ExistingStore(Store(location.location, info), digest)
        if not {"zarr.json", "genome"} & (location.top() or {}).keys():
            problem = "exists, but is not a FactorNet store"
            raise StoreError(location.location, problem, hint="give another name") from e
        raise StoreError(
            location.location,
            "is not a FactorNet store, or its attributes (zarr.json) are damaged and its genome is not known to be the "
            "same",
            hint="give another name, or remove it and run the same command again",
        ) from e


def _genomes_of_cell_lines(location: StoreLocation) -> set[str]:
    """Return the digests of the sequences that the cell lines with intact attributes were built on."""
    found = (_intact_attributes(location, f"cells/{cell}") for cell in location.cells())
    return {str(attributes.get("genome")) for attributes in found if attributes is not None}


def _intact_attributes(location: StoreLocation, group: str) -> dict[str, Any] | None:
    """Return the attributes of a group, None if their own digest is wrong or they cannot be read.

    Raises:
        UnreadableError: the server or the machine failed.
    """
    try:
        storage = location.folder(group)
        text, attributes = read_attributes(storage)
        check_self_digest(text, attributes, location=storage.location)
    except (StoreError, OSError) as e:
        check_may_be_damaged(e, f"{location.location}/{group}")
        return None
    return attributes
