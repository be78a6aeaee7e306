"""Read the catalogue of a folder of stores, ``catalogue.json``: a sealed JSON file that export keeps.

A catalogue is from whoever runs the server, so nothing in it is trusted: a store is named by a plain file name, which
is in the folder of the catalogue and nowhere else; sizes have a limit; and what is downloaded is compared with digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ...store.attribute_checks import check_type, describe_error
from ...store.errors import InputError, StoreError, UsageError
from ...store.files.limited_read import read_limited
from ...store.files.sealed_json import JsonFormat, parse_sealed_json, seal_document
from ...store.location import connect, is_remote, with_forward_slashes
from ...store.storage.remote import ObjectServer, TooLargeError
from ...store.text import format_bytes, shell_word
from .entry import CatalogueEntry

CATALOGUE = "catalogue.json"
"""Name of the file."""
FORMAT = JsonFormat(
    "factornet-catalogue", 1, "`factornet-etl export` keeps one beside the stores that it writes; give their folder"
)
MAX_CATALOGUE_SIZE = 16_000_000
"""Bytes of a catalogue; one of 100 stores of 100 cell lines with 20 factors has 6 MB."""
_SUFFIXES = (".zarr.zip", ".zip", ".zarr")


@dataclass(frozen=True)
class Catalogue:
    """Stores in a folder.

    Attributes:
        location: path or URL of the folder without secrets, for messages.
        folder: path or URL of the folder, as it is to be read.
        entries: sorted by name.
    """

    location: str
    folder: str
    entries: tuple[CatalogueEntry, ...]

    @property
    def is_remote(self) -> bool:
        """Whether it is on a server."""
        return is_remote(self.folder)

    def find(self, name: str) -> CatalogueEntry:
        """Return the entry of a store, named with or without ``.zarr``, ``.zip`` or ``.zarr.zip``.

        Raises:
            UsageError: there is none of this name, or more than one; the message lists what there is.
        """
        found = [e for e in self.entries if e.name == name] or [e for e in self.entries if short_name(e.name) == name]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(e.name for e in found)
            raise UsageError(f"{self.location}: {name!r} may be {names}; give the whole name")
        names = ", ".join(e.name for e in self.entries) or "no store at all"
        raise UsageError(f"{self.location}: the catalogue lists no store {name!r}; there is {names}")

    def locate(self, entry: CatalogueEntry) -> str:
        """Return the path or URL of a store, with what is needed to read it."""
        return join_url(self.folder, entry.name) if self.is_remote else str(Path(self.folder, entry.name))


def short_name(name: str) -> str:
    """Return the name of a store without its suffix."""
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


def join_url(url: str, name: str) -> str:
    """Return the URL of what is in the folder at a URL; its query stays."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", fragment=""))


def read_catalogue(where: str | Path) -> Catalogue:
    """Read the catalogue of a folder.

    Args:
        where: folder, its ``catalogue.json``, or the URL of either.

    Raises:
        InputError: there is none, or it is damaged, changed or of another kind.
        StoreError: a server failed, refuses, or sends too much.
        UsageError: unsupported kind of URL.
    """
    text = with_forward_slashes(where)
    if is_remote(text):
        parts = urlsplit(text)
        folder = urlunsplit(parts._replace(path=parts.path.removesuffix(f"/{CATALOGUE}"), fragment=""))
        server, found = connect(folder, is_folder=True), read_remote(folder)
        if found is None:
            problem = "no such file, so no catalogue"
            raise InputError(
                server.url(CATALOGUE), problem, hint="give the address of the folder that has stores in it"
            )
        return Catalogue(server.location, folder, found)
    path = Path(text)
    folder_path = path.parent if path.name == CATALOGUE and not path.is_dir() else path
    if not folder_path.is_dir():
        raise InputError(folder_path, "no such folder", hint="give the folder that has stores in it, or its address")
    entries = read_local(folder_path)
    if entries is None:
        hint = f"{FORMAT.hint}, or `factornet-etl list --rebuild {shell_word(folder_path)}` writes one"
        raise InputError(folder_path / CATALOGUE, "no such file, so no catalogue", hint=hint)
    return Catalogue(str(folder_path), str(folder_path), entries)


def read_remote(folder: str) -> tuple[CatalogueEntry, ...] | None:
    """Return the entries of the catalogue in a folder of a server; None where it has none.

    Raises:
        InputError: the catalogue is damaged, changed or of another kind.
        StoreError: the server failed, refuses, or sends too much.
        UsageError: unsupported kind of URL.
    """
    server = connect(folder, is_folder=True)
    hint = "ask whoever keeps it to run `factornet-etl list --rebuild FOLDER`"
    content = fetch_small(server, CATALOGUE, hint=hint)
    return None if content is None else parse_catalogue(content, server.url(CATALOGUE), hint=hint)


def read_local(folder: Path) -> tuple[CatalogueEntry, ...] | None:
    """Return the entries of the catalogue in a folder; None where it has none.

    Raises:
        InputError: the catalogue is damaged, changed or of another kind.
    """
    path = folder / CATALOGUE
    if not path.exists() and not path.is_symlink():
        return None
    hint = f"`factornet-etl list --rebuild {shell_word(folder)}` writes it again, from the stores"
    return parse_catalogue(read_limited(path, MAX_CATALOGUE_SIZE, hint=hint), path, hint=hint)


def fetch_small(server: ObjectServer, key: str, *, hint: str) -> bytes | None:
    """Return a file of at most 16 MB on a server; None where there is none.

    Raises:
        StoreError: the server failed, refuses, or sends more.
    """

    def once() -> bytes:
        with server.get(key, max_size=MAX_CATALOGUE_SIZE) as pieces:
            return b"".join(pieces)

    try:
        return server.retry_policy.call(once, url=server.url(key))
    except FileNotFoundError:
        return None
    except TooLargeError as e:
        problem = f"has more than {format_bytes(MAX_CATALOGUE_SIZE)}, too much for a catalogue"
        raise StoreError(server.url(key), problem, hint=hint) from e


def parse_catalogue(text: bytes, where: str | Path, *, hint: str) -> tuple[CatalogueEntry, ...]:
    """Return the entries of a catalogue, sorted by name.

    Args:
        text: content of the file.
        where: path or URL of it, for messages.
        hint: what to do about a damaged one.

    Raises:
        NewerVersionError: it is of a newer version.
        InputError: it is damaged, changed or of another kind, or an entry has another form.
    """
    content = parse_sealed_json(text, where, FORMAT, hint=hint)
    try:
        check_type(content["stores"], list)
        entries = tuple(map(CatalogueEntry.from_json, content["stores"]))
        _check_distinct(entries)
    except (KeyError, TypeError, UsageError) as e:
        problem = f"an entry of the catalogue is refused: {describe_error(e)}"
        raise InputError(where, problem, hint=f"do not use it; {hint}") from e
    return tuple(sorted(entries, key=lambda e: e.name))


def format_catalogue(entries: Iterable[CatalogueEntry]) -> bytes:
    """Return the text of a catalogue: the same for the same entries."""
    stores: list[Any] = [entry.to_json() for entry in sorted(entries, key=lambda e: e.name)]
    return seal_document(FORMAT, {"stores": stores})


def _check_distinct(entries: Sequence[CatalogueEntry]) -> None:
    """Raise TypeError if two entries are of one file; on some file systems case does not tell files apart."""
    seen: dict[str, str] = {}
    for entry in entries:
        other = seen.setdefault(entry.name.lower(), entry.name)
        if other is not entry.name:
            raise TypeError(f"{entry.name} is listed twice" if other == entry.name else f"{other} and {entry.name}")
