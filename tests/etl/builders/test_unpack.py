"""Unpacking a compressed store into a raw one, and what may go wrong with it."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from factornet.cli import etl
from factornet.etl import Resources, verify_store
from factornet.etl.builders import unpack
from factornet.etl.builders.parts import raw_arrays
from factornet.etl.builders.unpack import unpack_store
from factornet.etl.publish.remove import remove_cells
from factornet.store import SamplingPlan, StoreError, StreamSettings, UsageError, WindowStream, open_store
from factornet.store.format.manifest import with_self_digest

CELLS = ("GM12878", "HepG2", "K562")


def arrays_of(path):
    """Return the path of every array except manifests."""
    nodes = [p for p in path.rglob("zarr.json") if json.loads(p.read_text())["node_type"] == "array"]
    return sorted(str(p.parent.relative_to(path)) for p in nodes if p.parent.name != "manifest")


def signals_of(path):
    """Return the path in a store of every array, with one for codes and values together."""
    return sorted({p.removesuffix("/codes").removesuffix("/values") for p in arrays_of(path)})


def test_every_array_equals_the_source_in_values_and_metadata(demo_store, raw_store):
    assert signals_of(raw_store) == arrays_of(demo_store)
    packed, raw = open_store(demo_store), open_store(raw_store)
    for path in arrays_of(demo_store):
        mine, theirs = np.asarray(raw.array(path)), zarr.open_array(str(demo_store), path=path, mode="r")
        assert mine.dtype == theirs.dtype
        assert mine.tobytes() == theirs[:].tobytes(), path
        plain = zarr.open(str(raw_store), path=path, mode="r")
        terms, signal = theirs.attrs.asdict(), {"signal": "values[codes]"}
        assert plain.attrs.asdict() == (terms | signal if isinstance(plain, zarr.Group) else terms)
        if isinstance(plain, zarr.Group):
            assert plain["values"][:][plain["codes"][:]].tobytes() == mine.tobytes()
            plain = plain["codes"]
        else:
            assert plain[:].tobytes() == mine.tobytes()
        assert plain.metadata.dimension_names == theirs.metadata.dimension_names
    assert raw.info.chromosomes == packed.info.chromosomes
    assert (packed.info.encoding, raw.info.encoding) == ("compressed", "raw")
    for cell in CELLS:
        assert raw.cell(cell) == packed.cell(cell)
        np.testing.assert_array_equal(raw.meta(cell), packed.meta(cell))
        for mine, theirs in zip(
            raw.peaks(cell, "CTCF", "relaxed").to_intervals(raw.coordinates),
            packed.peaks(cell, "CTCF", "relaxed").to_intervals(raw.coordinates),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert raw.blacklist().starts.tolist() == packed.blacklist().starts.tolist()


def test_array_is_one_file_of_its_values_only(raw_store):
    store = open_store(raw_store)
    for path, itemsize in (("genome/sequence/chr21", 1), ("cells/K562/tracks/DGF/chr21/codes", 1)):
        (file,) = (p for p in (raw_store / path).rglob("*") if p.is_file() and p.name != "zarr.json")
        assert file.stat().st_size == itemsize * store.coordinates.lengths[store.coordinates.index("chr21")]


def test_raw_store_opens_in_xarray(demo_store, raw_store):
    codes = xr.open_datatree(raw_store, engine="zarr", consolidated=False, chunks=None)["cells/K562/tracks/DGF/chr21"]
    signal = xr.open_zarr(demo_store, group="cells/K562/tracks/DGF", consolidated=False, chunks=None).chr21
    np.testing.assert_array_equal(codes["values"].values[codes["codes"].values], signal)
    for group in ("genome/sequence", "cells/HepG2/labels", "cells/HepG2/peaks/CTCF/relaxed"):
        mine = xr.open_zarr(raw_store, group=group, consolidated=False, chunks=None)
        assert mine.identical(xr.open_zarr(demo_store, group=group, consolidated=False, chunks=None))


def test_manifests_list_every_object_with_size_and_digest(demo_store, raw_store):
    root = json.loads((raw_store / "zarr.json").read_text())["attributes"]
    source = json.loads((demo_store / "zarr.json").read_text())["attributes"]
    assert root["unpacked_from"] == source["genome_manifest"]
    for group in (raw_store / "genome", *(raw_store / "cells" / c for c in CELLS)):
        text = (group / "manifest/c/0").read_bytes()
        attributes = json.loads((group / "zarr.json").read_text())["attributes"]
        assert hashlib.sha256(text).hexdigest() == attributes.get("manifest", root["genome_manifest"])
        own = () if group.name == "genome" else (group / "zarr.json",)
        files = {str(p.relative_to(group)): p for p in group.rglob("*") if p.is_file() and p not in own}
        want = {k: [p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest()] for k, p in files.items()}
        assert json.loads(text)["objects"] == {k: v for k, v in want.items() if not k.startswith("manifest/")}


def test_raw_store_of_schema_1_is_read(demo_store, raw_store, tmp_path, monkeypatch):
    """As earlier versions wrote it: all signal is float32."""
    monkeypatch.setattr(raw_arrays, "takes_less", lambda table, length: False)
    unpack_store(demo_store, tmp_path / "old.zarr", Resources(1), cells=["K562"])
    assert arrays_of(tmp_path / "old.zarr") == [
        p for p in arrays_of(demo_store) if p.split("/")[1] not in {"GM12878", "HepG2"}
    ]
    old, new = open_store(tmp_path / "old.zarr"), open_store(raw_store)
    assert (old.info.schema_version, old.cell("K562").schema_version) == (1, 1)
    assert (new.info.schema_version, new.cell("K562").schema_version) == (2, 2)
    zeros = np.zeros(200, np.int64)
    starts = np.random.default_rng(0).integers(-600, 149_000, 200)
    plan = SamplingPlan(("K562",), zeros, zeros, starts, zeros, np.zeros((200, 0), np.uint8))
    for mine, theirs in zip(*(WindowStream(s, plan, StreamSettings(999), seed=(1,)) for s in (old, new)), strict=True):
        assert mine.tracks.tobytes() == theirs.tracks.tobytes()
    assert verify_store(tmp_path / "old.zarr").findings == ()


def test_two_workers_write_the_same_and_cell_lines_can_be_selected(demo_store, raw_store, tmp_path, capsys):
    path = tmp_path / "new" / "some.zarr"
    assert etl.main(["unpack", str(demo_store), str(path), "--cells", "K562", "-p", "2", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["arrays"] == len(signals_of(path))
    assert summary["bytes"] == sum(zarr.open_array(str(path), path=p, mode="r").nbytes for p in arrays_of(path))
    assert open_store(path).cells == ("K562",)
    for file in (p for p in path.rglob("*") if p.is_file()):
        assert file.read_bytes() == (raw_store / file.relative_to(path)).read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["some.zarr"]


def test_result_does_not_depend_on_block_size(demo_store, raw_store, tmp_path, monkeypatch):
    monkeypatch.setattr(raw_arrays, "_BLOCK_SIZE", 100_000)
    unpack_store(demo_store, tmp_path / "raw.zarr", Resources(1), cells=["K562"])
    for path in arrays_of(tmp_path / "raw.zarr"):
        name = Path(path, "c/0/0" if "/labels/" in path else "c/0")
        assert (tmp_path / "raw.zarr" / name).read_bytes() == (raw_store / name).read_bytes()


def test_unpacking_to_object_storage_is_refused(demo_store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert etl.main(["unpack", str(demo_store), "s3://bucket/raw.zarr"]) == 2
    assert "error: s3://bucket/raw.zarr: is not a local folder; a raw store is memory-mapped" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [], "no folder of the name s3:"


def test_unusable_source_destination_or_cell_line_is_refused(demo_store, raw_store, tmp_path, monkeypatch):
    new = tmp_path / "new.zarr"
    with pytest.raises(StoreError, match="already exists"):
        unpack_store(demo_store, raw_store, Resources(1))
    with pytest.raises(StoreError, match="is already a raw store"):
        unpack_store(raw_store, new, Resources(1))
    with pytest.raises(UsageError, match=r"no cell line 'K563'.*GM12878, HepG2, K562"):
        unpack_store(demo_store, new, Resources(1), cells=["K563"])
    with pytest.raises(UsageError, match="cannot be a name"):
        unpack_store(demo_store, tmp_path / "a b.zarr", Resources(1))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda location: usage(10**9, 97 * 10**7, 3 * 10**7))
    with pytest.raises(
        StoreError,
        match=r"takes \d\d MB, 30 MB are free there: \d\d MB are missing; free disk space, unpack fewer cell lines",
    ):
        unpack_store(demo_store, new, Resources(1))
    assert list(tmp_path.iterdir()) == []


def damage(path, how):
    if how == "deleted":
        path.unlink()
    elif how == "shorter":
        path.write_bytes(path.read_bytes()[:-7])
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 4
        path.write_bytes(data)


@pytest.mark.parametrize("how", ["deleted", "shorter", "flipped"])
@pytest.mark.parametrize(
    "file",
    [
        "genome/sequence/chr21/c/0",
        "cells/K562/tracks/DGF/chr21/c/0",
        "cells/K562/peaks/CTCF/conservative/start/c/0",
        "cells/K562/labels/chr21/zarr.json",
        "cells/K562/manifest/c/0",
        "genome/manifest/c/0",
    ],
)
def test_damaged_source_is_an_error_and_nothing_is_written(demo_store, tmp_path, file, how):
    copy = shutil.copytree(demo_store, tmp_path / "copy.zarr")
    damage(copy / file, how)
    with pytest.raises(StoreError, match=file.partition("/c/")[0]):
        unpack_store(copy, tmp_path / "raw.zarr", Resources(1))
    assert [p.name for p in tmp_path.iterdir()] == ["copy.zarr"]


def test_killed_unpack_publishes_nothing_and_a_second_one_succeeds(demo_store, tmp_path):
    new = tmp_path / "raw.zarr"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from factornet.etl import Resources; from factornet.etl.builders.unpack import unpack_store\n"
        "done = []\n"
        "def report(r):\n"
        "    done.append(r)\n"
        "    if len(done) == 9: os.kill(os.getpid(), signal.SIGKILL)\n"
        "unpack_store(Path(sys.argv[1]), Path(sys.argv[2]), Resources(1), on_report=report)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(demo_store), str(new)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not new.exists()
    left = tmp_path / "raw.zarr.building"
    assert any(left.rglob("c/0")), "killed before it had written anything"
    unpack_store(demo_store, new, Resources(1))
    assert signals_of(new) == arrays_of(demo_store)
    assert not left.exists()


def test_source_replaced_meanwhile_is_an_error(demo_store, tmp_path):
    copy = shutil.copytree(demo_store, tmp_path / "copy.zarr")

    def replace(report):
        meta = copy / "cells/K562/zarr.json"
        node = json.loads(meta.read_text())
        node["attributes"]["manifest"] = "0" * 64
        meta.write_bytes(with_self_digest(node))

    with pytest.raises(
        StoreError, match=r"was replaced while it was being read|its digest is not the one in the attributes"
    ):
        unpack_store(copy, tmp_path / "raw.zarr", Resources(1), on_report=replace)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.zarr"]


@pytest.mark.parametrize("after", [0, 5])
def test_source_removed_meanwhile_is_an_error_that_says_so(demo_store, tmp_path, after, monkeypatch):
    copy, left = shutil.copytree(demo_store, tmp_path / "copy.zarr"), [None] * after
    read = unpack.read_object

    def remove(*_):
        if left:
            left.pop()
        elif "K562" in open_store(copy).cells:
            remove_cells(copy, ["K562"])

    def remove_and_read(*args):
        remove()  # before its objects were looked for
        return read(*args)

    if not after:
        monkeypatch.setattr(unpack, "read_object", remove_and_read)
    with pytest.raises(StoreError, match=r"cells/K562: was removed while it was being read; unpack again"):
        unpack_store(copy, tmp_path / "raw.zarr", Resources(1), on_report=remove)
    assert not (tmp_path / "raw.zarr").exists()


def test_full_disk_is_an_error_that_names_the_file(demo_store, tmp_path, monkeypatch):
    def full(self, *args, **kwargs):
        if args and "x" in args[0]:
            raise OSError(28, "No space left on device")
        return opened(self, *args, **kwargs)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match=r"/c/0.*: cannot be written \(No space left on device, .* are free there\)"):
        unpack_store(demo_store, tmp_path / "raw.zarr", Resources(1))
    assert list(tmp_path.iterdir()) == []
