"""A genome FASTA, checked and indexed beside the store (never through an index found on disk), as base codes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from ..store.errors import InputError
from ..store.schema import BASES

_IUPAC = b"ACGTRYSWKMBDHVN"
_ALLOWED = _IUPAC + _IUPAC.lower() + b"\r\n"
_PIECE = 16 * 1024 * 1024


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
        raise InputError(source, "no such file", cure="give the genome as FASTA, plain or gzipped (--fasta)")
    path = source
    with source.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    if zipped:
        path = work / "genome.fa"
        try:
            with gzip.open(source) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, _PIECE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as e:
            raise InputError(source, f"gzip data is cut short or damaged ({e})", cure="fetch the file anew") from e
    lengths = _scan(path, source)
    index = work / "genome.fa.fai"
    index.unlink(missing_ok=True)
    try:
        with pyfaidx.Fasta(str(path), indexname=str(index), rebuild=True) as fasta:
            indexed = {name: len(fasta[name]) for name in fasta.keys()}  # noqa: SIM118  (pyfaidx iterates records)
    except (pyfaidx.FastaIndexingError, pyfaidx.FetchError, ValueError) as e:
        raise InputError(source, f"cannot be indexed ({e})", cure="wrap all lines of a record to one width") from e
    if indexed != lengths:
        raise InputError(source, f"index {indexed} and content {lengths} differ", cure="has the file just changed?")
    return PreparedFasta(source, path, index, lengths)


def _scan(path: Path, source: Path) -> dict[str, int]:
    """Bases of each record, having looked at every byte."""
    lengths: dict[str, int] = {}
    name = ""
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(b">"):
                _check_record(source, name, lengths)
                fields = line[1:].split()
                name = fields[0].decode("utf-8", "replace") if fields else ""
                if not name or name in lengths:
                    problem = f"record {name!r} comes twice" if name else "a record without a name"
                    raise InputError(source, problem, cure="name each record once", line=number)
                if b"\r" in line.rstrip(b"\r\n"):
                    raise InputError(source, "lines end in CR alone", cure="convert the line ends", line=number)
                lengths[name] = 0
            elif not name:
                cure = "the first line must be `>name`"
                raise InputError(source, f"not a FASTA: it begins with {line[:20]!r}", cure=cure, line=number)
            else:
                odd = line.translate(None, _ALLOWED)
                if odd:
                    cure = "joined without a newline?" if b">" in odd else "only IUPAC bases may stand in a sequence"
                    raise InputError(source, f"byte {odd[:1]!r} in record {name!r}", cure=cure, line=number)
                lengths[name] += len(line.rstrip(b"\r\n"))
    if not number:
        raise InputError(source, "the file is empty", cure="fetch it anew")
    _check_record(source, name, lengths)
    return lengths


def _check_record(source: Path, name: str, lengths: dict[str, int]) -> None:
    if name and lengths[name] == 0:
        raise InputError(source, f"record {name!r} has no sequence", cure="remove it, or fetch the file anew")


class FastaReader:
    """Reads one prepared FASTA; to be opened in the process that uses it."""

    def __init__(self, fasta: PreparedFasta) -> None:
        self._fasta = pyfaidx.Fasta(
            str(fasta.path), indexname=str(fasta.index), as_raw=True, sequence_always_upper=True, rebuild=False
        )
        self._lengths = fasta.lengths
        self._codes = np.full(256, 4, np.uint8)
        self._codes[np.frombuffer(BASES.encode(), np.uint8)] = range(4)

    def letters(self, record: str, start: int, stop: int) -> bytes:
        """Upper-case IUPAC letters of ``start:stop``, which must lie inside the record."""
        if not 0 <= start <= stop <= self._lengths[record]:
            raise ValueError(f"{record}:{start}-{stop} lies outside its {self._lengths[record]} bases")
        if start == stop:
            return b""
        letters = str(self._fasta[record][start:stop]).encode()
        if len(letters) != stop - start:
            raise InputError(
                self._fasta.filename, f"{record}:{start}-{stop} gave {len(letters)} bases: has it changed?"
            )
        return letters

    def codes(self, record: str, start: int, stop: int) -> NDArray[np.uint8]:
        """Base codes of ``start:stop``: 0..3 = ACGT, 4 = any other IUPAC letter; uint8 (stop - start,)."""
        return self._codes[np.frombuffer(self.letters(record, start, stop), np.uint8)]

    def digest(self, record: str) -> str:
        """GA4GH refget digest of a record: ``SQ.`` and the first 24 bytes of its SHA-512 in URL-safe base64."""
        sha = hashlib.sha512()
        length = self._lengths[record]
        for start in range(0, length, _PIECE):
            sha.update(self.letters(record, start, min(start + _PIECE, length)))
        return "SQ." + base64.urlsafe_b64encode(sha.digest()[:24]).decode()

    def close(self) -> None:
        """Close the file."""
        self._fasta.close()
