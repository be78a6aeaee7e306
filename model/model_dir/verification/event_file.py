"""Event files of TensorBoard: records, each with a masked CRC-32C of its length and one of its data."""

from __future__ import annotations

from pathlib import Path

from google_crc32c import value as crc32c

from ....store.errors import InputError
from ....store.files.limited_read import read_limited

_MAX_SIZE = 256_000_000  # bytes of a file
_MASK = 0xA282EAD8
_HEADER, _FOOTER = 12, 4  # bytes before and after the data of a record: length and its CRC; CRC of the data


def check_event_file(path: Path, *, hint: str) -> int:
    """Check all records of an event file, and return their number.

    A file that was cut between two records cannot be told from one whose writer was killed there.

    Args:
        path: of the file.
        hint: what to do about a damaged file.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    data, at, n_records = read_limited(path, _MAX_SIZE), 0, 0
    while at < len(data):
        length, begin = data[at : at + 8], at + _HEADER
        end = begin + int.from_bytes(length, "little")
        if begin > len(data) or (data[at + 8 : begin] == _masked_crc(length) and end + _FOOTER > len(data)):
            raise InputError(path, f"damaged: it ends within the record at byte {at:,}", hint=hint)
        if data[at + 8 : begin] != _masked_crc(length) or data[end : end + _FOOTER] != _masked_crc(data[begin:end]):
            raise InputError(path, f"damaged: the record at byte {at:,} does not match its CRC-32C", hint=hint)
        at, n_records = end + _FOOTER, n_records + 1
    return n_records


def _masked_crc(data: bytes) -> bytes:
    crc = int(crc32c(data))
    return ((((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF).to_bytes(4, "little")
