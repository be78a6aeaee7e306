"""Estimate the disk space that a build takes, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import STRIDE

_TRACK = 0.5  # bytes a position, packed; 0.1 to 0.4 were seen (docs/store.md)
_CODES = 0.4  # sequence or annotation
_LABELS = 0.1  # bytes a bin and factor
_SMALL = 8192  # bytes of the metadata of one array


def genome_bytes(coordinates: GenomeCoordinates, *, tracks: int) -> int:
    """About what a genome takes, bytes."""
    bases = sum(coordinates.lengths)
    return int(bases * (2 * _CODES + tracks * _TRACK)) + (2 + tracks) * len(coordinates.names) * _SMALL


def cell_bytes(coordinates: GenomeCoordinates, *, tracks: int, peak_files: Sequence[Path]) -> int:
    """About what a cell line takes, bytes. One that it replaces is there until the end, and count already."""
    bases = sum(coordinates.lengths)
    peaks = sum(4 * f.stat().st_size for f in peak_files)  # gzipped text; columns of 4 bytes
    labels = bases // STRIDE * len(peak_files) * _LABELS
    return int(bases * tracks * _TRACK + labels) + peaks + (1 + tracks) * len(coordinates.names) * _SMALL
