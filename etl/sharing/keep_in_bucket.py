"""Keep the catalogue of a folder in object storage up to date, after an export there.

There are no locks in object storage: the catalogue is written on the condition that it is the one which was read, and
else read again. A server that does not know the condition takes the last one of two exports at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

from ...store.errors import RemoteError
from ...store.files.digest import sha256_of
from ...store.location import connect
from ...store.reader import Store, open_store
from ...store.storage.cache import ObjectCache
from ...store.storage.s3_bucket import ReplacedError, S3Bucket
from .card import store_card
from .catalogue import CATALOGUE, fetch_small, format_catalogue, parse_catalogue
from .describe import describe_store
from .entry import CatalogueEntry, Statements
from .keep import CatalogueUpdate, card_kept, dated_as

_TRIES = 20  # of writing the catalogue, while others write it
_HINT = (
    "remove it there, and export each store again (`factornet-etl export --no-catalogue STORE DEST` leaves it alone)"
)


def check_in_bucket(url: str) -> None:
    """Check, before a store is exported to a URL, that the catalogue of its folder can be kept.

    Raises:
        InputError: what is there is damaged, or no catalogue.
        StoreError: the server failed or refuses.
    """
    bucket, _ = _folder_of(url)
    _read(bucket)


def record_in_bucket(url: str, *, statements: Statements) -> CatalogueUpdate:
    """Write the card of a store in object storage, and its entry in the catalogue of its folder.

    Args:
        url: of the store.
        statements: those that are empty are taken over from the catalogue.

    Raises:
        InputError: the catalogue is damaged.
        StoreError: the store is damaged, or the server failed or refuses.
    """
    bucket, name = _folder_of(url)
    with TemporaryDirectory(prefix="factornet-") as folder:  # manifests are read once, so not kept in the user's cache
        store = open_store(url, cache=ObjectCache(Path(folder), 0))
        described = describe_store(store, name, statements=statements)
        for _ in range(_TRIES):
            if (update := _try_to_record(bucket, store, described)) is not None:
                return update
    problem = f"was replaced by others {_TRIES} times while it was written"
    raise RemoteError(bucket.url(CATALOGUE), problem, hint="run the same command again")


def _try_to_record(bucket: S3Bucket, store: Store, described: CatalogueEntry) -> CatalogueUpdate | None:
    """Write card and catalogue; None where another process has replaced the catalogue meanwhile."""
    version = bucket.version(CATALOGUE)
    old = {e.name: e for e in _read(bucket)}
    entry, before = described, old.get(described.name)
    if before is not None:
        entry = replace(dated_as(described, before), statements=described.statements.or_else(before.statements))
    entry, notes = _put_card(bucket, entry, store_card(entry.name, store, entry.statements).encode(), before)
    gone = tuple(e.name for e in old.values() if not _exists(bucket, e))
    kept = {name: e for name, e in old.items() if name not in gone}
    try:
        bucket.put(CATALOGUE, format_catalogue({**kept, entry.name: entry}.values()), replaces=version or "")
    except ReplacedError:
        return None
    return CatalogueUpdate(path=bucket.url(CATALOGUE), entries=(entry,), gone=gone, notes=notes)


def _folder_of(url: str) -> tuple[S3Bucket, str]:
    """Return the folder that a store in object storage is in, and the name of the store."""
    parts = urlsplit(url)
    folder, _, name = parts.path.rstrip("/").rpartition("/")
    bucket = connect(urlunsplit(parts._replace(path=folder)), is_folder=True)
    assert isinstance(bucket, S3Bucket)
    return bucket, name


def _read(bucket: S3Bucket) -> tuple[CatalogueEntry, ...]:
    text = fetch_small(bucket, CATALOGUE, hint=_HINT)
    return () if text is None else parse_catalogue(text, bucket.url(CATALOGUE), hint=_HINT)


def _exists(bucket: S3Bucket, entry: CatalogueEntry) -> bool:
    return bucket.version(entry.name if entry.is_zip else f"{entry.name}/zarr.json") is not None


def _put_card(
    bucket: S3Bucket, entry: CatalogueEntry, text: bytes, before: CatalogueEntry | None
) -> tuple[CatalogueEntry, tuple[str, ...]]:
    """Write a card, unless an object of its name is none that was written before; return entry and notes."""
    name, sha256 = f"{entry.name}.md", sha256_of([text])
    found = fetch_small(bucket, name, hint=_HINT)
    known = {sha256, before.card_sha256} if before else {sha256}
    if found is not None and sha256_of([found]) not in known:
        return entry, (card_kept(bucket.url(name)),)
    bucket.put(name, text)
    return replace(entry, card=name, card_sha256=sha256), ()
