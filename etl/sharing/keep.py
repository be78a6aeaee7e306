"""Keep the catalogue of a folder up to date: after each export, or all of it from the stores that are there.

Cards are written first and the catalogue last, each in one step, under the lock of the catalogue: a process that is
killed leaves the old catalogue or the new one. What cannot be read again from a store, its licence, citation and
contact, is taken over from the catalogue before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ...store.errors import FactorNetError, InputError, StoreError
from ...store.files.atomic_write import write_atomic
from ...store.files.digest import file_digest, sha256_of
from ...store.files.limited_read import parse_json, read_cure
from ...store.files.outputs import output_lock, remove_temporary_files
from ...store.files.sealed_json import NewerVersionError
from ...store.location import is_remote, with_forward_slashes
from ...store.reader import Store, open_store
from ...store.text import format_count, shell_word
from ..verify.objects import verify_store
from .card import store_card
from .catalogue import (
    CATALOGUE,
    FORMAT,
    MAX_CATALOGUE_SIZE,
    format_catalogue,
    parse_catalogue,
    read_local,
    read_remote,
)
from .describe import describe_store
from .entry import CatalogueEntry, Statements, statements_of

_MAX_CARD_SIZE = 16_000_000  # bytes


@dataclass(frozen=True, kw_only=True)
class CatalogueUpdate:
    """What a change of a catalogue did.

    Attributes:
        path: path or URL of the catalogue.
        entries: those that were written anew.
        gone: names of stores that the catalogue listed and that are no more.
        refused: problem of each store that could not be listed.
        notes: what else is to be said.
    """

    path: str
    entries: tuple[CatalogueEntry, ...]
    gone: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What is to be said besides the stores: those that are gone, and the notes."""
        gone = tuple(f"{self.path}: {name} is no longer there, and no longer listed" for name in self.gone)
        return gone + self.notes


def check_catalogue(folder: Path) -> None:
    """Check, before a store is exported to a folder, that its catalogue can be kept.

    Raises:
        InputError: what is there is damaged, or no catalogue.
    """
    try:
        read_local(folder)
    except InputError as e:
        hint = f"{e.hint}; `factornet-etl export --no-catalogue STORE DEST` leaves it alone"
        raise type(e)(e.path, e.problem, hint=hint, line=e.line) from e


def record_export(path: Path, *, statements: Statements) -> CatalogueUpdate:
    """Write the card of a store, and its entry in the catalogue of its folder.

    Args:
        path: folder or zip file of the store.
        statements: those that are empty are taken over from the catalogue.

    Raises:
        InputError: the catalogue is damaged, or a file cannot be written.
        StoreError: the store is damaged.
    """
    folder = path.parent
    described = _describe(path, statements)
    with output_lock(folder / CATALOGUE, wait=True):
        if _identity(path) != described.identity:  # another export has just replaced it
            described = _describe(path, statements)
        old = {e.name: e for e in read_local(folder) or ()}
        before = old.get(path.name)
        entry, store = described.entry, described.store
        if before is not None:
            entry = replace(dated_as(entry, before), statements=statements.or_else(before.statements))
        entry, notes = _write_card(folder, entry, store, before)
        gone = tuple(name for name in old if not os.path.lexists(folder / name))
        kept = {name: e for name, e in old.items() if name not in gone}
        _write(folder, {**kept, entry.name: entry}.values())
    return CatalogueUpdate(path=str(folder / CATALOGUE), entries=(entry,), gone=gone, notes=notes)


def rebuild_catalogue(folder: Path, *, on_store: Callable[[str], None] = lambda name: None) -> CatalogueUpdate:
    """Write the catalogue of a folder from the stores in it, and their cards.

    Args:
        folder: that has stores in it: folders, and zip files. Those with faults are refused.
        on_store: called with the name of each store before it is read.

    Raises:
        InputError: no such folder, a file cannot be written, or the catalogue is of a newer version, or another file.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", hint="give the folder that has stores in it")
    with output_lock(folder / CATALOGUE, wait=True):
        old, statements, notes = _read_before(folder)
        entries: list[CatalogueEntry] = []
        refused: list[str] = []
        for path in filter(_may_be_store, sorted(folder.iterdir())):
            on_store(path.name)
            try:
                _check_whole(path)
                described = _describe(path, statements.get(path.name, Statements()))
            except FactorNetError as e:
                refused.append(str(e))
                continue
            before = old.get(path.name)
            entry = dated_as(described.entry, before)
            entry, more = _write_card(folder, entry, described.store, before)
            entries.append(entry)
            notes = (*notes, *more)
        gone = tuple(name for name in statements if not os.path.lexists(folder / name))
        _write(folder, entries)
    return CatalogueUpdate(
        path=str(folder / CATALOGUE), entries=tuple(entries), gone=gone, refused=tuple(refused), notes=notes
    )


def known_statements(where: str) -> Statements:
    """Return what the catalogue beside a store, a path or URL, states of it; nothing where there is none.

    Raises:
        InputError: the catalogue is damaged.
        StoreError: the server of the store failed, or refuses.
    """
    text = with_forward_slashes(where).rstrip("/")
    if is_remote(text):
        parts = urlsplit(text)
        above, _, name = parts.path.rpartition("/")
        entries = read_remote(urlunsplit(parts._replace(path=above, fragment="")))
    else:
        path = Path(text).absolute()
        entries, name = read_local(path.parent), path.name
    return next((e.statements for e in entries or () if e.name == name), Statements())


def outdated(folder: Path, entry: CatalogueEntry) -> str:
    """Return what is wrong with an entry of a catalogue on this machine; empty where the store is as listed.

    A zip file is compared by its size, a folder by the digests of its manifests.
    """
    path = folder / entry.name
    if not os.path.lexists(path):
        return "is no longer there"
    try:
        if entry.is_zip:
            size = path.stat().st_size
            return "" if size == entry.size else f"has {size:,} bytes, the catalogue lists {entry.size:,}"
        return "" if _manifests(open_store(path)) == entry.identity else "was changed since the catalogue was written"
    except (FactorNetError, OSError) as e:
        return f"cannot be read ({e})"


@dataclass(frozen=True)
class _Described:
    """A store with its entry, and the version of it that was described."""

    entry: CatalogueEntry
    store: Store
    identity: object


def _describe(path: Path, statements: Statements) -> _Described:
    """Describe a store; a zip file is read whole, for its digest."""
    identity = _identity(path)
    store = open_store(path)
    size, sha256 = (path.stat().st_size, file_digest(path)) if path.is_file() else (0, "")
    entry = describe_store(store, path.name, statements=statements, zip_size=size, zip_sha256=sha256)
    return _Described(entry, store, identity)


def _check_whole(path: Path) -> None:
    """Check a store before it is listed: every object of a zip file, which is read whole anyway, else all sizes.

    Raises:
        StoreError: it has faults.
    """
    if findings := verify_store(path, quick=not path.is_file()).findings:
        first = findings[0]
        raise StoreError(
            path,
            f"not listed: {format_count(len(findings), 'fault')}, the first is {first.path}: {first.problem}",
            hint=f"`factornet-etl verify {shell_word(path)}` prints the remedies; or export it again",
        )


def _identity(path: Path) -> object:
    """Return what differs between versions of a store: of a zip file its inode, size and time, else its manifests."""
    if path.is_file():
        status = path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return _manifests(open_store(path))


def _manifests(store: Store) -> tuple[str, dict[str, str]]:
    return store.info.genome_manifest, {cell: store.cell(cell).manifest for cell in store.cells}


def dated_as(entry: CatalogueEntry, before: CatalogueEntry | None) -> CatalogueEntry:
    """Return an entry with the day of the one before, where the store is the same."""
    is_same = before is not None and (before.identity, before.sha256) == (entry.identity, entry.sha256)
    return replace(entry, exported=before.exported) if is_same and before is not None else entry


def _may_be_store(path: Path) -> bool:
    if path.name.startswith(".") or path.is_symlink():
        return False
    return path.suffix.lower() == ".zip" if path.is_file() else (path / "zarr.json").is_file()


def _write(folder: Path, entries: Iterable[CatalogueEntry]) -> None:
    text = format_catalogue(entries)
    parse_catalogue(text, folder / CATALOGUE, hint="rename one of the stores")  # as every reader will
    write_atomic(folder / CATALOGUE, text)


def _write_card(
    folder: Path, entry: CatalogueEntry, store: Store, before: CatalogueEntry | None
) -> tuple[CatalogueEntry, tuple[str, ...]]:
    """Write the card of a store, unless a file of its name is none that was written before; return entry and notes."""
    name = f"{entry.name}.md"
    path, text = folder / name, store_card(entry.name, store, entry.statements).encode()
    sha256 = sha256_of([text])
    remove_temporary_files(folder, name)  # of a killed process: cards are written under the catalogue's lock
    if os.path.lexists(path):
        found = file_digest(path) if path.is_file() and not path.is_symlink() else ""
        if found != sha256 and (before is None or found != before.card_sha256):
            return entry, (card_kept(str(path)),)
    write_atomic(path, text)
    return replace(entry, card=name, card_sha256=sha256), ()


def card_kept(path: str) -> str:
    """Return the note on a file in the place of a card that is not replaced."""
    return f"{path}: was not written by an export, or was edited since, and is kept; remove it for a new card"


def _read_before(folder: Path) -> tuple[dict[str, CatalogueEntry], dict[str, Statements], tuple[str, ...]]:
    """Return entries and statements of the catalogue that is rebuilt, and notes; of a damaged one statements alone.

    Raises:
        InputError: it is of a newer version, or another file.
    """
    path = folder / CATALOGUE
    try:
        old = {e.name: e for e in read_local(folder) or ()}
        return old, {name: e.statements for name, e in old.items()}, ()
    except NewerVersionError:
        raise
    except InputError as damage:
        text = _read_beginning(path)
        if FORMAT.name.encode() not in text[:200]:
            raise InputError(path, "is no catalogue", hint="move it away") from damage
        found = _statements_in(text, path)
        stated = ", ".join(name for name, s in found.items() if s != Statements()) or "none"
        note = f"{damage.path}: {damage.problem}; licence, citation and contact are taken over from it of: {stated}"
        return {}, found, (note,)


def _read_beginning(path: Path) -> bytes:
    """Return the content of a file, as much as a catalogue may have."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_CATALOGUE_SIZE)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", hint=read_cure(error, "move it away")) from error


def _statements_in(text: bytes, path: Path) -> dict[str, Statements]:
    """Return the statements in a damaged catalogue by store; nothing where it is not JSON."""
    try:
        content = parse_json(text, path)
    except InputError:
        return {}
    stores = content.get("stores") if isinstance(content, dict) else None
    listed = [e for e in stores if isinstance(e, dict)] if isinstance(stores, list) else []
    return {str(e.get("name")): statements_of(e) for e in listed}
