"""Digests of downloads, of the kinds that publishers give: MD5, SHA-256, and git's of a file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

GIT_BLOB = "git-blob"
DIGEST = re.compile(rf"(md5:[0-9a-f]{{32}})|(sha256:[0-9a-f]{{64}})|({GIT_BLOB}:[0-9a-f]{{40}})")
"""``algorithm:hexadecimal``."""


def matches(path: Path, digest: str) -> bool:
    """Return whether a file has a digest; True for the empty digest.

    ``git-blob`` is what git lists a file by: the SHA-1 of ``blob SIZE``, a zero byte and the content.

    Raises:
        OSError: it cannot be read.
    """
    if not digest:
        return True
    algorithm, _, expected = digest.partition(":")
    with path.open("rb") as file:
        if algorithm != GIT_BLOB:
            return hashlib.file_digest(file, algorithm).hexdigest() == expected
        sha = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        return hashlib.file_digest(file, lambda: sha).hexdigest() == expected
