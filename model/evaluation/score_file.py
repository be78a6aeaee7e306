"""Read a file of scores of any format: bedGraph, an ENCODE-DREAM submission, or bigWig.

About 60 bytes an interval are held while it is read: of one chromosome of a bigWig, but of all of a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
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
    tables = list(read_scores_in_parts(path, coordinates, aliases))
    if len(tables) == 1:
        return tables[0]
    others = Counter[str]()
    for table in tables:
        others.update(table.other_chromosomes)
    columns = (np.concatenate([getattr(t.bins, name) for t in tables]) for name in ("chrom", "start", "stop"))
    return ScoreTable(
        bins=Bins(*columns),
        scores=np.concatenate([table.scores for table in tables]),
        other_chromosomes=others,
        n_without_score=sum(table.n_without_score for table in tables),
    )


def read_scores_in_parts(
    path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str] | None = None
) -> Iterator[ScoreTable]:
    """Yield the scores of each chromosome of a bigWig, or all of a text; at least one table.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        aliases: name in the file -> name in the store.

    Raises:
        InputError: as for `read_scores`.
    """
    check_is_file(path)
    if file_kind(path) != "a bigWig":
        yield read_score_table(path, coordinates, aliases or {})
        return
    for name, length in check_structure(path).lengths.items():
        yield _read_chromosome(path, (name, length), coordinates, aliases or {})


def _read_chromosome(
    path: Path, chromosome: tuple[str, int], coordinates: GenomeCoordinates, aliases: Mapping[str, str]
) -> ScoreTable:
    """Read the intervals of a bigWig that contain the middle of a bin; others, of single bases say, decide nothing."""
    name, length = chromosome
    starts, stops, values = ([np.zeros(0, dtype)] for dtype in (np.int64, np.int64, np.float32))
    others, n_without_score = Counter[str](), 0
    chrom = coordinates.indices.get(aliases.get(name, name))
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
    start = np.concatenate(starts)
    return ScoreTable(
        bins=Bins(np.full(start.size, -1 if chrom is None else chrom, np.int64), start, np.concatenate(stops)),
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
