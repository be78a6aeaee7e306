"""Snapshots of groups to be copied: every object with its size and digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ...store.errors import StoreError
from ...store.files.limited_read import read_cure
from ...store.format.attributes import read_attributes
from ...store.format.manifest import Objects, check_self_digest, parse_objects
from ...store.reader import Store
from ...store.storage.base import GroupStorage, ObjectDigest, OpenObject
from ...store.text import shell_word


@dataclass(frozen=True)
class GroupSnapshot:
    """A version of a group: the genome, or a cell line.

    Attributes:
        group: ``genome`` or ``cells/<cell>``.
        manifest: SHA-256 of its manifest.
        storage: to read the objects from.
        objects: size and SHA-256 of each object, except the attributes that have the digest of the manifest.
        attributes_path: path of these attributes in the store; for the genome, the root's ``zarr.json``.
        attributes: their content, which includes a digest of itself.
    """

    group: str
    manifest: str
    storage: GroupStorage
    objects: Objects
    attributes_path: str
    attributes: bytes

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(size for size, _ in self.objects.values())

    @property
    def cell(self) -> str:
        """Name of the cell line."""
        return self.group.removeprefix("cells/")

    @property
    def all_objects(self) -> dict[str, ObjectDigest]:
        """Path in the store -> size and SHA-256, the attributes included."""
        attributes = {self.attributes_path: (len(self.attributes), hashlib.sha256(self.attributes).hexdigest())}
        return {f"{self.group}/{name}": listed for name, listed in self.objects.items()} | attributes

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content of an object, verified.

        Raises:
            StoreError: the object is missing or damaged (a wrong digest shows at the end).
        """
        location = f"{self.storage.location}/{name}"
        store = self.storage.location.removesuffix(f"/{self.group}")
        hint = f"repair that store (`factornet-etl verify {shell_word(store)}` prints the remedies), or get it again"
        try:
            with self.storage.open(name, self.objects[name]) as opened:
                yield from verified_pieces(opened, self.objects[name], location=location, hint=hint)
        except FileNotFoundError as e:
            raise StoreError(location, "is missing, the manifest lists it", hint=hint) from e
        except OSError as e:
            raise StoreError(location, f"cannot be read ({e.strerror})", hint=read_cure(e, hint)) from e


def verified_pieces(opened: OpenObject, listed: ObjectDigest, *, location: str, hint: str) -> Iterator[bytes]:
    """Yield the content of an object, compared with its listed size and digest.

    Raises:
        StoreError: the object has another size (raised before anything is read) or content (raised at the end).
    """
    size, sha = listed
    if opened.size != size:
        raise StoreError(location, f"damaged ({opened.size} bytes, the manifest lists {size})", hint=hint)
    digest = hashlib.sha256()
    for piece in opened.pieces():
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha:
        raise StoreError(location, "damaged (its digest is not the one in the manifest)", hint=hint)


def snapshot_genome(store: Store) -> GroupSnapshot:
    """Return a snapshot of the genome of a store, with the root's attributes.

    Raises:
        StoreError: the manifest is damaged, or the genome was replaced since the store was opened.
    """
    info = store.info
    attributes = _read_attributes(store, "", "genome_manifest", info.genome_manifest)
    manifest_objects = parse_objects(info.genome_manifest_objects, location=store.location)
    objects = {**store.objects("genome"), **manifest_objects}
    return GroupSnapshot("genome", info.genome_manifest, store.folder("genome"), objects, "zarr.json", attributes)


def snapshot_cell_line(store: Store, cell: str) -> GroupSnapshot:
    """Return a snapshot of a cell line of a store.

    Raises:
        StoreError: the manifest is damaged, or the cell line was replaced since the store was opened.
        UsageError: there is no such cell line.
    """
    info, group = store.cell(cell), f"cells/{cell}"
    attributes = _read_attributes(store, group, "manifest", info.manifest)
    objects = {**store.objects(group), **parse_objects(info.manifest_objects, location=f"{store.location}/{group}")}
    objects.pop("zarr.json", None)
    return GroupSnapshot(group, info.manifest, store.folder(group), objects, f"{group}/zarr.json", attributes)


def _read_attributes(store: Store, group: str, key: str, manifest: str) -> bytes:
    storage = store.folder(group) if group else store.storage.folder("")
    text, attributes = read_attributes(storage)
    check_self_digest(text, attributes, location=storage.location)
    if attributes.get(key) != manifest:
        raise StoreError(
            storage.location, "was replaced while it was in use", hint="start again to use the new version"
        )
    return text
