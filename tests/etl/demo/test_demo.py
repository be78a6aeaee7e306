"""The demo experiment: reproducible files, valid peaks, and a signal that no single input predicts."""

import filecmp
import gzip
import resource
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.metrics import average_precision_score

from factornet.etl import write_demo
from factornet.store import InputError, UsageError, open_store, read_span


def file_names(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def test_same_seed_gives_same_bytes(demo_files, tmp_path):
    again = write_demo(tmp_path / "again").directory
    # pyfaidx or bedtools may have left an index next to a file.
    names = [name for name in file_names(demo_files) if not name.endswith(".fai")]
    assert names == file_names(again)
    assert len(names) > 20
    assert filecmp.cmpfiles(demo_files, again, names, shallow=False) == (names, [], [])


def test_other_seed_gives_other_experiment(demo_files, tmp_path):
    other = write_demo(tmp_path / "other", seed=421).directory
    for name in (
        "genome.fa",
        "cells/K562/K562.DGF.bw",
        "cells/K562/ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz",
    ):
        assert not filecmp.cmp(demo_files / name, other / name, shallow=False)
    same = "cells/K562/chip.txt"
    assert filecmp.cmp(demo_files / same, other / same, shallow=False)


def test_folder_with_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="already exists and is not empty"):
        write_demo(tmp_path)
    assert file_names(tmp_path) == ["notes.txt"]
    with pytest.raises(UsageError, match=r"notes\.txt"):
        write_demo(tmp_path / "notes.txt")


def test_empty_folder_is_accepted(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "genome.fa" in file_names(write_demo(tmp_path / "empty").directory)


def test_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"demo/genome\.fa: cannot be written \(File too large\)"):
            write_demo(tmp_path / "demo")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()]


def read_peaks(path):
    rows = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    return [(r[0], int(r[1]), int(r[2]), int(r[9])) for r in rows]


def test_each_conservative_peak_is_inside_a_relaxed_peak(demo_files):
    pairs = 0
    for table in sorted(demo_files.glob("cells/*/chip.txt")):
        for line in table.read_text().splitlines():
            conservative, _, *relaxed = line.split()
            strong = read_peaks(table.parent / conservative)
            assert all(0 <= summit < stop - start for _, start, stop, summit in strong)
            for path in relaxed:
                pairs += 1
                weak = read_peaks(table.parent / path)
                assert len(weak) > len(strong)
                for chrom, start, stop, _ in strong:
                    assert any(c == chrom and a <= start and stop <= b for c, a, b, _ in weak)
    assert pairs == 9  # ten factors of cell lines, one of them (MAX in K562) without relaxed peaks


def motif_probabilities(path, factor):
    """Return one matrix of the demo's MEME file, (w, 4)."""
    lines = path.read_text().split(f"MOTIF {factor}_demo")[1].split("MOTIF")[0].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("letter-probability")) + 1
    return np.array([line.split() for line in lines[first:] if line.strip()], float)


def best_hits(codes, probabilities):
    """Return the best log-odds of the motif on either strand in each 200-base bin, (bins,)."""
    odds = np.log2(probabilities / 0.25)
    odds = np.hstack([odds, np.full((len(odds), 1), -5.0)])  # N
    count = codes.size - len(odds) + 1
    strands = [odds, odds[::-1][:, [3, 2, 1, 0, 4]]]
    scores = np.max([sum(s[i][codes[i : i + count]] for i in range(len(s))) for s in strands], axis=0)
    return sliding_window_view(scores, 200 - len(odds) + 1)[::50].max(axis=1)


FACTORS = [
    *((cell, "CTCF") for cell in ("GM12878", "HepG2", "K562")),
    *((cell, "MAX") for cell in ("GM12878", "HepG2", "K562")),
    *((cell, "REST") for cell in ("HepG2", "K562")),
    *((cell, "GABPA") for cell in ("GM12878", "HepG2")),
]


@pytest.mark.parametrize(("cell", "factor"), FACTORS)
def test_motif_times_accessibility_predicts_twice_as_well_as_either(demo_store, demo_files, cell, factor):
    store, chrom = open_store(demo_store), "chr2"
    arrays = store.sequence(chrom), store.track(cell, "DGF", chrom), store.labels(cell, chrom)
    codes, signal, labels = (read_span(array, 0, array.shape[0]) for array in arrays)
    label = labels[:, store.cell(cell).factor_index(factor)]
    motif = best_hits(codes, motif_probabilities(demo_files / "motifs.meme", factor))
    opened = sliding_window_view(signal, 200)[::50].mean(axis=1)
    unambiguous = label != 2
    scores = {"motif": motif, "accessibility": opened, "product": np.maximum(motif, 0) * opened}
    precision = {
        name: average_precision_score(label[unambiguous] == 1, score[unambiguous]) for name, score in scores.items()
    }
    assert precision["product"] > 2 * max(precision["motif"], precision["accessibility"]), precision
