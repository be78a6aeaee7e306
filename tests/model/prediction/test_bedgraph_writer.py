"""bedGraphs are read back: a file that is not what was written is never published."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from factornet.model.prediction.bins import Bins
from factornet.model.prediction.writers import write_bedgraph
from factornet.store import GenomeCoordinates
from factornet.store.errors import InputError

COORDINATES = GenomeCoordinates(("chr1",), (200_000,))
STARTS = np.arange(0, 10_000, 50)
BINS = Bins(np.zeros(STARTS.size, np.int64), STARTS, STARTS + 200)
OPEN = {Path: Path.open, gzip: gzip.open}


@pytest.mark.parametrize(("name", "where"), [("o.bed", Path), ("o.bed.gz", gzip)])
def test_damage_between_writing_and_reading_back_is_found(tmp_path, monkeypatch, name, where):
    def damaged(path, mode="rb", **more):
        if mode == "rb" and ".part" in path.name:
            with OPEN[where](path, "rb") as file:
                text = file.read()
            with OPEN[where](path, "wb") as file:
                file.write(text.replace(b"5.000e-01", b"5.000e-02", 1))
        return OPEN[where](path, mode, **more)

    monkeypatch.setattr(where, "open", damaged)
    with pytest.raises(InputError, match="read back, it is not what was written"):
        write_bedgraph(tmp_path / name, BINS, np.full(STARTS.size, 0.5, np.float32), COORDINATES)
    assert list(tmp_path.iterdir()) == []
