"""Untrusted stores: no path leads out of them, no size is believed unchecked, nothing in them is executed."""

import json
import os
import re
import struct
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numcodecs import blosc, zstd

from factornet.cli import etl
from factornet.etl import Resources
from factornet.etl.builders.unpack import unpack_store
from factornet.etl.verify.objects import verify_store
from factornet.store import StoreError, open_store
from factornet.store.cell_info import CellInfo
from factornet.store.format.cell_index import format_cell_index, parse_cell_index
from factornet.store.format.manifest import parse_manifest, parse_objects, with_self_digest
from factornet.store.format.sharded import ShardedArray, parse_layout
from factornet.store.format.zarr_json import parse_zarr_json
from factornet.store.schema import StoreInfo
from factornet.store.storage import local
from factornet.store.storage.base import is_object_name
from factornet.store.storage.local import LocalStorage, open_beneath

FIXTURE = Path(__file__).parents[1] / "fixtures/store-schema-1.zip"
SHA = "0" * 64


@pytest.fixture
def store(tmp_path) -> Path:
    """A small store, to be damaged."""
    with zipfile.ZipFile(FIXTURE) as zipped:
        zipped.extractall(tmp_path / "small.zarr")
    return tmp_path / "small.zarr"


def test_store_of_schema_1_stays_readable(tmp_path):
    """Made once, by tests/fixtures/make.py; a version that cannot read it must offer a migration."""
    assert FIXTURE.stat().st_size < 300_000
    assert not verify_store(FIXTURE).findings
    store = open_store(FIXTURE)
    names, total = [], sha256()
    for group in ("genome", "cells/CELL"):
        arrays = {n.removesuffix("/zarr.json") for n in store.objects(group) if n.endswith("/zarr.json")}
        for name in sorted(arrays):
            node = json.loads(store.folder(group).read(f"{name}/zarr.json"))
            if node["node_type"] == "array":
                names.append(f"{group}/{name}")
                total.update(np.ascontiguousarray(store.array(names[-1])[:]).tobytes())
    assert len(names) == 26
    assert total.hexdigest() == "335c6a44d4af8d2933026d3f17beb12192c92abf40b5091b8553e8c11c2f3d0f"


# --- names, sizes, digests


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "a/./b", "a\\b", "C:x", "a\nb", "a\x00b", "a/", ".."]
)
def test_object_names_outside_the_store_are_refused(name):
    assert not is_object_name(name)
    with pytest.raises(StoreError, match="not a path inside a store"):
        parse_objects({name: [1, SHA]}, location="here")


@pytest.mark.parametrize("listed", [[-1, SHA], [2**60, SHA], [1, "../../x"], [1, SHA[:-1]], [1, SHA.replace("0", "G")]])
def test_invalid_sizes_and_digests_are_refused(listed):
    with pytest.raises(StoreError, match="did not write this"):
        parse_objects({"c/0": listed}, location="here")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"objects": 3}', b"[" * 100_000, b'{"objects": {"a": [1]}}', b"\xff"])
def test_invalid_manifests_are_refused(text):
    with pytest.raises(StoreError, match="manifest"):
        parse_manifest(text, sha256(text).hexdigest(), location="here")
    with pytest.raises(ValueError):
        parse_zarr_json(text, "group")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x\ny"])
def test_index_naming_cell_lines_outside_the_store_is_refused(name):
    with pytest.raises(StoreError, match="not a list of cell lines, or damaged"):
        parse_cell_index(format_cell_index({name: SHA}), location="here")


def test_bucket_keys_outside_the_store_are_ignored(s3, store, tmp_path):
    assert etl.main(["export", str(store), s3.url]) == 0
    s3.client.delete_object(**s3.key("cells/zarr.json"))
    for key in ("cells/../evil/zarr.json", "cells/.x/zarr.json", "cells/a b/zarr.json"):
        s3.client.put_object(**s3.key(key), Body=b"{}")
    assert open_store(s3.url).cells == ("CELL",)
    assert etl.main(["import", s3.url, str(tmp_path / "back.zarr")]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.zarr", "small.zarr"]
    s3.client.put_object(**s3.key("cells/zarr.json"), Body=format_cell_index({"../evil": SHA}))
    with pytest.raises(StoreError, match="not a list of cell lines, or damaged"):
        _ = open_store(s3.url).cells


def test_import_of_a_manifest_with_outside_paths_is_refused(store, tmp_path, capsys):
    """The digests of the forged manifest are right."""
    objects = {"../../../evil": [4, sha256(b"evil").hexdigest()]}
    (tmp_path / "evil").write_bytes(b"evil")
    replace_manifest(store, objects)
    assert etl.main(["import", str(store), str(tmp_path / "back.zarr")]) == 2
    assert "'../../../evil', which is not a path inside a store" in capsys.readouterr().err
    assert not (tmp_path / "back.zarr").exists()


def replace_manifest(store: Path, objects: dict) -> None:
    """Replace the manifest of a cell line, with right digests."""
    cell = store / "cells/CELL"
    text = json.dumps({"objects": objects}).encode()
    node = json.loads((cell / "manifest/zarr.json").read_text())
    node["shape"] = [len(text)]
    node["chunk_grid"]["configuration"]["chunk_shape"] = [len(text)]
    (cell / "manifest/zarr.json").write_text(json.dumps(node))
    (cell / "manifest/c/0").write_bytes(zstd.compress(text, 3))
    group = json.loads((cell / "zarr.json").read_text())
    files = {f"manifest/{n}": cell / "manifest" / n for n in ("c/0", "zarr.json")}
    listed = {n: [f.stat().st_size, sha256(f.read_bytes()).hexdigest()] for n, f in files.items()}
    group["attributes"] |= {"manifest": sha256(text).hexdigest(), "manifest_objects": listed}
    (cell / "zarr.json").write_bytes(with_self_digest(group))


# --- links


def labels(store: Path):
    return open_store(store).labels("CELL", "chr7")[0:10]


LINKS = {
    "an object": ("cells/CELL/labels/chr7/c/0/0", False),
    "a folder": ("cells/CELL/labels", True),
    "a group": ("cells/CELL", True),
    "all cell lines": ("cells", True),
    "metadata": ("cells/CELL/labels/chr7/zarr.json", False),
}


@pytest.mark.parametrize("case", LINKS)
def test_links_are_not_followed_when_reading(store, tmp_path, case):
    """Not even to the right content: a store must not name paths outside itself."""
    name, _ = LINKS[case]
    assert labels(store).shape == (10, 2)
    outside = tmp_path / "outside"
    (store / name).rename(outside)
    (store / name).symlink_to(outside)
    with pytest.raises((StoreError,), match="is a link, or lies behind one"):
        labels(store)
    assert any(f.kind == "link" for f in verify_store(store).findings)


def test_links_are_not_followed_in_raw_stores(store, tmp_path):
    raw = tmp_path / "raw.zarr"
    unpack_store(store, raw, Resources(1))
    file = raw / "genome/sequence/chr7/c/0"
    file.rename(tmp_path / "outside")
    file.symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match="is a link"):
        open_store(raw).sequence("chr7")


def test_pipe_in_place_of_an_object_is_refused(store):
    file = store / "cells/CELL/labels/chr7/c/0/0"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StoreError, match="is not a regular file"):
        labels(store)


def test_store_can_be_opened_through_a_link(store, tmp_path):
    (tmp_path / "link").symlink_to(store)
    assert labels(tmp_path / "link").shape == (10, 2)


@pytest.mark.parametrize("parent_flags", [None, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW], ids=["linux", "macos"])
def test_open_beneath_refuses_links_and_ways_out(tmp_path, monkeypatch, parent_flags):
    if parent_flags is not None:
        monkeypatch.setattr(local, "_PARENT_FLAGS", parent_flags)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    (tmp_path / "a/link").symlink_to("b")
    (tmp_path / "a/b/up").symlink_to(tmp_path.parent)
    (tmp_path / "a/b/same").symlink_to("file")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        os.close(open_beneath(folder, "a/b/file", os.O_RDONLY))
        for name in ("a/link/file", "a/b/up", "a/b/up/file", "a/b/same", "../x", "a/../../x", "/etc/passwd"):
            with pytest.raises(OSError, match="is a link, or lies behind one"):
                open_beneath(folder, name, os.O_RDONLY)
        for name in ("none", "a/none/file"):
            with pytest.raises(FileNotFoundError):
                open_beneath(folder, name, os.O_RDONLY)
        for name in ("a/b/file/x", "a/b/file/x/y"):
            with pytest.raises(NotADirectoryError):
                open_beneath(folder, name, os.O_RDONLY)
    finally:
        os.close(folder)


# --- claimed sizes


def array_of(tmp_path, packed: bytes, codec: str, shape=(1000,), **changes) -> ShardedArray:
    node = {
        "shape": list(shape),
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes"}, {"name": codec, "configuration": {"typesize": 1, "blocksize": 0}}],
        "fill_value": 255,
    } | changes
    files = {"a/zarr.json": json.dumps(node).encode(), "a/c/0": packed}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    objects = {name: (len(content), sha256(content).hexdigest()) for name, content in files.items()}
    return ShardedArray(LocalStorage(tmp_path.resolve()), "a", objects)


@pytest.mark.parametrize("codec", ["zstd", "blosc"])
def test_chunk_claiming_too_much_is_refused(tmp_path, codec, memory_limit):
    """12 kB that decompress to 400 MB where 1000 bytes are expected."""
    large = bytes(400_000_000)
    packed = zstd.compress(large, 3) if codec == "zstd" else blosc.compress(large, b"zstd", 9)
    assert len(packed) < 40_000_000
    del large
    with memory_limit(100_000_000), pytest.raises(StoreError, match=r"object 0 is damaged .*claims 400000000"):
        array_of(tmp_path, packed, codec)[:]


def test_zstd_frame_without_a_content_size_is_refused(tmp_path):
    frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x58) + b"\x03\x00\x00" + b"\x00" * 10
    with pytest.raises(StoreError, match="damaged"):
        array_of(tmp_path, frame, "zstd")[:]


@pytest.fixture
def memory_limit():
    """Check that a block allocates less than a number of bytes through Python and numpy."""
    import tracemalloc
    from contextlib import contextmanager

    @contextmanager
    def limit(size):
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < size
        finally:
            tracemalloc.stop()

    return limit


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_type": "object"}, "object"),
        ({"data_type": "string"}, "string"),
        ({"data_type": {"name": "numpy.datetime64"}}, "not an array of a FactorNet store"),
        ({"codecs": [{"name": "bytes"}, {"name": "pickle"}]}, "codecs bytes, pickle"),
        ({"codecs": [{"name": "vlen-utf8"}]}, "codecs vlen-utf8"),
        ({"shape": [2**40], "chunk_grid": {"configuration": {"chunk_shape": [2**40]}}}, "1099511627776 bytes"),
        ({"shape": [-5]}, "not an array of a FactorNet store"),
        ({"chunk_key_encoding": {"name": "v2"}}, "codecs"),
    ],
)
def test_arrays_of_other_layouts_are_refused(tmp_path, changes, message):
    with pytest.raises(StoreError, match=re.escape(message)):
        array_of(tmp_path, b"", "zstd", **changes)[:]


def test_manifest_claiming_gigabytes_is_refused(store, memory_limit):
    meta = store / "cells/CELL/manifest/zarr.json"
    node = json.loads(meta.read_text())
    node["shape"] = node["chunk_grid"]["configuration"]["chunk_shape"] = [2_000_000_000]
    meta.write_text(json.dumps(node))
    group = json.loads((store / "cells/CELL/zarr.json").read_text())
    text = meta.read_bytes()
    group["attributes"]["manifest_objects"]["manifest/zarr.json"] = [len(text), sha256(text).hexdigest()]
    (store / "cells/CELL/zarr.json").write_bytes(with_self_digest(group))
    with memory_limit(50_000_000), pytest.raises(StoreError, match=r"shape \(2000000000,\) is invalid for a manifest"):
        labels(store)


def test_object_that_grew_is_not_read(store, memory_limit):
    with (store / "cells/CELL/labels/chr7/c/0/0").open("r+b") as file:
        file.truncate(10**12)  # of holes
    with memory_limit(50_000_000), pytest.raises(StoreError, match="1000000000000 bytes, the manifest lists"):
        labels(store)


# --- nothing is executed


def test_sources_do_not_unpickle_or_evaluate():
    root = Path(__file__).parents[2]
    for file in (p for d in ("store", "etl", "model", "cli") for p in (root / d).rglob("*.py")):
        text = file.read_text()
        assert not re.search(r"^\s*(import|from) (pickle|dill|cloudpickle|marshal|shelve)\b", text, re.M), file
        assert not re.search(r"allow_pickle=True|\beval\(|\bexec\(|weights_only=False", text.replace(".eval(", "")), (
            file
        )


def test_parse_layout_refuses_malformed_nodes():
    for node in ({}, {"shape": "x"}, {"shape": [1], "data_type": "uint8", "chunk_grid": 3}, {"shape": None}):
        with pytest.raises(StoreError, match="not an array of a FactorNet store"):
            parse_layout(node, "here")


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 20, "1e999"])
def test_numbers_beyond_64_bits_are_refused(number):
    text = f'{{"zarr_format": 3, "node_type": "group", "attributes": {{"summary": {number}}}}}'
    with pytest.raises(ValueError, match=r"it has (a|the) number"):
        parse_zarr_json(text.encode(), "group")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a\\b"])
@pytest.mark.parametrize("key", ["tracks", "factors"])
def test_names_that_are_none_of_a_folder_are_refused(demo_store, key, name):
    attributes = open_store(demo_store).cell("K562").to_attributes()
    attributes = json.loads(json.dumps(attributes))
    attributes[key][0]["name"] = name
    with pytest.raises(StoreError, match="is no name of a folder"):
        CellInfo.from_attributes(attributes, location="s")


@pytest.mark.parametrize("length", [-1, 0, 2**41, 2**63])
def test_absurd_length_of_a_chromosome_is_refused(demo_store, length):
    attributes = json.loads((demo_store / "zarr.json").read_text())["attributes"]
    attributes["chromosomes"][0]["length"] = length
    with pytest.raises(StoreError, match=f"{length} bases, not 1 to 1,099,511,627,776"):
        StoreInfo.from_attributes(attributes, location="s.zarr")
