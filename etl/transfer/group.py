"""What is copied from store to store: groups, each with all its objects and their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ...store.errors import StoreError
from ...store.format.attributes import read_attributes
from ...store.format.manifest import Objects, check_self_digest, parse_objects
from ...store.reader import Store
from ...store.storage.base import GroupStorage, ObjectDigest, OpenObject


@dataclass(frozen=True)
class GroupSnapshot:
    """A group to be copied: the genome, or a cell line.

    Attributes:
        group: ``genome`` or ``cells/<cell>``.
        digest: SHA-256 of its manifest.
        folder: to read from.
        objects: all but the one that says what the manifest is.
        seal: path in the store of that one: of the genome it is the root's ``zarr.json``.
        text: content of it, which carries the digest of itself.
    """

    group: str
    digest: str
    folder: GroupStorage
    objects: Objects
    seal: str
    text: bytes

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(size for size, _ in self.objects.values())

    @property
    def cell(self) -> str:
        """Name of the cell line."""
        return self.group.removeprefix("cells/")

    @property
    def listed(self) -> dict[str, ObjectDigest]:
        """Path in the store, size and SHA-256 of everything, the seal too."""
        seal = {self.seal: (len(self.text), hashlib.sha256(self.text).hexdigest())}
        return {f"{self.group}/{name}": listed for name, listed in self.objects.items()} | seal

    def pieces(self, name: str) -> Iterator[bytes]:
        """Content of an object.

        Raises:
            StoreError: it is missing, or at its end: not what is listed.
        """
        location = f"{self.folder.location}/{name}"
        store = self.folder.location.removesuffix(f"/{self.group}")
        hint = f"mend that store (`factornet-etl verify {store}` says how), or get it again"
        try:
            with self.folder.open(name, self.objects[name]) as opened:
                yield from compared(opened, self.objects[name], location=location, hint=hint)
        except FileNotFoundError as e:
            raise StoreError(location, "is missing, the manifest lists it", hint=hint) from e
        except OSError as e:
            raise StoreError(location, f"cannot be read ({e.strerror})", hint=hint) from e


def compared(opened: OpenObject, listed: ObjectDigest, *, location: str, hint: str) -> Iterator[bytes]:
    """Content of an object, which is compared with what is listed as it goes by.

    Raises:
        StoreError: it is of other size (said before anything is read) or content (at the end).
    """
    size, sha = listed
    if opened.size != size:
        raise StoreError(location, f"damaged ({opened.size} bytes, the manifest says {size})", hint=hint)
    digest = hashlib.sha256()
    for piece in opened.pieces():
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha:
        raise StoreError(location, "damaged (its digest is not the one in the manifest)", hint=hint)


def snapshot_genome(store: Store) -> GroupSnapshot:
    """The genome of a store, with the root's attributes.

    Raises:
        StoreError: its manifest is damaged, or the store was replaced meanwhile.
    """
    info = store.info
    text = _seal(store, "", "genome_manifest", info.genome_manifest)
    own = parse_objects(info.genome_manifest_objects, location=store.location)
    objects = {**store.objects("genome"), **own}
    return GroupSnapshot("genome", info.genome_manifest, store.folder("genome"), objects, "zarr.json", text)


def snapshot_cell_line(store: Store, cell: str) -> GroupSnapshot:
    """A cell line of a store.

    Raises:
        StoreError: its manifest is damaged, or it was replaced meanwhile.
        UsageError: there is no such cell line.
    """
    info, group = store.cell(cell), f"cells/{cell}"
    text = _seal(store, group, "manifest", info.manifest)
    objects = {**store.objects(group), **parse_objects(info.manifest_objects, location=f"{store.location}/{group}")}
    objects.pop("zarr.json", None)
    return GroupSnapshot(group, info.manifest, store.folder(group), objects, f"{group}/zarr.json", text)


def _seal(store: Store, group: str, key: str, digest: str) -> bytes:
    folder = store.folder(group) if group else store.home.folder("")
    text, attributes = read_attributes(folder)
    check_self_digest(text, attributes, location=folder.location)
    if attributes.get(key) != digest:
        raise StoreError(folder.location, "was replaced while it was in use", hint="start again to use the new version")
    return text
