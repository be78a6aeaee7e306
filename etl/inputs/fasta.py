"""A genome FASTA, checked and indexed beside the store (never through an index found on disk), as base codes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.schema import BASES

_IUPAC = b"ACGTRYSWKMBDHVN"
_BASES = _IUPAC + _IUPAC.lower()
_IS_BASE = bytes(c in _BASES for c in range(256))
_ALLOWED = _BASES + b"\r\n"
_CASE = np.uint8(~0x20 & 0xFF)  # the bits of an ASCII letter without that for lower case
_CODES = bytes(4 if i < 0 else i for i in (BASES.find(chr(c).upper()) for c in range(256)))
"""For each byte the code of the base, 4 where it is no base of its own."""
_NEWLINE = 10
_PIECE = 16 * 1024 * 1024
_BLOCK = 64 * 1024


@dataclass(frozen=True)
class PreparedFasta:
    """A plain, checked FASTA with its own index.

    Attributes:
        source: the file the user gave, for messages.
        path: plain text; the source itself, or its unpacked copy.
        index: the index (.fai), made here.
        lengths: record name -> bases.
    """

    source: Path
    path: Path
    index: Path
    lengths: dict[str, int]


def prepare_fasta(source: Path, work: Path) -> PreparedFasta:
    """Unpack (where gzipped), check and index a FASTA; what is made goes to the folder `work`.

    Raises:
        InputError: not a FASTA, damaged gzip data, a byte that is no IUPAC base, a record twice or empty, lines of
            uneven length.
    """
    if not source.is_file():
        raise InputError(source, "no such file", hint="give the genome as FASTA, plain or gzipped (--fasta)")
    path = source
    with source.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    if zipped:
        path = work / "genome.fa"
        try:
            with gzip.open(source) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, _PIECE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as e:
            raise InputError(source, f"gzip data is cut short or damaged ({e})", hint="fetch the file anew") from e
    records = _scan(path, source)
    index = work / "genome.fa.fai"
    index.write_text("".join(record.index_line() for record in records), encoding="utf-8")
    return PreparedFasta(source, path, index, {record.name: record.length for record in records})


def _scan(path: Path, source: Path) -> list[_Record]:
    """The records, having looked at every byte: line by line where a record begins or ends, else many lines at once."""
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
                    problem = f"record {name!r} comes twice" if name else "a record without a name"
                    raise InputError(source, problem, hint="name each record once", line=number)
                if b"\r" in line.rstrip(b"\r\n"):
                    raise InputError(source, "lines end in CR alone", hint="convert the line ends", line=number)
                record = records[name] = _Record(source, name, number, file.tell())
            elif record is None:
                hint = "the first line must be `>name`"
                raise InputError(source, f"not a FASTA: it begins with {line[:20]!r}", hint=hint, line=number)
            else:
                first = not record.length
                record.add(line, number)
                number += record.add_regular(file) if first else 0
    if not records:
        raise InputError(source, "the file is empty", hint="fetch it anew")
    for record in records.values():
        if not record.length:
            hint = "remove it, or fetch the file anew"
            raise InputError(source, f"record {record.name!r} has no sequence", hint=hint, line=record.line)
    return list(records.values())


class _Record:
    """A record as it is read: every line has the width and the end of the first, the last one may be shorter."""

    def __init__(self, source: Path, name: str, line: int, offset: int) -> None:
        self.source, self.name, self.line, self._offset = source, name, line, offset
        self.length = self._width = self._whole = 0
        self._other: tuple[int, int, bytes] | None = None  # line, bases and end of one that must be the last

    def add(self, line: bytes, number: int) -> None:
        """Check a line of sequence, and count its bases."""
        odd = line.translate(None, _ALLOWED)
        if odd:
            hint = "joined without a newline?" if b">" in odd else "only IUPAC bases may stand in a sequence"
            raise InputError(self.source, f"byte {odd[:1]!r} in record {self.name!r}", hint=hint, line=number)
        bases = len(line.rstrip(b"\r\n"))
        if not self.length:
            self._width, self._whole = bases, len(line)
        if self._other is None and (bases, len(line)) != (self._width, self._whole):
            self._other = number, bases, line[bases:]
        if self._other is not None and (bases > self._width or (bases and number > self._other[0])):
            at, size, end = self._other
            problem = f"a line of {size} bases ending in {end!r}, the first of record {self.name!r} has {self._width}"
            raise InputError(self.source, problem, hint="wrap all lines of a record to one width", line=at)
        self.length += bases

    def add_regular(self, file: BinaryIO) -> int:
        """Pass over the lines that are as the first, from where the file is; how many there were."""
        lines, size = 0, _BLOCK
        if not 0 < self._width < self._whole <= _BLOCK:
            return 0
        end = b"\r\n"[self._width - self._whole :]
        while True:
            begin, block = file.tell(), file.read(size // self._whole * self._whole)
            rows = np.frombuffer(block, np.uint8, len(block) // self._whole * self._whole).reshape(-1, self._whole)
            good = _regular_lines(rows, self._width, end)
            lines, self.length = lines + good, self.length + good * self._width
            if good * self._whole < size // self._whole * self._whole:
                file.seek(begin + good * self._whole)
                return lines
            size = min(4 * size, _PIECE)

    def index_line(self) -> str:
        """Its line of the .fai index."""
        fields = (self.name, self.length, self._offset, self._width, self._whole)
        return "\t".join(map(str, fields)) + "\n"


def _regular_lines(rows: NDArray[np.uint8], width: int, end: bytes) -> int:
    """How many rows, from the first on, are `width` bases and this end."""
    ends = rows[:, width:] == np.frombuffer(end, np.uint8)
    # All at once, and only where that fails row by row.
    if ends.all() and b"\0" not in rows[:, :width].tobytes().translate(_IS_BASE):
        return len(rows)
    good = np.frombuffer(_IS_BASE, bool)[rows[:, :width]].all(axis=1) & ends.all(axis=1)
    return len(rows) if good.all() else int(np.argmin(good))


class FastaReader:
    """Reads one prepared FASTA; to be opened in the process that uses it.

    pyfaidx knows where the bases are. They are read as bytes here: as text, through pyfaidx, takes three times as long.
    """

    def __init__(self, fasta: PreparedFasta) -> None:
        self._index = pyfaidx.Faidx(str(fasta.path), indexname=str(fasta.index), rebuild=False)

    def letters(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """Upper-case IUPAC letters of ``start:stop``, which must lie inside the record; uint8 (stop - start,)."""
        letters = self._stripped(record, start, stop)
        letters &= _CASE
        return letters

    def codes(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """Base codes of ``start:stop``: 0..3 = ACGT, 4 = any other IUPAC letter; uint8 (stop - start,)."""
        return np.frombuffer(self._stripped(record, start, stop).tobytes().translate(_CODES), np.uint8)

    def _stripped(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """The letters as they stand in the file, without line ends: cut off by column, ten times as quick as by value.

        Raises:
            InputError: the lines are not where they were.
        """
        where = self._index.index[record]
        if not 0 <= start <= stop <= where.rlen:
            raise ValueError(f"{record}:{start}-{stop} lies outside its {where.rlen} bases")
        first, last = start // where.lenc, stop // where.lenc
        self._index.file.seek(where.offset + first * where.lenb)
        size = (last - first) * where.lenb + stop % where.lenc
        text = np.frombuffer(self._index.file.read(size), np.uint8)
        whole = (last - first) * where.lenb if len(text) == size else len(text) // where.lenb * where.lenb
        lines = text[:whole].reshape(-1, where.lenb)[:, : where.lenc]
        letters = np.empty(lines.size + len(text) - whole, np.uint8)
        letters[: lines.size].reshape(lines.shape)[:] = lines
        letters[lines.size :] = text[whole:]
        letters = letters[start % where.lenc :]
        if len(letters) != stop - start or (letters == _NEWLINE).any():
            raise InputError(self._index.filename, f"{record}:{start}-{stop} has its lines elsewhere: has it changed?")
        return letters

    def digest(self, record: str) -> str:
        """GA4GH refget digest of a record: ``SQ.`` and the first 24 bytes of its SHA-512 in URL-safe base64."""
        sha = hashlib.sha512()
        length = self._index.index[record].rlen
        for start in range(0, length, _PIECE):
            sha.update(self.letters(record, start, min(start + _PIECE, length)).data)
        return "SQ." + base64.urlsafe_b64encode(sha.digest()[:24]).decode()

    def close(self) -> None:
        """Close the file."""
        self._index.close()
