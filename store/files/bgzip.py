"""Find bgzip files that were cut between two of their blocks, which are gzip files that end well.

A bgzip file is a row of gzip members, each with its own size in an extra field, and ends in one without content
(SAM specification, section 4.1).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError

_HEADER = struct.Struct(
    "<4s6xH2sHH"
)  # magic with flags, size of the extra field, its name, its size, size of the block
_MAGIC, _FIELD = b"\x1f\x8b\x08\x04", b"BC"


def check_bgzip_end(path: Path) -> None:
    """Check that a file of blocks of bgzip ends in the empty one. All other files pass.

    Raises:
        InputError: it does not.
    """
    with path.open("rb", buffering=0) as file:
        end = begin = 0
        while size := _block_size(file, end):
            begin, end = end, end + size
        if end and end == file.seek(0, 2) and _content_size(file, begin, end):
            problem = f"cut short: the empty block in which bgzip files end is missing at byte {end}"
            hint = "download the file again, or, if it is whole, compress it again"
            raise InputError(path, problem, hint=hint)


def _block_size(file: BinaryIO, offset: int) -> int:
    """Return the bytes of the block of bgzip at an offset; 0 where there is none."""
    file.seek(offset)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return 0
    magic, _, name, field_size, size = _HEADER.unpack(header)
    return size + 1 if (magic, name, field_size) == (_MAGIC, _FIELD, 2) else 0


def _content_size(file: BinaryIO, begin: int, end: int) -> int:
    """Return the size of a block's content, which its last four bytes state."""
    file.seek(max(begin, end - 4))
    return int.from_bytes(file.read(4), "little")
