"""bigWigs are read back: a file that is not what was written is never published."""

import errno
import os
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from factornet.model.prediction.bigwig_writer import write_bigwig
from factornet.model.prediction.bins import Bins
from factornet.store import GenomeCoordinates
from factornet.store.errors import InputError
from factornet.store.genome import bigwig_file
from factornet.store.genome.bigwig_format import check_structure, check_zoom_levels

COORDINATES = GenomeCoordinates(("chr1", "chr2"), (200_000, 50_000))


@pytest.fixture
def bins() -> Bins:
    starts = np.concatenate([np.arange(0, 190_000, 50), np.arange(0, 40_000, 50)])
    chrom = np.repeat([0, 1], [3800, 800])
    return Bins(chrom, starts, starts + 200)


@pytest.fixture
def scores(bins) -> np.ndarray:
    return np.random.default_rng(1).random(len(bins)).astype(np.float32)


def test_written_file_has_zoom_levels_over_all_its_bases(tmp_path, bins, scores):
    write_bigwig(tmp_path / "o.bw", bins, scores, COORDINATES)
    check_structure(tmp_path / "o.bw")
    check_zoom_levels(tmp_path / "o.bw", 50 * len(bins))
    with pytest.raises(InputError, match="zoom level 0 summarises 230000 bases of 230001"):
        check_zoom_levels(tmp_path / "o.bw", 50 * len(bins) + 1)


def test_damage_between_writing_and_reading_back_is_found(tmp_path, bins, scores, monkeypatch):
    """Cut or flip the finished temporary file at many places: it is never published."""
    write_bigwig(tmp_path / "good.bw", bins, scores, COORDINATES)
    size = (tmp_path / "good.bw").stat().st_size
    read_back, rng = bigwig_file._read_back, np.random.default_rng(2)
    used = 0
    for i in range(60):
        at = int(rng.integers(64, size))

        def damaged(part, *rest, at=at, cut=i % 2):
            data = part.read_bytes()
            part.write_bytes(data[:at] if cut else data[:at] + bytes(min(4096, size - at)) + data[at + 4096 :])
            read_back(part, *rest)

        monkeypatch.setattr(bigwig_file, "_read_back", damaged)
        try:
            write_bigwig(tmp_path / "o.bw", bins, scores, COORDINATES)
            assert i % 2 == 0  # zeros in place of zeros
            assert (tmp_path / "o.bw").read_bytes() == (tmp_path / "good.bw").read_bytes()
            (tmp_path / "o.bw").unlink()
        except InputError as error:
            assert str(error).startswith(f"{tmp_path / 'o.bw'}: read back, it is not what was written (")  # noqa: PT017
            used += 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["good.bw"]
    assert used > 50


@pytest.mark.parametrize("failing", ["open", "fsync"])
def test_failed_write_names_the_file(tmp_path, bins, scores, monkeypatch, failing):
    """Failing system calls: test_bigwig_faults.py."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path if failing == "open" else os, failing, full)
    with pytest.raises(InputError, match=r"o.bw: cannot be written \(No space left on device\); check free space"):
        write_bigwig(tmp_path / "o.bw", bins, scores, COORDINATES)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_bins_near_an_end_keep_to_the_bases_around_their_middles(tmp_path):
    """A first bin whose bases would begin before the chromosome does not push them over the next bin's."""
    starts, stops = np.array([0, 20, 199_960]), np.array([10, 40, 200_000])
    write_bigwig(tmp_path / "o.bw", Bins(np.zeros_like(starts), starts, stops), np.ones(3, np.float32), COORDINATES)
    with pyBigWig.open(str(tmp_path / "o.bw")) as file:
        assert file.intervals("chr1") == ((0, 18, 1.0), (18, 43, 1.0), (199_968, 199_993, 1.0))
