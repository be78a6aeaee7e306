"""Write the scores of one part of a region, one file a predictor: what the outputs of a run are joined from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from ....store.genome.intervals import GenomeCoordinates
from ..bins import Bins
from ..output_names import ScoreFormat
from ..predictor import Predictor, score_together
from ..writers import ScoreWriter, open_bedgraph, open_raw_scores

OnScored = Callable[[int, int, float], None]
"""Called with the index of a predictor of a network, the number of bins just scored, and the seconds that it took."""


@dataclass(frozen=True)
class RegionFile:
    """A file of the scores of one predictor in one part of a region.

    Attributes:
        path: of the file.
        kind: format of the output that it is part of; that of a bigWig, and of an ensemble, has raw scores.
    """

    path: Path
    kind: ScoreFormat

    def open(self, coordinates: GenomeCoordinates) -> AbstractContextManager[ScoreWriter]:
        """Open the file to be written; `coordinates` are the store's chromosomes."""
        if self.kind == "bigWig":
            return open_raw_scores(self.path)
        return open_bedgraph(self.path, coordinates, gzipped=self.kind == "gzipped bedgraph")


def write_region(
    predictors: Sequence[Predictor], pieces: Iterable[Bins], files: Sequence[RegionFile], *, on_scored: OnScored
) -> None:
    """Write the scores of the bins of a part by each predictor to its file; the files appear together at the end.

    Args:
        predictors: in one cell line of one store, on one device.
        pieces: bins of the part.
        files: one for each predictor.
        on_scored: called for each network, piece by piece.

    Raises:
        InputError: a file cannot be written.
        StoreError: as for `predict_together`.
    """
    with ExitStack() as stack:
        writers = [stack.enter_context(file.open(predictors[0].store.coordinates)) for file in files]
        for piece in pieces:
            for found in score_together(predictors, piece):
                rows = piece.take(found.rows)
                for k, scores in zip(found.predictors, found.scores, strict=True):
                    writers[k].add(rows, scores)
                on_scored(found.predictors[0], len(rows), found.seconds)
