"""Tell files of reads from others by their names."""

from __future__ import annotations

from pathlib import Path

_ALIGNMENTS = (".bam", ".cram", ".sam")
_FRAGMENTS = (".tsv.gz", ".tsv", ".bed.gz", ".bed")


def has_alignments(path: Path) -> bool:
    """Return whether the name of a file is that of alignments: BAM, CRAM or SAM."""
    return path.name.lower().endswith(_ALIGNMENTS)


def has_fragments(path: Path) -> bool:
    """Return whether the name of a file is that of fragments: a table, plain or gzipped."""
    return path.name.lower().endswith(_FRAGMENTS)


def is_read_file(path: Path) -> bool:
    """Return whether the name of a file is that of alignments or fragments."""
    return has_alignments(path) or has_fragments(path)
