"""Read a file of scores of any format: bedGraph, an ENCODE-DREAM submission, or bigWig."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...store.errors import InputError
from ...store.files.file_kinds import file_kind
from ...store.genome.bigwig_format import DataBlock, check_structure, read_blocks
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import STRIDE
from ..prediction.bins import Bins
from ..prediction.score_table import ScoreTable, check_is_file, read_score_table


def read_scores(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str] | None = None) -> ScoreTable:
    """Read the intervals and scores of a bedGraph or, by its content, a bigWig.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        aliases: name in the file -> name in the store.

    Raises:
        InputError: as for `read_score_table`; or a bigWig is damaged, or of another assembly.
    """
    check_is_file(path)
    read = _read_bigwig if file_kind(path) == "a bigWig" else read_score_table
    return read(path, coordinates, aliases or {})


def _read_bigwig(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> ScoreTable:
    """Read the intervals of a bigWig that contain the middle of a bin; others, of single bases say, decide nothing."""
    index = {name: i for i, name in enumerate(coordinates.names)}
    starts, stops, values, chroms = ([np.zeros(0, dtype)] for dtype in (np.int64, np.int64, np.float32, np.int64))
    others, n_without_score = Counter[str](), 0
    for name, length in check_structure(path).lengths.items():
        chrom = index.get(aliases.get(name, name))
        if chrom is not None and length != coordinates.lengths[chrom]:
            problem = f"{name} has {length} bases, the store's {coordinates.names[chrom]} {coordinates.lengths[chrom]}"
            raise InputError(path, problem, hint="is it of another assembly?")
        for block in read_blocks(path, name, 0, length):
            if chrom is None:
                others[name] += block.values.size
                continue
            _check_block(path, block, name, length)
            missing = np.isnan(block.values)
            n_without_score += int(missing.sum())
            kept = ~missing & ((block.stops - 1) // STRIDE * STRIDE >= block.starts)
            starts.append(block.starts[kept])
            stops.append(block.stops[kept])
            values.append(block.values[kept])
            chroms.append(np.full(values[-1].size, chrom, np.int64))
    return ScoreTable(
        bins=Bins(np.concatenate(chroms), np.concatenate(starts), np.concatenate(stops)),
        scores=np.concatenate(values),
        other_chromosomes=others,
        n_without_score=n_without_score,
    )


def _check_block(path: Path, block: DataBlock, name: str, length: int) -> None:
    wrong = np.isinf(block.values) | (block.stops > length)
    if wrong.any():
        i = int(np.argmax(wrong))
        problem = f"score {block.values[i]:g} of {name}:{block.starts[i]}-{block.stops[i]}"
        raise InputError(path, problem, hint=f"a score is finite, and lies within 0 and the {length:,} bases of {name}")
