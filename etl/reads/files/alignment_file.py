"""Read alignments from BAM, CRAM and SAM files in one pass, through htslib."""

from __future__ import annotations

import os
import queue
import re
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pysam

from ....store.errors import InputError
from ....store.files.limited_read import check_is_file
from .bam_records import ReadBatch, decode_records

_PIECE = 1 << 24  # bytes decompressed at once
_AHEAD = 2  # pieces
_MAGIC = b"BAM\1"
_CRAM_END = b"\x0f\xe0EOF"  # in the last container (CRAM specification, section 9)
_MAX_HEADER, _MAX_CHROMS = 1 << 28, 1 << 24
# Everything but names, sequence, qualities and tags: so a CRAM is read without its reference.
_CONVERT = """import pysam, sys
pysam.view("-u", "--input-fmt-option", "required_fields=0x1fe", sys.argv[1], catch_stdout=False)"""


@dataclass(frozen=True)
class AlignmentHeader:
    """Header of an alignment file.

    Attributes:
        lengths: bases by chromosome, in the order of their numbers.
        is_sorted: whether it says that it is sorted by coordinate.
    """

    lengths: dict[str, int]
    is_sorted: bool


def read_header(path: Path) -> AlignmentHeader:
    """Read the header of a BAM, CRAM or SAM file, and check that the file is whole.

    Raises:
        InputError: not such a file, without chromosomes, or cut short.
    """
    check_is_file(path)
    try:
        with _quiet(), pysam.AlignmentFile(str(path), check_sq=False) as file:
            kind = "BAM" if file.is_bam else "CRAM" if file.is_cram else "SAM"
            if kind == "BAM":
                file.check_truncation()
            if kind == "CRAM" and _CRAM_END not in _last_bytes(path):
                raise OSError("the container that ends a CRAM is missing")
            lengths = dict(zip(file.references, file.lengths, strict=True))
            order = file.header.to_dict().get("HD", {}).get("SO", "")
    except (OSError, ValueError, NotImplementedError) as error:
        problem = f"cannot be read as BAM, CRAM or SAM ({_reason(error)})"
        raise InputError(path, problem, hint=_hint(path)) from error
    if not lengths:
        raise InputError(path, "is unaligned: its header has no chromosome", hint="align the reads first")
    return AlignmentHeader(lengths, order == "coordinate")


def read_alignments(path: Path, header: AlignmentHeader) -> Iterator[ReadBatch]:
    """Yield all alignments of a file, unmapped reads too, in its order.

    A BAM is decompressed in a thread of its own; CRAM and SAM become BAM in a process of their own.

    Raises:
        InputError: the file is damaged; batches before the damage were yielded.
    """
    left, n_reads = b"", 0
    with _open_bam(path) as pieces:
        for piece in pieces:
            data = np.frombuffer(left + piece, np.uint8)
            try:
                batch, used = decode_records(data, len(header.lengths))
            except ValueError as error:
                problem = f"is damaged behind read {n_reads:,} ({error})"
                raise InputError(path, problem, hint="copy or download it again") from error
            n_reads += len(batch)
            left = data[used:].tobytes()
            if len(batch):
                yield batch
    if left:
        raise InputError(path, f"ends within a read, behind {n_reads:,} whole ones", hint="copy or download it again")


@contextmanager
def _open_bam(path: Path) -> Iterator[Iterator[bytes]]:
    """Open the records of a file as pieces of an uncompressed BAM behind its header.

    Raises:
        InputError: the file, or what htslib makes of it, is damaged.
    """
    if _is_bam(path):
        with _quiet(), _bgzf(str(path)) as file:
            yield _ahead(path, file)
        return
    with tempfile.TemporaryFile() as messages:
        with subprocess.Popen(
            [sys.executable, "-c", _CONVERT, str(path)], stdout=subprocess.PIPE, stderr=messages
        ) as child:
            assert child.stdout is not None
            try:
                with _quiet(), _bgzf(f"/dev/fd/{child.stdout.fileno()}") as file:
                    yield _ahead(path, file)
                child.stdout.close()
                status = child.wait()
            finally:
                child.kill()
        if status:
            messages.seek(0)
            lines = messages.read().decode(errors="replace").strip().splitlines() or ["no message"]
            said = re.sub(r".*stderr=(.*?)(\\n)?'$", r"\1", lines[-1])
            raise InputError(path, f"htslib cannot read it ({said})", hint="copy or download it again")


@contextmanager
def _bgzf(name: str) -> Iterator[Any]:
    file = pysam.BGZFile(name, "rb", None)
    try:
        yield file
    finally:
        with suppress(OSError):  # a damaged file was told of when it was read
            file.close()


def _is_bam(path: Path) -> bool:
    with _quiet(), pysam.AlignmentFile(str(path), check_sq=False) as file:
        return bool(file.is_bam)


def _ahead(path: Path, file: Any) -> Iterator[bytes]:
    """Skip the header, and yield what follows piece by piece, decompressed by a thread that runs ahead."""
    ready: queue.Queue[bytes | Exception] = queue.Queue(_AHEAD)
    is_over = threading.Event()

    def put(item: bytes | Exception) -> bool:
        while not is_over.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def decompress() -> None:
        try:
            while piece := file.read(_PIECE):
                if not put(piece):
                    return
            put(b"")
        except Exception as error:  # of any kind: it is raised below, in the thread that reads
            put(error)

    try:
        _skip_header(file)
    except (OSError, ValueError, NotImplementedError, struct.error) as error:
        raise InputError(path, f"its header is damaged ({_reason(error)})", hint=_hint(path)) from error
    thread = threading.Thread(target=decompress, name=f"decompress {path.name}", daemon=True)
    thread.start()
    try:
        while piece := ready.get():
            if isinstance(piece, Exception):
                raise InputError(path, f"is damaged ({_reason(piece)})", hint="copy or download it again") from piece
            yield piece
    finally:
        is_over.set()
        thread.join()


def _skip_header(file: Any) -> None:
    magic, size = struct.unpack("<4si", file.read(8))
    if magic != _MAGIC or not 0 <= size <= _MAX_HEADER:
        raise ValueError(f"begins with {magic!r}, size {size}")
    file.read(size)
    (n_chroms,) = struct.unpack("<i", file.read(4))
    if not 0 <= n_chroms <= _MAX_CHROMS:
        raise ValueError(f"{n_chroms} chromosomes")
    for _ in range(n_chroms):
        (size,) = struct.unpack("<i", file.read(4))
        if not 0 < size <= _MAX_HEADER:
            raise ValueError(f"a chromosome's name has {size} bytes")
        file.read(size + 4)


def _hint(path: Path) -> str:
    """Return what to do about a file that cannot be read: one of plain gzip must be compressed otherwise."""
    with path.open("rb") as file:
        begin = file.read(18)
    if begin[:2] == b"\x1f\x8b" and begin[12:14] != b"BC":
        return "it is compressed with gzip, not bgzip; convert it by samtools"
    return "copy or download it again"


def _last_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return file.read()


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep htslib from writing to standard error: what is wrong is raised."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)
