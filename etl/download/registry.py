"""Read the registry of public inputs: ``resources/registry.json``, or a file in the same form.

An entry is a file, ``name: {assembly, what, option, urls, digest | digests, bytes, default, more_options}``. `urls` are
the same file on several servers, tried in turn. `digest` is the expected digest (``md5:...``, ``sha256:...``,
``git-blob:...``); `digests` names the publisher's list of digests, in the same directory as the file. Without either,
later downloads are compared with the first. With `default` false a file is downloaded only by its name. `more_options`
are further options of ``factornet-etl genome`` for the printed command: what is computed from the file.

Or it is a group of files, ``name: {assembly, what, urls, files, under, match, next, default}``. `files` is a table of
path, digest and size (may be empty) next to the registry; the group has those of its files whose path is `under` plus
what one of the patterns of `match` matches, and names them by what follows `under`. `urls` are what the paths are
appended to, and `next` a line on what to do with the files, with ``{folder}`` for where they are; `licence` and
`citation` are what a model fetched from the group says of itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ...store.errors import InputError, StoreError, UsageError
from ...store.files.limited_read import parse_json, read_limited
from .digests import DIGEST

REGISTRY = "FACTORNET_REGISTRY"
"""Environment variable that names another registry, as of a site's own server."""
_FORM = "see resources/registry.json for its form"
_MAX_SIZE = 64_000_000  # bytes
_OPTION = re.compile(r"(--[a-z][a-z-]*( [A-Za-z0-9._+-]+=?)?)?")
_OPTIONS = re.compile(r"(--[a-z][a-z-]*( [A-Za-z0-9._+=-]+)*( (?=--)|$))*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Download:
    """A public file.

    Attributes:
        name: file name, locally and in the registry; of a file in a group, its path in the group's folder.
        assembly: genome assembly to which it belongs.
        what: description for users.
        option: option of ``factornet-etl genome`` that takes the file; empty where none does.
        urls: addresses of the same file.
        digest: ``algorithm:hexadecimal``; empty where unknown.
        digests: name of the publisher's list of digests, next to the file; empty where there is none.
        size: bytes; 0 where unknown.
        default: whether it is downloaded with its assembly, without being named.
        group: name of its group; empty where it is in none.
        next: what to do with the group's files.
        more_options: of ``factornet-etl genome`` with this file.
        licence: of the group's files; empty where it is not stated.
        citation: of the work that they are from.
    """

    name: str
    assembly: str
    what: str
    option: str
    urls: tuple[str, ...]
    digest: str = ""
    digests: str = ""
    size: int = 0
    default: bool = True
    group: str = ""
    next: str = ""
    more_options: str = ""
    licence: str = ""
    citation: str = ""

    def digest_list_url(self, url: str) -> str:
        """Return the URL of the publisher's list of digests next to the file at `url`."""
        return urljoin(url, self.digests)


def default_registry() -> Path:
    """Return the path of the registry that is part of factornet, or of the one that FACTORNET_REGISTRY names."""
    if named := os.environ.get(REGISTRY):
        return Path(named)
    return Path(str(files("factornet") / "resources" / "registry.json"))


def read_registry(path: Path) -> tuple[Download, ...]:
    """Read and check all entries of a registry.

    Raises:
        StoreError: the file cannot be read, or an entry is invalid.
    """
    try:
        entries = parse_json(read_limited(path, _MAX_SIZE), path)
    except InputError as e:
        where = f"line {e.line}: " if e.line else ""
        raise StoreError(path, f"not a registry of downloads ({where}{e.problem})", hint=_FORM) from e
    if not isinstance(entries, dict):
        problem = f"expected a JSON object of entries by name, got {type(entries).__name__}"
        raise StoreError(path, f"not a registry of downloads ({problem})", hint=_FORM)
    found = list[Download]()
    for name, entry in entries.items():
        try:
            found += _parse(path, name, entry)
        except KeyError as e:
            raise StoreError(path, f"the entry {name!r} lacks {e}", hint=_FORM) from e
        except (OSError, ValueError, TypeError) as e:
            raise StoreError(path, f"not a registry of downloads (the entry {name!r}: {e})", hint=_FORM) from e
    return tuple(found)


def _parse(path: Path, name: str, entry: dict[str, Any]) -> Iterator[Download]:
    """Yield the file of an entry, or the files of its group."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name")
    if not isinstance(entry, dict):
        raise TypeError(f"expected a JSON object, got {type(entry).__name__}")
    for key, word in {"assembly": _NAME, "option": _OPTION, "more_options": _OPTIONS}.items():
        if key in entry and not (isinstance(entry[key], str) and word.fullmatch(entry[key])):
            raise ValueError(f"its {key} {entry[key]!r} has no place in a command")  # which is printed, to be copied
    urls = entry["urls"]
    if not isinstance(urls, list) or not urls or any(urlsplit(str(u)).scheme not in ("http", "https") for u in urls):
        raise ValueError(f"{name}: urls must be a list of http:// or https:// addresses")
    shared: dict[str, Any] = {
        "assembly": str(entry["assembly"]),
        "what": str(entry["what"]),
        "default": entry.get("default") is not False,
    }
    if "files" not in entry:
        yield Download(
            name,
            option=str(entry["option"]),
            urls=tuple(map(str, urls)),
            digest=_digest(name, entry.get("digest", "")),
            digests=str(entry.get("digests", "")),
            size=_size(name, entry.get("bytes", 0)),
            more_options=str(entry.get("more_options", "")),
            **shared,
        )
        return
    under, patterns = str(entry["under"]), list(map(str, entry["match"]))
    for file, digest, size in _read_files(path.parent / Path(str(entry["files"])).name):
        in_group = file.removeprefix(under)
        if not file.startswith(under) or not any(fnmatchcase(in_group, pattern) for pattern in patterns):
            continue
        yield Download(
            in_group,
            option="",
            urls=tuple(urljoin(str(url), quote(file)) for url in urls),
            digest=_digest(file, digest),
            size=_size(file, int(size or 0)),
            group=name,
            next=str(entry.get("next", "")),
            licence=str(entry.get("licence", "")),
            citation=str(entry.get("citation", "")),
            **shared,
        )


def _read_files(table: Path) -> Iterator[tuple[str, str, str]]:
    """Yield path, digest and size of each row of a table of files, after its comments and its line of titles."""
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for row in rows[1:]:
        if len(row) != 3 or not all(_NAME.fullmatch(part) for part in row[0].split("/")):
            raise ValueError(f"{table.name}: row {row} is not a path, a digest and a size")
        yield row[0], row[1], row[2]


def _digest(name: str, digest: object) -> str:
    if digest and not DIGEST.fullmatch(str(digest)):
        raise ValueError(f"{name}: digest {digest!r} is neither md5:..., sha256:... nor git-blob:...")
    return str(digest)


def _size(name: str, size: object) -> int:
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{name}: bytes {size!r} is not a size")
    return size


def select_downloads(registry: Sequence[Download], names: Sequence[str], assembly: str) -> tuple[Download, ...]:
    """Select downloads by name; without names, all of an assembly that are not for selection by name only.

    A name is that of a file, of a group, or of a folder or file in a group: ``factornet-data/HepG2``.

    Raises:
        UsageError: no such download or assembly; the message lists those in the registry.
    """
    selected: dict[tuple[str, str], Download] = {}
    for name in names:
        found = [d for d in registry if f"{d.group or d.name}/{d.name}/".startswith(f"{name.rstrip('/')}/")]
        if not found:
            known = dict.fromkeys(d.group or d.name for d in registry)
            raise UsageError(f"no download {name!r}; the registry has {', '.join(known)}")
        selected |= {(d.group, d.name): d for d in found}
    if names:
        return tuple(selected.values())
    default = tuple(d for d in registry if d.assembly == assembly and d.default)
    if not default:
        assemblies = ", ".join(dict.fromkeys(d.assembly for d in registry))
        raise UsageError(f"no downloads for assembly {assembly!r}; the registry has {assemblies}")
    return default
