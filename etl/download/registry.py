"""Read the registry of public inputs: ``resources/registry.json``, or a file in the same form.

An entry is ``name: {assembly, what, option, urls, digest | digests, bytes}``. `urls` are the same file on several
servers, tried in turn. `digest` is the expected digest (``md5:...``, ``sha256:...``); `digests` names the publisher's
list of digests, in the same directory as the file. Without either, later downloads are compared with the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ...store.errors import StoreError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST = re.compile(r"(md5:[0-9a-f]{32})|(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Download:
    """A public file.

    Attributes:
        name: file name, locally and in the registry.
        assembly: genome assembly to which it belongs.
        what: description for users.
        option: option of ``factornet-etl genome`` that takes the file.
        urls: addresses of the same file.
        digest: ``algorithm:hexadecimal``; empty where unknown.
        digests: name of the publisher's list of digests, next to the file; empty where there is none.
        size: bytes; 0 where unknown.
    """

    name: str
    assembly: str
    what: str
    option: str
    urls: tuple[str, ...]
    digest: str = ""
    digests: str = ""
    size: int = 0

    def digest_list_url(self, url: str) -> str:
        """Return the URL of the publisher's list of digests next to the file at `url`."""
        return urljoin(url, self.digests)


def default_registry() -> Path:
    """Return the path of the registry that is part of factornet."""
    return Path(str(files("factornet") / "resources" / "registry.json"))


def read_registry(path: Path) -> tuple[Download, ...]:
    """Read and check all entries of a registry.

    Raises:
        StoreError: the file cannot be read, or an entry is invalid.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_parse_entry(name, entry) for name, entry in entries.items())
    except (OSError, ValueError, AttributeError) as e:
        raise StoreError(
            path, f"not a registry of downloads ({e})", hint="see resources/registry.json for its form"
        ) from e
    except (KeyError, TypeError) as e:
        raise StoreError(path, f"an entry lacks {e}", hint="see resources/registry.json for its form") from e


def _parse_entry(name: str, entry: dict[str, object]) -> Download:
    urls = entry["urls"]
    digest, size = str(entry.get("digest", "")), entry.get("bytes", 0)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name")
    if not isinstance(urls, list) or not urls or any(urlsplit(str(u)).scheme not in ("http", "https") for u in urls):
        raise ValueError(f"{name}: urls must be a list of http:// or https:// addresses")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{name}: digest {digest!r} is neither md5:... nor sha256:...")
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{name}: bytes {size!r} is not a size")
    return Download(
        name,
        str(entry["assembly"]),
        str(entry["what"]),
        str(entry["option"]),
        tuple(str(u) for u in urls),
        digest,
        str(entry.get("digests", "")),
        size,
    )


def select_downloads(registry: Sequence[Download], names: Sequence[str], assembly: str) -> tuple[Download, ...]:
    """Select downloads by name; without names, all of an assembly.

    Raises:
        UsageError: no such download or assembly; the message lists those in the registry.
    """
    known = {d.name: d for d in registry}
    for name in names:
        if name not in known:
            raise UsageError(f"no download {name!r}; the registry has {', '.join(known)}")
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    found = tuple(d for d in registry if d.assembly == assembly)
    if not found:
        assemblies = ", ".join(dict.fromkeys(d.assembly for d in registry))
        raise UsageError(f"no downloads for assembly {assembly!r}; the registry has {assemblies}")
    return found
