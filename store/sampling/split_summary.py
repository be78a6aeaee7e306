"""Summarize a split: bases, and positives of each cell line, in the training, validation and test regions."""

from __future__ import annotations

from typing import Any

from ..genome.intervals import size
from .sampler import Sampler


def summarize_split(sampler: Sampler) -> dict[str, Any]:
    """Return how many bases and positives a split has, as JSON values.

    Returns:
        ``positives_are``: "peaks", or "bins" if all factors are learnt at once; and for each of ``train``, ``valid``
        and ``test``: ``bases``, ``share`` of the genome, and ``positives`` by cell line. ``unused`` has the positives
        that are in none of them: on the blacklist, near an end of a chromosome or a border of the regions, or where
        their cell line neither trains nor validates.
    """
    split, cells = sampler.split, tuple(dict.fromkeys(sampler.cells + sampler.valid_cells))
    counts = {cell: sampler.count_positives(cell) for cell in cells}
    positives = {
        "train": dict(zip(sampler.cells, map(len, (p.positives for p in sampler.train_positives)), strict=True)),
        "valid": dict(zip(sampler.valid_cells, map(len, (p.positives for p in sampler.valid_positives)), strict=True)),
        "test": {cell: counts[cell]["test"] for cell in cells},
    }
    used = {cell: sum(part.get(cell, 0) for part in positives.values()) for cell in cells}
    genome = sum(sampler.store.coordinates.lengths)
    parts = {}
    for name, found in positives.items():
        bases = size(getattr(split, name))
        parts[name] = {"bases": bases, "share": round(bases / genome, 6), "positives": found}
    return {
        "positives_are": "bins" if sampler.multitask else "peaks",
        **parts,
        "unused": {"positives": {cell: counts[cell]["total"] - used[cell] for cell in cells}},
    }
