"""How the signal of a store is kept, from its manifests."""

import json

import numpy as np
import pyBigWig
import pytest

from factornet.cli import etl
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, verify_store
from factornet.store import SamplingPlan, StreamSettings, UsageError, WindowStream, open_store, read_span
from factornet.store.format.value_tables.coded_array import CodedArray
from factornet.store.stored_signal import chromosomes_of_zeros, stored_signal

LENGTHS = {"chr1": 300_000, "chr2": 90_000, "chr3": 200}
FORMS = {
    "counts": {"uint8 codes": 2, "float32": 1},
    "many": {"uint16 codes": 1, "float32": 2},
    "noise": {"float32": 2, "uint8 codes": 1},
}
"""Track -> how its chromosomes are kept: codes of tables of 256 or 65,536 values pay from 342 and 131,073 bases on."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A compressed store of three tracks, and the raw one unpacked from it."""
    folder, rng = tmp_path_factory.mktemp("forms"), np.random.default_rng(0)
    with (folder / "g.fa").open("w") as fasta:
        for name, size in LENGTHS.items():
            fasta.write(f">{name}\n{''.join(rng.choice(list('ACGT'), size))}\n")
    build_genome(folder / "s.zarr", GenomeInputs(folder / "g.fa"), GenomeOptions(), Resources(1))
    (folder / "A").mkdir()
    for track, values in (("counts", 20), ("many", 3000), ("noise", 0)):
        file = pyBigWig.open(str(folder / f"A/{track}.bw"), "w")
        file.addHeader(list(LENGTHS.items()))
        for name, size in LENGTHS.items():
            of = 20 if (track, name) == ("noise", "chr2") else values
            drawn = rng.integers(-1, of, size) * 0.37 if of else rng.normal(size=size)
            file.addEntries(name, 0, values=drawn.astype(np.float32).astype(float), span=1, step=1)
        file.close()
    (folder / "A/bigwig.txt").write_text("".join(f"{track}.bw {track}\n" for track in FORMS))
    build_cell(folder / "s.zarr", folder / "A", CellOptions(), Resources(1))
    assert etl.main(["unpack", str(folder / "s.zarr"), str(folder / "raw.zarr"), "-p", "1"]) == 0
    return folder / "s.zarr", folder / "raw.zarr"


def test_forms_and_sizes_are_those_of_the_files(stores, capsys):
    packed, raw = stores
    found = {s.track: s for s in stored_signal(open_store(raw), "cells/A")}
    assert {track: s.forms for track, s in found.items()} == FORMS
    for track, s in found.items():
        files = [p for p in (raw / "cells/A/tracks" / track).rglob("*") if p.is_file() and len(p.parts) > 1]
        own = raw / "cells/A/tracks" / track / "zarr.json"
        assert s.bytes == sum(p.stat().st_size for p in files if p != own)
    assert [s.forms for s in stored_signal(open_store(packed), "cells/A")] == [{"float32": 3}] * 3
    assert stored_signal(open_store(raw), "genome") == ()
    capsys.readouterr()
    assert etl.main(["info", str(raw)]) == 0
    assert "uint8 codes (2), float32 (1)" in capsys.readouterr().out
    assert etl.main(["info", str(raw), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signal"]["cells/A"][0]["forms"] == FORMS["counts"]


def test_store_of_all_forms_reads_as_the_compressed_one(stores):
    packed, raw = map(open_store, stores)
    assert (packed.info.schema_version, packed.cell("A").schema_version) == (1, 1)
    assert (raw.info.schema_version, raw.cell("A").schema_version) == (1, 2), "the genome has no signal"
    for track in FORMS:
        for chrom, length in LENGTHS.items():
            mine, theirs = (read_span(s.track("A", track, chrom), 0, length) for s in (raw, packed))
            assert mine.tobytes() == theirs.tobytes()
    assert isinstance(raw.track("A", "counts", "chr1"), CodedArray)
    rng = np.random.default_rng(1)
    chrom, zeros = rng.integers(0, 3, 300), np.zeros(300, np.int64)
    starts = rng.integers(-500, np.array(list(LENGTHS.values()))[chrom] + 200)
    plan = SamplingPlan(("A",), zeros, chrom, starts, zeros, np.zeros((300, 0), np.uint8))
    streams = [WindowStream(s, plan, StreamSettings(500, batch_size=64), seed=None) for s in (raw, packed)]
    for mine, theirs in zip(*streams, strict=True):
        assert mine.tracks.tobytes() == theirs.tracks.tobytes()
    assert not streams[0].has_codes, "some of it is float32"
    with pytest.raises(UsageError, match="not all of the signal is kept as codes"):
        streams[0].coded_batches()
    assert verify_store(stores[1]).findings == ()


def test_chromosomes_of_zeros_are_those_of_numpy(tmp_path):
    """Compressed and raw; one value among millions of zeros, the last, and a chromosome that the file lacks."""
    lengths = {"one": 3_000_000, "last": 70_000, "negative": 400, "zeros": 2_500_000, "few": 30, "written": 900}
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{'A' * size}\n" for name, size in lengths.items()))
    build_genome(tmp_path / "s.zarr", GenomeInputs(tmp_path / "g.fa"), GenomeOptions(), Resources(1))
    (tmp_path / "A").mkdir()
    file = pyBigWig.open(str(tmp_path / "A/t.bw"), "w")
    file.addHeader(list(lengths.items()))
    values = {"one": (2_100_000, 1.0), "last": (69_999, 0.5), "negative": (7, -1.0), "written": (5, 0.0)}
    for chrom, (start, value) in values.items():
        file.addEntries([chrom], [start], ends=[start + 1], values=[value])
    file.close()
    (tmp_path / "A/bigwig.txt").write_text("t.bw t\n")
    build_cell(tmp_path / "s.zarr", tmp_path / "A", CellOptions(), Resources(1))
    assert etl.main(["unpack", str(tmp_path / "s.zarr"), str(tmp_path / "raw.zarr"), "-p", "1"]) == 0
    for name in ("s.zarr", "raw.zarr"):
        store = open_store(tmp_path / name)
        expected = [chrom for chrom in lengths if not np.any(store.track("A", "t", chrom)[:])]
        assert chromosomes_of_zeros(store, "cells/A/tracks/t", lengths) == expected == ["zeros", "few", "written"]
        assert chromosomes_of_zeros(store, "cells/A/tracks/t", ["last", "few"]) == ["few"]


def test_ordinary_chromosomes_are_not_read_to_see_that_they_have_values(stores, monkeypatch):
    monkeypatch.setattr("factornet.store.stored_signal.read_span", lambda *_: pytest.fail("was read"))
    assert chromosomes_of_zeros(open_store(stores[0]), "cells/A/tracks/counts", ["chr1", "chr2"]) == []
