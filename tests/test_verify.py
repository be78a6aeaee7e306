"""`factornet-etl verify` finds every fault in every kind of object; and training never reads past one."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from damage_store import torture

from factornet.cli import etl
from factornet.etl import Resources
from factornet.etl.against import compare_with_sources
from factornet.etl.listing import write_cell_list
from factornet.etl.unpack import unpack_store
from factornet.etl.verify import verify_store
from factornet.store import (
    InputError,
    Plan,
    StoreError,
    StreamSettings,
    UsageError,
    WindowStream,
    open_store,
    read_span,
)
from factornet.store.manifest import check_seal, sealed
from factornet.store.mapped import parse_node

CELLS = ("GM12878", "HepG2", "K562")


@pytest.fixture(scope="module")
def raw_store(demo_store, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "raw.zarr"
    unpack_store(demo_store, path, Resources(1))
    return path


@pytest.fixture(params=["compressed", "raw"])
def copy(request, demo_store, raw_store, tmp_path):
    """A copy of the demo to be damaged, in either encoding."""
    source = {"compressed": demo_store, "raw": raw_store}[request.param]
    return Path(shutil.copytree(source, tmp_path / "copy.zarr"))


@pytest.fixture
def store(demo_store, tmp_path):
    return Path(shutil.copytree(demo_store, tmp_path / "copy.zarr"))


def objects_of(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def is_head(name):
    """Whether an object says what others must be: then those cannot be judged when it is damaged."""
    parts = name.split("/")
    return "manifest" in parts or name == "zarr.json" or (parts[0] == "cells" and parts[2:] == ["zarr.json"])


def flip(file, rng):
    data = bytearray(file.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    file.write_bytes(data)


def found(path, **options):
    return {f.path for f in verify_store(path, **options).findings}


def test_a_sound_store(copy, capsys):
    report = verify_store(copy)
    assert report.findings == ()
    assert report.objects == len(objects_of(copy))
    assert report.groups == ("genome", *(f"cells/{c}" for c in CELLS))
    assert verify_store(copy, quick=True).findings == ()
    assert etl.main(["verify", str(copy)]) == 0
    assert "all is well" in capsys.readouterr().out


def test_a_flipped_bit_in_each_object_at_once(copy):
    """Every object that a manifest lists is named, and no other."""
    rng = np.random.default_rng(1)
    names = [n for n in objects_of(copy) if not is_head(n)]
    assert len(names) > 250
    for name in names:
        flip(copy / name, rng)
    assert found(copy) == set(names)


def test_a_flipped_bit_in_what_says_how_the_rest_must_be(copy):
    """Attributes and manifests, each alone, in many places: `quick` finds these too."""
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
def test_every_bit_of_attributes(demo_store, name):
    """Also those that leave the JSON equal, as 1e5 and 1E5."""
    text = (demo_store / name).read_bytes()
    missed = []
    for bit in range(len(text) * 8):
        broken = bytearray(text)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            check_seal(bytes(broken), parse_node(bytes(broken), "group")["attributes"], place="here")
            missed.append(bit)
        except (ValueError, KeyError, TypeError, AttributeError, StoreError):
            pass
    assert missed == []


def test_equal_json_of_other_bytes_is_found():
    text = sealed({"attributes": {"a": 1e-7, "b": 0.30000000000000004}, "zarr_format": 3, "node_type": "group"})
    for old, new in ((b"1e-07", b"1E-07"), (b"0000004", b"0000005")):
        other = text.replace(old, new)
        assert json.loads(other)["attributes"] == json.loads(text)["attributes"]
        with pytest.raises(StoreError, match="damaged"):
            check_seal(other, json.loads(other)["attributes"], place="here")
    check_seal(text, json.loads(text)["attributes"], place="here")


def test_random_faults_of_every_kind(copy):
    """60 rounds of one fault each: deleted, emptied, cut, grown, swapped with another, a link, a stranger."""
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
            (file.parent / "stranger").write_text("x")
            expected = {str((file.parent / "stranger").relative_to(copy))}
        sound = not whole and kind in ("emptied", "cut")
        seen = found(copy)
        # Where what lists the others is damaged, they cannot be judged, and that itself is the finding.
        assert sound or seen & expected or not expected, (kind, name)
        if not any(map(is_head, expected)):
            assert seen == expected, (kind, name)
        (file.parent / "stranger").unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(whole)
        other.write_bytes(content if other != file else whole)
    assert found(copy) == set()


def test_each_kind_of_finding_and_its_cure(store, capsys):
    (store / "genome/sequence/chr21/c/0").unlink()
    os.truncate(store / "cells/K562/labels/chr21/c/0/0", 5)
    (store / "cells/K562/tracks/DGF/chr7/c/0").unlink()
    (store / "cells/K562/tracks/DGF/chr7/c/0").symlink_to("/etc/hosts")
    (store / "notes.txt").write_text("x")
    (store / "cells/README").write_text("x")
    (store / "cells/HepG2/zarr.json").unlink()
    (store / "cells/GM12878/manifest/c/0").write_bytes(b"")
    os.mkfifo(store / "genome/pipe")
    kinds = {f.path: (f.kind, f.cure) for f in verify_store(store, quick=True).findings}
    assert {path: kind for path, (kind, _) in kinds.items()} == {
        "genome/sequence/chr21/c/0": "missing",
        "cells/K562/labels/chr21/c/0/0": "damaged",
        "cells/K562/tracks/DGF/chr7/c/0": "link",
        "notes.txt": "added",
        "cells/README": "added",
        "cells/HepG2/zarr.json": "missing",
        "cells/GM12878/manifest/c/0": "manifest",
        "genome/pipe": "added",
    }
    cure = kinds["cells/K562/labels/chr21/c/0/0"][1]
    assert cure.startswith(f"factornet-etl build {store} PATH/TO/K562 --repair")
    assert kinds["notes.txt"][1] == f"rm -r {store / 'notes.txt'}"
    assert etl.main(["verify", str(store), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["ok"]
    assert {f["path"] for f in said["findings"]} == set(kinds)
    assert etl.main(["verify", str(store)]) == 1
    text = capsys.readouterr().out
    assert "link: cells/K562/tracks/DGF/chr7/c/0: is a link to /etc/hosts, which leads out of the store" in text
    assert f"{len(kinds)} faults" in text


def run_cure(finding, files):
    """Do what a finding says repairs it, the first way where there are several."""
    command = finding.cure.partition(", or")[0].replace("PATH/TO/", f"{files}/cells/").split()
    if command[0] == "factornet-etl":
        assert etl.main([*command[1:], *(["-p", "1"] if command[1] == "build" else [])]) == 0, command
    else:
        subprocess.run(command, check=True)


def as_array(node):
    return json.dumps({**node, "node_type": "array"}).encode()


def with_another_version(node):
    return sealed({**node, "attributes": {**node["attributes"], "schema_version": 7}})


@pytest.mark.parametrize("change", [None, lambda node: b"{", as_array, with_another_version])
def test_the_cure_of_damaged_attributes_works(store, demo_files, change):
    """--repair takes from the attributes what the cell line was built of: without them it must be built anew."""
    file = store / "cells/HepG2/zarr.json"
    text = file.read_bytes()
    file.unlink()
    if change:
        file.write_bytes(change(json.loads(text)))
    (store / "cells/K562/zarr.json").unlink()  # nor may one damaged cell line hinder another
    for finding in verify_store(store, quick=True).findings:
        assert f"PATH/TO/{finding.path.split('/')[1]} --force, or factornet-etl import" in finding.cure
        run_cure(finding, demo_files)
    assert verify_store(store).findings == ()
    assert file.read_bytes() == text


@pytest.mark.parametrize("listed", [False, True])
def test_renamed_and_copied_by_hand(store, demo_files, listed):
    cells = store / "cells"
    if listed:
        write_cell_list(store)
    for names, command in (("AB", "mv {0}/A {0}/K562"), ("A", "mv {0}/A {0}/K562"), ("B", "rm -r {0}/B")):
        if "A" in names:
            (cells / "K562").rename(cells / "A")
        if "B" in names:
            shutil.copytree(cells / ("A" if "A" in names else "K562"), cells / "B")
        finding = verify_store(store, quick=True).findings[0]
        assert (finding.kind, finding.cure) == ("attributes", command.format(cells))
        assert finding.problem == f"is the cell line K562, not {finding.path[6]}"
        while findings := verify_store(store, quick=True).findings:
            run_cure(findings[0], demo_files)
        assert verify_store(store, quick=True).groups == ("genome", *(f"cells/{c}" for c in CELLS))
    shutil.copy(cells / "HepG2/zarr.json", cells / "K562")  # no cell line of another name: attributes of another
    (finding,) = verify_store(store, quick=True).findings
    assert "PATH/TO/K562 --force" in finding.cure
    run_cure(finding, demo_files)
    for old, new in (("K562", "A"), ("GM12878", "K562"), ("A", "GM12878")):  # two changed places
        (cells / old).rename(cells / new)
    first, second = verify_store(store, quick=True).findings
    assert first.cure == f"mv {cells}/GM12878 {cells}/K562 once what lies there has its own name back"
    assert second.cure == f"mv {cells}/K562 {cells}/GM12878 once what lies there has its own name back"


@pytest.mark.parametrize("text", [None, b"{"])
def test_info_names_damaged_cell_lines_beside_the_others(store, capsys, text):
    (store / "cells/HepG2/zarr.json").unlink()
    if text:
        (store / "cells/HepG2/zarr.json").write_bytes(text)
    assert etl.main(["info", str(store)]) == 2
    shown = capsys.readouterr()
    assert "K562: tracks" in shown.out
    assert "2 cell lines, and damaged: HepG2\n" in shown.out
    assert f"factornet-etl: error: {store}/cells/HepG2" in shown.err
    assert len(shown.err.splitlines()) == 1
    assert etl.main(["info", str(store), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in said["cells"]] == ["GM12878", "K562"]
    assert said["damaged"] == ["HepG2"]


@pytest.mark.parametrize("removed", [False, True])
def test_listed_and_gone(store, demo_files, removed):
    """It is brought back, or taken off the list."""
    write_cell_list(store)
    shutil.rmtree(store / "cells/HepG2")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind) == ("cells/HepG2", "missing")
    assert "is in the list of cell lines" in finding.problem
    rm = f"factornet-etl rm {store} HepG2"
    assert finding.cure.endswith(f"; or take it off the list: {rm}")
    if removed:
        assert etl.main(rm.split()[1:]) == 0
    else:
        run_cure(finding, demo_files)
    assert verify_store(store).findings == ()
    assert open_store(store).cells == (("GM12878", "K562") if removed else CELLS)


def test_schema_encoding_names_and_structure(store, demo_store):
    def attributes(file, /, **changes):
        node = json.loads((demo_store / file).read_text())
        node["attributes"] |= changes
        (store / file).write_bytes(sealed(node))
        return [(f.path, f.kind, f.problem) for f in verify_store(store, quick=True).findings]

    ((path, kind, problem),) = attributes("zarr.json", schema_version=2)
    assert (path, kind) == ("zarr.json", "schema")
    assert "schema version 2, this factornet reads version 1" in problem
    assert "encoding is 'rope'" in attributes("zarr.json", encoding="rope")[0][2]
    shutil.copy(demo_store / "zarr.json", store)
    assert attributes("cells/K562/zarr.json", schema_version=7)[0][:2] == ("cells/K562/zarr.json", "schema")
    assert "is the cell line K563" in attributes("cells/K562/zarr.json", name="K563")[0][2]
    with pytest.raises(StoreError, match="is the cell line K563, not K562"):
        open_store(store).cell("K562")
    more = attributes("cells/K562/zarr.json", meta=["one"])
    assert more == [("cells/K562/meta", "schema", "has the shape (8,), by the attributes it must be (1,)")]
    tracks = [{"name": "DNase", "shared": False}]
    missing = attributes("cells/K562/zarr.json", tracks=tracks)
    assert ("cells/K562/tracks/DNase/chr21", "schema") in [f[:2] for f in missing]
    node = json.loads((demo_store / "cells/K562/zarr.json").read_text())
    del node["attributes"]["self_digest"]
    (store / "cells/K562/zarr.json").write_text(json.dumps(node))
    with pytest.raises(StoreError, match="have no self_digest"):
        open_store(store).cell("K562")
    assert "have no self_digest" in verify_store(store, quick=True).findings[0].problem


def test_cells_can_be_chosen(store):
    (store / "cells/HepG2/meta/c/0").unlink()
    assert found(store, cells=["K562"]) == set()
    assert found(store, cells=["HepG2"]) == {"cells/HepG2/meta/c/0"}
    with pytest.raises(UsageError, match="no cell line 'A'"):
        verify_store(store, cells=["A"])
    with pytest.raises(StoreError, match="no such store"):
        verify_store(store / "none")


def test_faults_anywhere(store):
    """As the long run of damage_store.py: found by `verify`, and by training where it reads."""
    tally = torture(store, 60, seed=2)
    assert tally.missed == []
    assert tally.verified == 60
    assert tally.met == tally.readable > 30


def read_through(path, name):
    """Read, as training does, what an object is part of."""
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


def test_training_reads_no_damaged_object(store):
    """100 faults in objects that training reads: an error each."""
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


def test_a_stream_ends_with_the_fault(store):
    opened = open_store(store)
    chrom = opened.axis.index("chr21")
    start = np.arange(20_000, 900_000, 9000)
    n, zeros = len(start), np.zeros(len(start), np.int64)
    plan = Plan(CELLS, np.arange(n) % 3, np.full(n, chrom), start, zeros, np.zeros((n, 0), np.uint8))
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


def test_peaks_and_values_of_a_raw_store_are_compared_too(raw_store, tmp_path):
    copy = shutil.copytree(raw_store, tmp_path / "copy.zarr")
    rng = np.random.default_rng(7)
    flip(copy / "cells/K562/peaks/CTCF/conservative/start/c/0", rng)
    flip(copy / "cells/K562/meta/c/0", rng)
    flip(copy / "genome/blacklist/stop/c/0", rng)
    store = open_store(copy)
    for read in (lambda: store.peaks("K562", "CTCF", "conservative"), lambda: store.meta("K562"), store.blacklist):
        with pytest.raises(StoreError, match="damaged"):
            read()


# Against the sources


def sources(files):
    return [*(files / "cells" / c for c in CELLS), files / "genome.fa", files / "tracks/Unique35.bw"]


def test_a_store_equals_its_sources(demo_files, demo_store, raw_store, capsys):
    seen = []
    assert compare_with_sources(open_store(raw_store), sources(demo_files), on_block=seen.append) == []
    bases = sum(open_store(demo_store).axis.lengths)
    assert sum(seen) > bases * (1 + 1 + 3 * 2)
    names = [str(s) for s in sources(demo_files)]
    assert etl.main(["verify", str(demo_store), "--against-sources", *names]) == 0
    assert "positions compared with the sources" in capsys.readouterr().out


def test_the_first_place_that_differs_is_named(demo_files, raw_store, tmp_path, capsys):
    """Values that a writer got wrong, in a raw store: no digest would tell."""
    copy = shutil.copytree(raw_store, tmp_path / "copy.zarr")
    for name, dtype, at in (
        ("genome/sequence/chr21", "u1", (777_777, 999_000)),
        ("cells/K562/tracks/DGF/chr21", "<f4", (123_456, 123_457)),
        ("cells/K562/labels/chr21", "u1", (3 * 5000 + 1,)),
    ):
        file = next((copy / name / "c").rglob("0")) if "labels" not in name else copy / name / "c/0/0"
        values = np.memmap(file, dtype, mode="r+")
        for place in at:
            values[place] = (values[place] + 1) % 3
        values.flush()
    findings = compare_with_sources(open_store(copy), sources(demo_files))
    assert [(f.path, f.kind) for f in findings] == [
        ("cells/K562/tracks/DGF/chr21", "differs"),
        ("cells/K562/labels/chr21", "differs"),
        ("genome/sequence/chr21", "differs"),
    ]
    assert findings[0].problem.startswith("position 123456 ")
    assert findings[1].problem.startswith("position 5000 ")
    assert findings[2].problem.startswith("position 777777 ")
    assert etl.main(["verify", str(copy), "--quick", "--against-sources", str(demo_files / "genome.fa")]) == 1
    assert "differs: genome/sequence/chr21: position 777777" in capsys.readouterr().out


def test_other_sources(demo_files, demo_store, tmp_path):
    store = open_store(demo_store)
    folder = shutil.copytree(demo_files, tmp_path / "files") / "cells/K562"
    (folder / "meta.txt").write_text((folder / "meta.txt").read_text().replace("GEPC8", "GEPC9"))
    (finding,) = compare_with_sources(store, [folder])
    assert "GEPC8; the sheets name" in finding.problem
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_with_sources(store, [demo_files / "annotation/genes.gtf.gz"])
    with pytest.raises(InputError, match="not text"):
        compare_with_sources(store, [next((demo_files / "cells/K562").glob("*.bw"))])
