"""Check and index a genome FASTA, and read its sequence; an index (.fai) found next to the file is never used."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.files.atomic_write import naming_file
from ...store.files.bgzip import check_bgzip_end
from ...store.files.limited_read import check_is_file
from ...store.schema import BASES

_IUPAC = b"ACGTRYSWKMBDHVN"
_BASES = _IUPAC + _IUPAC.lower()
_IS_BASE = bytes(c in _BASES for c in range(256))
_ALLOWED = _BASES + b"\r\n"
_UPPER_CASE = np.uint8(~0x20 & 0xFF)  # clears the bit of an ASCII letter that means lower case
_CODES = bytes(4 if i < 0 else i for i in (BASES.find(chr(c).upper()) for c in range(256)))
"""Base code by byte value; 4 for all but ACGT."""
_NEWLINE = 10
_MAX_READ_SIZE = 16 * 1024 * 1024
_FIRST_READ_SIZE = 64 * 1024


@dataclass(frozen=True)
class PreparedFasta:
    """A checked, uncompressed FASTA with an index.

    Attributes:
        source: the user's file, for messages.
        path: plain text: the source, or its decompressed copy.
        index: index (.fai) written by `prepare_fasta`.
        lengths: bases by record name, in file order.
    """

    source: Path
    path: Path
    index: Path
    lengths: dict[str, int]

    def only(self, record: str) -> PreparedFasta:
        """Return the same with the length of one record alone, for tasks that are sent to other processes."""
        return replace(self, lengths={record: self.lengths[record]})


def prepare_fasta(source: Path, work: Path) -> PreparedFasta:
    """Decompress (where gzipped), check and index a FASTA; files are written to the folder `work`.

    Raises:
        InputError: no such file, not a FASTA, damaged gzip data, a byte that is not an IUPAC letter, a duplicate or
            empty record, or lines of uneven length.
    """
    check_is_file(source, "give the genome as FASTA, plain or gzipped")
    path = source
    with source.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    if gzipped:
        check_bgzip_end(source)
        path = work / "genome.fa"
        try:
            with naming_file(path), gzip.open(source) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, _MAX_READ_SIZE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as e:
            problem = f"gzip data is cut short or damaged ({e})"
            raise InputError(source, problem, hint="download the file again") from e
    records = _scan_records(path, source)
    index = work / "genome.fa.fai"
    with naming_file(index):
        index.write_text("".join(record.index_line() for record in records), encoding="utf-8")
    return PreparedFasta(source, path, index, {record.name: record.length for record in records})


def _scan_records(path: Path, source: Path) -> list[_Record]:
    """Check every byte and return the records.

    Lines are checked one by one at the start and the end of a record, and many at once in between.
    """
    records: dict[str, _Record] = {}
    record: _Record | None = None
    with path.open("rb") as file:
        number = 0
        while line := file.readline():
            number += 1
            if line.startswith(b">"):
                fields = line[1:].split()
                name = fields[0].decode("utf-8", "replace") if fields else ""
                if not name or name in records:
                    problem = f"duplicate record {name!r}" if name else "a record without a name"
                    raise InputError(source, problem, hint="give each record a name of its own", line=number)
                if b"\r" in line.rstrip(b"\r\n"):
                    raise InputError(source, "lines end in CR alone", hint="convert the line endings", line=number)
                record = records[name] = _Record(source, name, number, file.tell())
            elif record is None:
                hint = "the first line must be `>name`"
                raise InputError(source, f"not a FASTA: it begins with {line[:20]!r}", hint=hint, line=number)
            else:
                first = not record.length
                record.add_line(line, number)
                number += record.add_regular_lines(file) if first else 0
    if not records:
        raise InputError(source, "the file is empty", hint="download it again")
    for record in records.values():
        if not record.length:
            hint = "remove it, or download the file again"
            raise InputError(source, f"record {record.name!r} has no sequence", hint=hint, line=record.line)
    return list(records.values())


class _Record:
    """A record while it is scanned; all its lines must have the width and line ending of the first, or be the last.

    Args:
        source: the user's file, for messages.
        name: of the record.
        line: number of its header line, from 1.
        offset: byte at which its sequence begins.
    """

    def __init__(self, source: Path, name: str, line: int, offset: int) -> None:
        self.source, self.name, self.line, self._offset = source, name, line, offset
        self.length = self._width = self._line_size = 0
        self._irregular: tuple[int, int, bytes] | None = (
            None  # number, bases and ending of a line that must be the last
        )

    def add_line(self, line: bytes, number: int) -> None:
        """Check a line of sequence and count its bases."""
        invalid = line.translate(None, _ALLOWED)
        if invalid:
            joined = b">" in invalid
            hint = "are two records joined without a newline?" if joined else "only IUPAC letters are allowed"
            raise InputError(self.source, f"byte {invalid[:1]!r} in record {self.name!r}", hint=hint, line=number)
        n_bases = len(line.rstrip(b"\r\n"))
        if not self.length:
            self._width, self._line_size = n_bases, len(line)
        if self._irregular is None and (n_bases, len(line)) != (self._width, self._line_size):
            self._irregular = number, n_bases, line[n_bases:]
        if self._irregular is not None and (n_bases > self._width or (n_bases and number > self._irregular[0])):
            at, size, ending = self._irregular
            problem = (
                f"a line of {size} bases ending in {ending!r}, the first of record {self.name!r} has {self._width}"
            )
            raise InputError(self.source, problem, hint="wrap all lines of a record to one width", line=at)
        self.length += n_bases

    def add_regular_lines(self, file: BinaryIO) -> int:
        """Check and count lines like the first, from the position of `file` on; return their number."""
        n_lines, read_size = 0, _FIRST_READ_SIZE
        if not 0 < self._width < self._line_size <= read_size:
            return 0
        ending = b"\r\n"[self._width - self._line_size :]
        while True:
            begin, wanted = file.tell(), read_size // self._line_size
            data = file.read(wanted * self._line_size)
            whole = len(data) // self._line_size * self._line_size
            rows = np.frombuffer(data, np.uint8, whole).reshape(-1, self._line_size)
            n_regular = _count_regular(rows, self._width, ending)
            n_lines, self.length = n_lines + n_regular, self.length + n_regular * self._width
            if n_regular < wanted:
                file.seek(begin + n_regular * self._line_size)
                return n_lines
            read_size = min(4 * read_size, _MAX_READ_SIZE)

    def index_line(self) -> str:
        """Return the record's line of the .fai index."""
        fields = (self.name, self.length, self._offset, self._width, self._line_size)
        return "\t".join(map(str, fields)) + "\n"


def _count_regular(rows: NDArray[np.uint8], width: int, ending: bytes) -> int:
    """Count the rows, up to the first that is not, which are `width` bases and this line ending."""
    has_ending = rows[:, width:] == np.frombuffer(ending, np.uint8)
    # Fast path: all at once; row by row only where that fails.
    if has_ending.all() and b"\0" not in rows[:, :width].tobytes().translate(_IS_BASE):
        return len(rows)
    regular = np.frombuffer(_IS_BASE, bool)[rows[:, :width]].all(axis=1) & has_ending.all(axis=1)
    return len(rows) if regular.all() else int(np.argmin(regular))


class FastaReader:
    """Reader of a prepared FASTA; open one per process.

    pyfaidx gives the offsets. The bases are read as bytes: as text, through pyfaidx, takes three times as long.
    """

    def __init__(self, fasta: PreparedFasta) -> None:
        version = fasta.index.stat()
        self._records = _read_index(fasta.path, fasta.index, (version.st_ino, version.st_mtime_ns, version.st_size))
        self._path, self._file = fasta.path, fasta.path.open("rb")

    def read_letters(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """Return upper-case IUPAC letters of ``start:stop``, a span inside the record; uint8 (stop - start,)."""
        letters = self._read_bases(record, start, stop)
        letters &= _UPPER_CASE
        return letters

    def read_codes(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """Return base codes of ``start:stop``: 0..3 = ACGT, 4 = any other IUPAC letter; uint8 (stop - start,)."""
        return np.frombuffer(self._read_bases(record, start, stop).tobytes().translate(_CODES), np.uint8)

    def _read_bases(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the letters in the case of the file, without line endings; uint8 (stop - start,).

        Line endings are removed by column, which is ten times as fast as by value.

        Raises:
            InputError: line endings are not at the offsets of the index.
            ValueError: the span is not inside the record.
        """
        entry = self._records[record]
        if not 0 <= start <= stop <= entry.rlen:
            raise ValueError(f"{record}:{start}-{stop} is not inside the record's {entry.rlen} bases")
        first, last = start // entry.lenc, stop // entry.lenc
        self._file.seek(entry.offset + first * entry.lenb)
        size = (last - first) * entry.lenb + stop % entry.lenc
        text = np.frombuffer(self._file.read(size), np.uint8)
        whole = (last - first) * entry.lenb if len(text) == size else len(text) // entry.lenb * entry.lenb
        lines = text[:whole].reshape(-1, entry.lenb)[:, : entry.lenc]
        letters = np.empty(lines.size + len(text) - whole, np.uint8)
        letters[: lines.size].reshape(lines.shape)[:] = lines
        letters[lines.size :] = text[whole:]
        letters = letters[start % entry.lenc :]
        if len(letters) != stop - start or (letters == _NEWLINE).any():
            problem = f"{record}:{start}-{stop} is not where the index has it"
            raise InputError(self._path, problem, hint="did the file change since it was indexed?")
        return letters

    def digest(self, record: str, *, on_letters: Callable[[NDArray[np.uint8]], None] = lambda letters: None) -> str:
        """Return a record's GA4GH refget digest: ``SQ.`` and the first 24 bytes of its SHA-512 in URL-safe base64.

        Args:
            record: name in the FASTA.
            on_letters: called with the upper-case letters of one block after the other.
        """
        sha = hashlib.sha512()
        length = self._records[record].rlen
        for start in range(0, length, _MAX_READ_SIZE):
            letters = self.read_letters(record, start, min(start + _MAX_READ_SIZE, length))
            sha.update(letters.data)
            on_letters(letters)
        return "SQ." + base64.urlsafe_b64encode(sha.digest()[:24]).decode()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@lru_cache(maxsize=1)
def _read_index(path: Path, index: Path, version: tuple[int, int, int]) -> Mapping[str, Any]:
    """Return the entries of an index of this version by record, read once in a process: it may have many thousands."""
    with closing(pyfaidx.Faidx(str(path), indexname=str(index), rebuild=False)) as faidx:
        return dict(faidx.index)
