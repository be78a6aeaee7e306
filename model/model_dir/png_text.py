"""Texts that a PNG file carries; every byte of it is checked by the CRC-32 of its chunks."""

from __future__ import annotations

import zlib
from pathlib import Path

from ...store.errors import InputError
from ...store.files.limited_read import read_limited

HISTORY_KEY = "factornet-history"
"""Keyword of the text in training.png that says which history it draws."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_SIZE = 64_000_000  # bytes of a file
_FRAME = 12  # bytes of a chunk beside its data: length, type, CRC-32


def read_png_text(path: Path, *, hint: str) -> dict[str, str]:
    """Check all chunks of a PNG file and return its texts by keyword.

    Args:
        path: of the file.
        hint: what to do about a damaged file.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    data = read_limited(path, _MAX_SIZE)
    if not data.startswith(_SIGNATURE):
        raise InputError(path, f"damaged: its {len(data):,} bytes are no PNG file", hint=hint)
    at, kind, texts = len(_SIGNATURE), b"", dict[str, str]()
    while kind != b"IEND":
        size = int.from_bytes(data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if at + size + _FRAME > len(data):
            raise InputError(path, f"damaged: it ends within the chunk at byte {at:,}", hint=hint)
        if zlib.crc32(kind + content) != int.from_bytes(data[at + 8 + size : at + size + _FRAME]):
            raise InputError(path, f"damaged: the chunk at byte {at:,} does not match its CRC-32", hint=hint)
        if kind == b"tEXt":
            key, _, text = content.partition(b"\0")
            texts[key.decode("latin-1")] = text.decode("latin-1")
        at += size + _FRAME
    if at != len(data):
        raise InputError(path, f"damaged: {len(data) - at:,} bytes follow its last chunk", hint=hint)
    return texts
