"""`factornet-etl verify` finds every fault in every kind of object; training never reads past one."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from stress.damage_store import damage_repeatedly

from factornet.cli import etl
from factornet.etl.verify.objects import verify_store
from factornet.store import SamplingPlan, StoreError, StreamSettings, UsageError, WindowStream, open_store, read_span
from factornet.store.format.manifest import check_self_digest, with_self_digest
from factornet.store.format.zarr_json import parse_zarr_json
from factornet.store.storage.local import LocalStorage

CELLS = ("GM12878", "HepG2", "K562")


@pytest.fixture(params=["compressed", "raw"])
def copy(request, demo_store, raw_store, tmp_path):
    """A copy of the demo to be damaged, in either encoding."""
    source = {"compressed": demo_store, "raw": raw_store}[request.param]
    return Path(shutil.copytree(source, tmp_path / "copy.zarr"))


def objects_of(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def is_head(name):
    """Return whether other objects cannot be checked once this one is damaged."""
    parts = name.split("/")
    return "manifest" in parts or name == "zarr.json" or (parts[0] == "cells" and parts[2:] == ["zarr.json"])


def flip(file, rng):
    data = bytearray(file.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    file.write_bytes(data)


def found(path, **options):
    return {f.path for f in verify_store(path, **options).findings}


def test_intact_store_has_no_findings(copy, capsys):
    report = verify_store(copy)
    assert report.findings == ()
    assert report.objects == len(objects_of(copy))
    assert report.groups == ("genome", *(f"cells/{c}" for c in CELLS))
    assert verify_store(copy, quick=True).findings == ()
    assert etl.main(["verify", str(copy)]) == 0
    assert ": no faults\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.EMFILE, "raise the limit on open files (ulimit -n)"),
        (errno.ENOMEM, "free memory, or raise the limit on it"),
        (errno.EACCES, "check permissions"),
    ],
)
@pytest.mark.parametrize("at", ["cells/K562", "zarr.json", "c/0"])
def test_what_the_machine_cannot_read_is_not_damaged(demo_store, tmp_path, monkeypatch, capsys, *, code, cure, at):
    """Advice to rebuild a sound store, and a status that says it has faults, would lose it."""
    intact = LocalStorage.__init__, LocalStorage.open

    def fail(name):
        if str(name).endswith(at) and "K562" in str(name):
            raise OSError(code, os.strerror(code), str(name))

    def opened(self, path):
        fail(path)
        intact[0](self, path)

    def read(self, name, *words):
        fail(f"{self.location}/{name}")
        return intact[1](self, name, *words)

    monkeypatch.setattr(LocalStorage, "__init__", opened)
    monkeypatch.setattr(LocalStorage, "open", read)
    reason = rf"cells/K562.*cannot be read \({os.strerror(code)}\); {re.escape(cure)}"
    with pytest.raises(StoreError, match=reason):
        verify_store(demo_store)
    assert etl.main(["export", str(demo_store), str(tmp_path / "x.zip")]) == 2
    assert re.search(reason, capsys.readouterr().err)


def test_flipped_bit_in_every_listed_object_is_found(copy):
    """Exactly the damaged objects are named."""
    rng = np.random.default_rng(1)
    names = [n for n in objects_of(copy) if not is_head(n)]
    assert len(names) > 250
    for name in names:
        flip(copy / name, rng)
    assert found(copy) == set(names)


def test_flipped_bits_in_attributes_and_manifests_are_found(copy):
    """One object at a time; `quick` finds these too."""
    rng = np.random.default_rng(2)
    names = [n for n in objects_of(copy) if is_head(n)]
    assert len(names) == 1 + 3 + 2 * 4
    for name in names * 10:
        whole = (copy / name).read_bytes()
        flip(copy / name, rng)
        assert name in found(copy, quick=True), name
        (copy / name).write_bytes(whole)
    assert found(copy) == set()


@pytest.mark.parametrize("name", ["zarr.json", "cells/K562/zarr.json"])
def test_every_flipped_bit_of_attributes_is_found(demo_store, name):
    """Including those that leave the JSON equal, such as 1e5 and 1E5."""
    text = (demo_store / name).read_bytes()
    missed = []
    for bit in range(len(text) * 8):
        broken = bytearray(text)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            check_self_digest(bytes(broken), parse_zarr_json(bytes(broken), "group")["attributes"], location="here")
            missed.append(bit)
        except (ValueError, KeyError, TypeError, AttributeError, StoreError):
            pass
    assert missed == []


def test_equal_json_with_other_bytes_is_refused():
    text = with_self_digest(
        {"attributes": {"a": 1e-7, "b": 0.30000000000000004}, "zarr_format": 3, "node_type": "group"}
    )
    for old, new in ((b"1e-07", b"1E-07"), (b"0000004", b"0000005")):
        other = text.replace(old, new)
        assert json.loads(other)["attributes"] == json.loads(text)["attributes"]
        with pytest.raises(StoreError, match="damaged"):
            check_self_digest(other, json.loads(other)["attributes"], location="here")
    check_self_digest(text, json.loads(text)["attributes"], location="here")


def test_random_fault_of_every_kind_is_found(copy):
    """60 rounds of one fault each: deleted, emptied, cut, grown, swapped with another, a link, an unknown file."""
    rng = np.random.default_rng(3)
    names = objects_of(copy)
    kinds = ("deleted", "emptied", "cut", "grown", "swapped", "link", "added")
    for turn in range(63):
        kind, name = kinds[turn % len(kinds)], names[int(rng.integers(len(names)))]
        file, whole = copy / name, (copy / name).read_bytes()
        other = copy / names[int(rng.integers(len(names)))]
        content = other.read_bytes()
        expected = {name}
        if kind in ("deleted", "link"):
            file.unlink()
        if kind == "link":
            outside = copy.parent / "outside"
            outside.write_bytes(whole)
            file.symlink_to(outside)
        if kind in ("emptied", "cut"):
            file.write_bytes(whole[: len(whole) // 2 if kind == "cut" else 0])
        if kind == "grown":
            file.write_bytes(whole + b"\0")
        if kind == "swapped":
            file.write_bytes(content)
            other.write_bytes(whole)
            expected = {name, str(other.relative_to(copy))} if content != whole else set()
        if kind == "added":
            (file.parent / "unknown").write_text("x")
            expected = {str((file.parent / "unknown").relative_to(copy))}
        sound = not whole and kind in ("emptied", "cut")
        seen = found(copy)
        # Where the list of the others is damaged, that is the finding, and they are not checked.
        assert sound or seen & expected or not expected, (kind, name)
        if not any(map(is_head, expected)):
            assert seen == expected, (kind, name)
        (file.parent / "unknown").unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(whole)
        other.write_bytes(content if other != file else whole)
    assert found(copy) == set()


def test_attributes_that_do_not_fit_the_store_are_found(store, demo_store):
    def attributes(file, /, **changes):
        node = json.loads((demo_store / file).read_text())
        node["attributes"] |= changes
        (store / file).write_bytes(with_self_digest(node))
        return [(f.path, f.kind, f.problem) for f in verify_store(store, quick=True).findings]

    ((path, kind, problem),) = attributes("zarr.json", schema_version=7)
    assert (path, kind) == ("zarr.json", "schema")
    assert "schema version 7, this factornet reads versions 1 and 2" in problem
    assert "encoding is 'rope'" in attributes("zarr.json", encoding="rope")[0][2]
    shutil.copy(demo_store / "zarr.json", store)
    assert attributes("cells/K562/zarr.json", schema_version=7)[0][:2] == ("cells/K562/zarr.json", "schema")
    assert "holds cell line K563" in attributes("cells/K562/zarr.json", name="K563")[0][2]
    with pytest.raises(StoreError, match="is the cell line K563, not K562"):
        open_store(store).cell("K562")
    more = attributes("cells/K562/zarr.json", meta=["one"])
    assert more == [("cells/K562/meta", "schema", "has the shape (8,), the attributes require (1,)")]
    tracks = [{"name": "DNase", "shared": False}]
    missing = attributes("cells/K562/zarr.json", tracks=tracks)
    assert ("cells/K562/tracks/DNase/chr21", "schema") in [f[:2] for f in missing]
    node = json.loads((demo_store / "cells/K562/zarr.json").read_text())
    del node["attributes"]["self_digest"]
    (store / "cells/K562/zarr.json").write_text(json.dumps(node))
    with pytest.raises(StoreError, match="have no self_digest"):
        open_store(store).cell("K562")
    assert "have no self_digest" in verify_store(store, quick=True).findings[0].problem


def test_only_the_chosen_cell_lines_are_checked(store):
    (store / "cells/HepG2/meta/c/0").unlink()
    assert found(store, cells=["K562"]) == set()
    assert found(store, cells=["HepG2"]) == {"cells/HepG2/meta/c/0"}
    with pytest.raises(UsageError, match="no cell line 'A'"):
        verify_store(store, cells=["A"])
    with pytest.raises(StoreError, match="no such store"):
        verify_store(store / "none")


def test_random_faults_are_found_by_verify_and_by_training(store):
    """A short run of damage_store.py."""
    tally = damage_repeatedly(store, 18, seed=2)
    assert tally.missed == []
    assert tally.verified == 18
    assert tally.raised == tally.readable > 7


def read_through(path, name):
    """Read the array that an object is part of, as training does."""
    store = open_store(path)
    parts = name.split("/")
    group = "genome" if parts[0] in ("genome", "zarr.json") else "/".join(parts[:2])
    array = name.rpartition("/c/")[0] or name.rpartition("/")[0]
    inside = array.removeprefix(group).strip("/")
    if is_head(name) or name == "genome/zarr.json":
        inside = "sequence/chr21" if group == "genome" else "tracks/DGF/chr21"
        assert store.has_annotation
    whole = store.array(f"{group}/{inside}")
    return read_span(whole, 0, whole.shape[0])


def test_training_raises_at_damaged_objects(store):
    """100 faults, one at a time."""
    rng = np.random.default_rng(5)
    groups = [p for p in store.rglob("zarr.json") if json.loads(p.read_text())["node_type"] == "group"]
    inner = {str(p.relative_to(store)) for p in groups} - {"genome/zarr.json"}
    names = [n for n in objects_of(store) if n not in inner or is_head(n)]
    for turn in range(100):
        name = names[int(rng.integers(len(names)))] if turn > 30 else ([*filter(is_head, names)] * 3)[turn]
        whole = (store / name).read_bytes()
        read_through(store, name)
        if turn % 3:
            flip(store / name, rng)
        else:
            (store / name).unlink()
        with pytest.raises(StoreError):
            read_through(store, name)
        (store / name).write_bytes(whole)


def test_stream_raises_at_damaged_objects(store):
    opened = open_store(store)
    chrom = opened.coordinates.index("chr21")
    start = np.arange(20_000, 900_000, 9000)
    n, zeros = len(start), np.zeros(len(start), np.int64)
    plan = SamplingPlan(CELLS, np.arange(n) % 3, np.full(n, chrom), start, zeros, np.zeros((n, 0), np.uint8))
    settings = StreamSettings(1000, meta=True, gencode=True)
    assert len(list(WindowStream(opened, plan, settings, seed=(1,)))) > 0
    rng = np.random.default_rng(6)
    for name in (
        "genome/annotation/chr21/c/0",
        "genome/zarr.json",
        "genome/manifest/zarr.json",
        "cells/K562/zarr.json",
        "cells/K562/meta/c/0",
        "cells/K562/manifest/c/0",
        "cells/K562/tracks/DGF/chr21/zarr.json",
        "zarr.json",
    ):
        whole = (store / name).read_bytes()
        flip(store / name, rng)
        with pytest.raises(StoreError):
            list(WindowStream(open_store(store), plan, settings, seed=(1,)))
        (store / name).write_bytes(whole)


def test_damaged_tables_of_a_raw_store_are_refused(raw_store, tmp_path):
    copy = shutil.copytree(raw_store, tmp_path / "copy.zarr")
    rng = np.random.default_rng(7)
    flip(copy / "cells/K562/peaks/CTCF/conservative/start/c/0", rng)
    flip(copy / "cells/K562/meta/c/0", rng)
    flip(copy / "genome/blacklist/stop/c/0", rng)
    store = open_store(copy)
    for read in (lambda: store.peaks("K562", "CTCF", "conservative"), lambda: store.meta("K562"), store.blacklist):
        with pytest.raises(StoreError, match="damaged"):
            read()
