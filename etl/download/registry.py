"""The list of public inputs that `factornet-etl fetch` knows: ``resources/registry.json``, or a file of the user's.

An entry is ``name: {assembly, what, option, urls, digest | digests, bytes}``. `urls` are the same file on several
servers, tried in turn. `digest` is what it must have (``md5:...``, ``sha256:...``); `digests` names the file beside it
in which the publisher lists digests; where there is neither, the digest of the first download holds for later ones.
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
        name: of the file, here and in the registry.
        assembly: the genome it is of.
        what: it is, for people.
        option: of ``factornet-etl genome`` that takes it.
        urls: where it is, all the same file.
        digest: ``algorithm:hexadecimal``; empty where not known beforehand.
        digests: name of the publisher's list of digests, beside the file; empty where there is none.
        size: bytes; 0 where not known beforehand.
    """

    name: str
    assembly: str
    what: str
    option: str
    urls: tuple[str, ...]
    digest: str = ""
    digests: str = ""
    size: int = 0

    def listed_at(self, url: str) -> str:
        """URL of the publisher's list of digests beside the file at `url`."""
        return urljoin(url, self.digests)


def default_registry() -> Path:
    """The list that comes with factornet."""
    return Path(str(files("factornet") / "resources" / "registry.json"))


def read_registry(path: Path) -> tuple[Download, ...]:
    """All entries of a registry.

    Raises:
        StoreError: it cannot be read, or an entry is not as described.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_download(name, entry) for name, entry in entries.items())
    except (OSError, ValueError, AttributeError) as e:
        raise StoreError(
            path, f"no registry of downloads ({e})", hint="see resources/registry.json for its form"
        ) from e
    except (KeyError, TypeError) as e:
        raise StoreError(path, f"an entry lacks {e}", hint="see resources/registry.json for its form") from e


def _download(name: str, entry: dict[str, object]) -> Download:
    urls = entry["urls"]
    digest, size = str(entry.get("digest", "")), entry.get("bytes", 0)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no plain file name")
    if not isinstance(urls, list) or not urls or any(urlsplit(str(u)).scheme not in ("http", "https") for u in urls):
        raise ValueError(f"{name}: urls must be a list of http:// or https:// addresses")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{name}: digest {digest!r} is neither md5:... nor sha256:...")
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{name}: bytes {size!r} is no size")
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


def choose(registry: Sequence[Download], names: Sequence[str], assembly: str) -> tuple[Download, ...]:
    """The named downloads; without names, all of an assembly.

    Raises:
        UsageError: there is no such download or assembly; the message lists those there are.
    """
    known = {d.name: d for d in registry}
    for name in names:
        if name not in known:
            raise UsageError(f"no download {name!r}; there are {', '.join(known)}")
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    found = tuple(d for d in registry if d.assembly == assembly)
    if not found:
        raise UsageError(
            f"no downloads for {assembly!r}; there are some for {', '.join({d.assembly for d in registry})}"
        )
    return found
