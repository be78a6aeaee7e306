"""Numbers in messages."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things, as ``1 object`` and ``2 objects``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def megabytes(size: float) -> str:
    """A number of bytes, in a unit of fitting size."""
    if size >= 1e9:
        return f"{size / 1e9:.2f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
