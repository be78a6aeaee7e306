"""Write a small bigWig of scores as a command does: status 2 and one line where that fails."""

import sys
from pathlib import Path

import numpy as np

from factornet.model.prediction.bigwig_writer import write_bigwig
from factornet.model.prediction.bins import Bins
from factornet.store import GenomeCoordinates
from factornet.store.errors import InputError


def main(arguments: list[str]) -> int:
    starts = np.arange(0, 190_000, 50)
    scores = np.random.default_rng(1).random(starts.size).astype(np.float32)
    bins = Bins(np.zeros_like(starts), starts, starts + 200)
    try:
        write_bigwig(Path(arguments[0]), bins, scores, GenomeCoordinates(("chr1",), (200_000,)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
