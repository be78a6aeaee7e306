"""`factornet-etl verify --against-sources` compares every value of a store with its source files."""

import shutil

import numpy as np
import pytest

from factornet.cli import etl
from factornet.etl.verify.sources import compare_with_sources
from factornet.store import InputError, UsageError, open_store

CELLS = ("GM12878", "HepG2", "K562")


def sources(files):
    return [*(files / "cells" / c for c in CELLS), files / "genome.fa", files / "tracks/Unique35.bw"]


def test_store_equals_its_sources(demo_files, demo_store, raw_store, capsys):
    seen = []
    assert compare_with_sources(open_store(raw_store), sources(demo_files), on_block=seen.append) == []
    bases = sum(open_store(demo_store).coordinates.lengths)
    assert sum(seen) > bases * (1 + 1 + 3 * 2)
    names = [str(s) for s in sources(demo_files)]
    assert etl.main(["verify", str(demo_store), "--against-sources", *names]) == 0
    assert "positions compared with the sources" in capsys.readouterr().out


def test_first_row_that_differs_is_named(demo_files, raw_store, tmp_path, capsys):
    """Wrong values in a raw store, as a faulty writer would leave them: no digest shows them."""
    copy = shutil.copytree(raw_store, tmp_path / "copy.zarr")
    for name, dtype, positions in (
        ("genome/sequence/chr21", "u1", (777_777, 999_000)),
        ("cells/K562/tracks/DGF/chr21/codes", "u1", (123_456, 123_457)),
        ("cells/K562/labels/chr21", "u1", (3 * 5000 + 1,)),
    ):
        file = next((copy / name / "c").rglob("0")) if "labels" not in name else copy / name / "c/0/0"
        values = np.memmap(file, dtype, mode="r+")
        for position in positions:
            values[position] = (values[position] + 1) % 3
        values.flush()
    findings = compare_with_sources(open_store(copy), sources(demo_files))
    assert [(f.path, f.kind) for f in findings] == [
        ("cells/K562/tracks/DGF/chr21", "differs"),
        ("cells/K562/labels/chr21", "differs"),
        ("genome/sequence/chr21", "differs"),
    ]
    assert findings[0].problem.startswith("row 123456 ")
    assert findings[1].problem.startswith("row 5000 ")
    assert findings[2].problem.startswith("row 777777 ")
    assert etl.main(["verify", str(copy), "--quick", "--against-sources", str(demo_files / "genome.fa")]) == 1
    assert "differs: genome/sequence/chr21: row 777777" in capsys.readouterr().out


def test_sources_that_do_not_fit_are_refused(demo_files, demo_store, tmp_path):
    store = open_store(demo_store)
    folder = shutil.copytree(demo_files, tmp_path / "files") / "cells/K562"
    (folder / "meta.txt").write_text((folder / "meta.txt").read_text().replace("GEPC8", "GEPC9"))
    (finding,) = compare_with_sources(store, [folder])
    assert "GEPC8, the sheets list" in finding.problem
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_with_sources(store, [demo_files / "annotation/genes.gtf.gz"])
    with pytest.raises(InputError, match="not text"):
        compare_with_sources(store, [next((demo_files / "cells/K562").glob("*.bw"))])
