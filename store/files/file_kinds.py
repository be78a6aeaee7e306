"""Recognise files of other formats by their first bytes, to say what a file is that cannot be read."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

WEB_PAGE = "a web page or XML file"
_SIZE = 64  # bytes looked at
_GZIP = b"\x1f\x8b"
_KINDS = {  # first bytes -> kind of file
    b"BAM\x01": "a BAM file",
    b"CRAM": "a CRAM file",
    b"BCF\x02": "a BCF file",
    b"@HD\t": "a SAM file",
    b"@SQ\t": "a SAM file",
    b"##fileformat=VCF": "a VCF file",
    b"##gff": "a GFF file",
    b">": "a FASTA file",
    b"MEME version": "a MEME file",
    b"\x26\xfc\x8f\x88": "a bigWig",
    b"\x88\x8f\xfc\x26": "a bigWig",
    b"\xeb\xf2\x89\x87": "a bigBed",
    b"\x87\x89\xf2\xeb": "a bigBed",
    b"fixedStep": "a wiggle file",
    b"variableStep": "a wiggle file",
    b"track type=wiggle": "a wiggle file",
    b"{": "a JSON file",
    b"<": WEB_PAGE,
    b"PK\x03\x04": "a zip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"(\xb5/\xfd": "a zstd file",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a PNG picture",
    b"%PDF": "a PDF file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def is_gzipped(path: Path) -> bool:
    """Return whether a file begins as gzip files do."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def file_kind(path: Path) -> str:
    """Return what kind of file this is, such as ``a BAM file``, looking into gzip files; empty where it is unknown."""
    with path.open("rb") as file:
        head = file.read(_SIZE)
    if head.startswith(_GZIP):
        try:
            with gzip.open(path) as unpacked:
                head = unpacked.read(_SIZE)
        except (OSError, EOFError, zlib.error):
            return ""
    return content_kind(head)


def content_kind(head: bytes) -> str:
    """Return what kind of file begins with these bytes; empty where it is unknown."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n\t")
    return next((kind for start, kind in _KINDS.items() if head.startswith(start)), "")
