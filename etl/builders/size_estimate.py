"""Estimate the disk space that a build takes, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import STRIDE

_TRACK_SIZE = 0.5  # bytes per base, compressed; 0.1 to 0.4 were measured (docs/store.md)
_CODE_SIZE = 0.4  # bytes per base of sequence or annotation
_LABEL_SIZE = 0.1  # bytes per bin and factor
_METADATA_SIZE = 8192  # bytes per array


def genome_bytes(coordinates: GenomeCoordinates, *, tracks: int) -> int:
    """Return the estimated size of a genome with so many shared tracks, in bytes."""
    bases = sum(coordinates.lengths)
    values = int(bases * (2 * _CODE_SIZE + tracks * _TRACK_SIZE))
    return values + (2 + tracks) * len(coordinates.names) * _METADATA_SIZE


def cell_bytes(coordinates: GenomeCoordinates, *, tracks: int, peak_files: Sequence[Path]) -> int:
    """Return the estimated size of a cell line, in bytes.

    A cell line that it replaces stays until the end, and is already counted as used.
    """
    bases = sum(coordinates.lengths)
    peaks = sum(4 * f.stat().st_size for f in peak_files)  # gzipped text; columns of 4 bytes
    labels = bases // STRIDE * len(peak_files) * _LABEL_SIZE
    return int(bases * tracks * _TRACK_SIZE + labels) + peaks + (1 + tracks) * len(coordinates.names) * _METADATA_SIZE
