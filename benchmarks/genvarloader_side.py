"""GenVarLoader's side of `genvarloader_peer.py`: run by the Python that has it, which needs nothing of ours.

Reads commands from standard input, a JSON object a line, and answers each with one: `write` makes a dataset of a BED
file and opens it, up to its first batch; `epoch` reads all of it in random batches. Seconds are of the work alone.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter
from typing import Any

import genvarloader as gvl
import numpy as np

CODES = np.full(256, 4)
CODES[np.frombuffer(b"ACGT", np.uint8)] = range(4)


class Side:
    """A dataset, once `write` has made it."""

    def __init__(self) -> None:
        self._dataset: Any = None
        self._tracks: list[str] = []

    def write(self, *, folder: str, bed: str, fasta: str, bigwigs: dict[str, str], length: int, batch: int) -> dict:
        """Regions that are new: seconds from files to the first batch."""
        begin = perf_counter()
        tracks = [gvl.BigWigs(name, {"CELL": path}) for name, path in bigwigs.items()]
        gvl.write(folder, bed, tracks=tracks, overwrite=True)
        written = perf_counter() - begin
        dataset = gvl.Dataset.open(folder, reference=fasta).with_seqs("reference").with_tracks(list(bigwigs))
        self._dataset = dataset.with_len(length)
        self._tracks = list(self._dataset.active_tracks)
        self._read(np.arange(batch))
        return {"seconds": perf_counter() - begin, "written": written}

    def epoch(self, *, seed: int, batch: int) -> dict:
        """All regions in random order: seconds, and the sum that `checksum` makes of the same windows."""
        begin, total = perf_counter(), 0
        order = np.random.default_rng(seed).permutation(len(self._dataset))
        for first in range(0, order.size, batch):
            total += self._read(order[first : first + batch])
        return {"seconds": perf_counter() - begin, "checksum": total, "tracks": self._tracks}

    def _read(self, index: np.ndarray) -> int:
        letters, tracks = self._dataset[index, 0]
        letters, tracks = np.asarray(letters), np.asarray(tracks)
        assert tracks.dtype == np.float32
        column = letters.reshape(len(index), -1)[:, 7].view(np.uint8)
        codes = CODES[column]
        signal = np.ascontiguousarray(tracks.reshape(len(index), -1, tracks.shape[-1])[:, :, 7])
        return int(codes.sum()) + int(signal.view(np.uint32).sum(dtype=np.uint64))


def main() -> None:
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what the libraries print must not stand between the answers
        side = Side()
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(side, request.pop("do"))(**request)
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
