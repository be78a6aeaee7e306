"""Read motif files as lines of text: plain or gzipped, of any common encoding and line ending."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from pathlib import Path

from ...store.errors import InputError
from ...store.files.bgzip import check_bgzip_end
from ...store.files.limited_read import read_cure
from ...store.text import format_bytes

_HINT = "give a file of motifs in MEME format"
_ARCHIVES = {"zip": (0, b"PK\x03\x04"), "tar": (257, b"ustar")}  # as JASPAR and CIS-BP are downloaded
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_SIZE = 256 * 1024 * 1024  # bytes, unpacked; all of CIS-BP has some tens of MB
_LINE_END = re.compile("\r*\n|\r")
_NOT_TEXT = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f]")


def read_lines(path: str | Path) -> list[str]:
    """Read the lines of a motif file, without line ends.

    UTF-8 is read, and UTF-16 with a byte order mark.

    Raises:
        InputError: the file is missing, cannot be read, is too large, or is not text.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_SIZE + 1)
        if content.startswith(b"\x1f\x8b"):
            check_bgzip_end(Path(path))
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MAX_SIZE + 1)
    except FileNotFoundError as error:
        raise InputError(path, "no such file", hint="correct the path") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problem = f"not text at byte 1: gzip data is cut short or damaged ({error})"
        raise InputError(path, problem, hint="download the file again") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", hint=read_cure(error, _HINT)) from error
    if len(content) > _MAX_SIZE:
        raise InputError(path, f"has more than {format_bytes(_MAX_SIZE)}, too much for motifs", hint=_HINT)
    for kind, (begin, magic) in _ARCHIVES.items():
        if content[begin : begin + len(magic)] == magic:
            hint = "unpack it, and give one file of it; `cat` joins files of single motifs"
            raise InputError(path, f"is a {kind} archive, not text", hint=hint)
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, f"not text at byte {error.start}", hint=f"{_HINT}, saved as UTF-8") from error
    if found := _NOT_TEXT.search(text):
        raise InputError(path, f"not text at byte {found.start()}", hint=_HINT)
    return _LINE_END.split(text.removesuffix("\n"))
