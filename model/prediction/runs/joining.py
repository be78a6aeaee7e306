"""Join the parts of an output into its file, with its record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....store.files.atomic_write import named_write_errors
from ....store.genome.bigwig_file import Replace
from ....store.reader import Store
from ....store.schema import BIN
from ..bigwig_writer import open_bigwig
from ..bins import Bins, count_bins, first_and_count
from ..output_names import ScoreFormat, score_format
from ..region_parts import RegionParts
from ..sidecar import replacing_with_sidecar
from ..writers import ScoreWriter, open_bedgraph
from .ensemble import EnsembleJoin
from .outputs import Output
from .region_bins import RegionBins


def join_parts(output: Output, parts: Sequence[RegionParts], bins: RegionBins) -> None:
    """Write the file of an output from its parts, and its record."""
    store, kind = output.predictors[0].store, score_format(output.path)

    def record(*, file_sha256: str) -> Any:
        return output.record(bins.summary(store, output.margin), bins.options(), file_sha256=file_sha256)

    replace: Replace = partial(replacing_with_sidecar, record=record)
    if output.ensemble is None and kind != "bigWig":
        _join_bedgraph(parts[0], output.path, replace)
        return
    # A bigWig's entries must be in genome order, whatever the order of the regions.
    order = list(range(len(bins.parts)))
    if kind == "bigWig":
        order.sort(key=lambda i: (store.coordinates.index(bins.parts[i].chrom), bins.parts[i].start))
    if output.ensemble is None:
        read: Callable[[int], Iterator[tuple[Bins, NDArray[np.float32]]]] = partial(_raw_scores, parts[0], bins, store)
    else:
        sources = [partial(_raw_scores, of_member, bins, store) for of_member in parts]
        ranks = [of_member.folder / "ranks" for of_member in parts]
        read = EnsembleJoin(output, sources, n_parts=len(bins.parts), ranks=ranks).scores
    with _open_output(output.path, bins, store, kind, replace) as file:
        for i in order:
            for piece, scores in read(i):
                file.add(piece, scores)


def _open_output(
    path: Path, bins: RegionBins, store: Store, kind: ScoreFormat, replace: Replace
) -> AbstractContextManager[ScoreWriter]:
    coordinates, stride = store.coordinates, bins.stride
    if kind != "bigWig":
        return open_bedgraph(path, coordinates, gzipped=kind == "gzipped bedgraph", replace=replace)
    total = count_bins(list(bins.regions), coordinates, stride=stride)
    chroms = sorted({coordinates.index(r.chrom) for r in bins.regions if first_and_count(r, stride=stride)[1]})
    span = min(stride, BIN) if total > 1 else BIN
    return open_bigwig(path, coordinates, chroms=chroms, span=span, replace=replace)


def _raw_scores(
    parts: RegionParts, bins: RegionBins, store: Store, part: int
) -> Iterator[tuple[Bins, NDArray[np.float32]]]:
    """Yield bins and raw scores of a part, piece by piece.

    Raises:
        InputError: the scores do not have their digest.
    """
    sha256 = hashlib.sha256()
    with parts.path(part).open("rb") as file:
        for piece in bins.pieces(store.coordinates, [part]):
            sha256.update(data := file.read(4 * len(piece)))
            yield piece, np.frombuffer(data, "<f4")
    parts.check(part, sha256.hexdigest())


def _join_bedgraph(parts: RegionParts, output: Path, replace: Replace) -> None:
    """Concatenate texts, or gzip files, which gives a gzip file."""
    with named_write_errors(output), replace(output) as joined, joined.open("wb") as file:
        for i in range(len(parts.regions)):
            sha256 = hashlib.sha256()
            with parts.path(i).open("rb") as part:
                while data := part.read(1 << 20):
                    sha256.update(data)
                    file.write(data)
            parts.check(i, sha256.hexdigest())
