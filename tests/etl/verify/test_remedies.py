"""What `factornet-etl verify` names as cure of a fault mends it; and `info` names what is damaged."""

import json
import os
import shutil
import subprocess

import pytest
from support.tiny_experiment import build, write_cell

from factornet.cli import etl
from factornet.etl.publish.cell_index_writer import write_cell_index
from factornet.etl.verify.objects import verify_store
from factornet.store import open_store
from factornet.store.format.manifest import with_self_digest

CELLS = ("GM12878", "HepG2", "K562")


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
    kinds = {f.path: (f.kind, f.hint) for f in verify_store(store, quick=True).findings}
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
    hint = kinds["cells/K562/labels/chr21/c/0/0"][1]
    assert hint.startswith(f"factornet-etl build {store} PATH/TO/K562 --repair")
    assert kinds["notes.txt"][1] == f"rm -r {store / 'notes.txt'}"
    assert etl.main(["verify", str(store), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["ok"]
    assert {f["path"] for f in said["findings"]} == set(kinds)
    assert etl.main(["verify", str(store)]) == 1
    text = capsys.readouterr().out
    assert "link: cells/K562/tracks/DGF/chr7/c/0: is a link to /etc/hosts, which leads out of the store" in text
    assert f"{len(kinds)} faults" in text
    assert text.count("    repair: ") == len({hint for _, hint in kinds.values()}), "a cure of several is said once"


def run_cure(finding, files):
    """Do what a finding says repairs it, the first way where there are several."""
    command = finding.hint.partition(", or")[0].replace("PATH/TO/", f"{files}/cells/").split()
    if command[0] == "factornet-etl":
        assert etl.main([*command[1:], *(["-p", "1"] if command[1] == "build" else [])]) == 0, command
    else:
        subprocess.run(command, check=True)


def as_array(node):
    return json.dumps({**node, "node_type": "array"}).encode()


def with_another_version(node):
    return with_self_digest({**node, "attributes": {**node["attributes"], "schema_version": 7}})


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
        assert f"PATH/TO/{finding.path.split('/')[1]} --force, or factornet-etl import" in finding.hint
        run_cure(finding, demo_files)
    assert verify_store(store).findings == ()
    assert file.read_bytes() == text


@pytest.mark.parametrize("listed", [False, True])
def test_renamed_and_copied_by_hand(store, demo_files, listed):
    cells = store / "cells"
    if listed:
        write_cell_index(store)
    for names, command in (("AB", "mv -T {0}/A {0}/K562"), ("A", "mv -T {0}/A {0}/K562"), ("B", "rm -r {0}/B")):
        if "A" in names:
            (cells / "K562").rename(cells / "A")
        if "B" in names:
            shutil.copytree(cells / ("A" if "A" in names else "K562"), cells / "B")
        finding = verify_store(store).findings[0]
        assert (finding.kind, finding.hint) == ("attributes", command.format(cells))
        assert finding.problem == f"is the cell line K562, not {finding.path[6]}"
        while findings := verify_store(store).findings:
            run_cure(findings[0], demo_files)
        assert verify_store(store).groups == ("genome", *(f"cells/{c}" for c in CELLS))
    shutil.copy(cells / "HepG2/zarr.json", cells / "K562")  # no cell line of another name: attributes of another
    (finding,) = verify_store(store).findings
    assert "PATH/TO/K562 --force" in finding.hint
    run_cure(finding, demo_files)
    for old, new in (("K562", "A"), ("GM12878", "K562"), ("A", "GM12878")):  # two changed places
        (cells / old).rename(cells / new)
    first, second = verify_store(store).findings
    assert second.hint == "as for cells/GM12878: it mends both"
    subprocess.run(first.hint, shell=True, check=True)
    assert verify_store(store).findings == ()


def spoil(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def mend(store, *, backwards):
    """Run the commands that verify prints, in any order, and again, until nothing is found; damaged ones are removed."""
    for _ in range(5):
        cures = list(dict.fromkeys(f.hint for f in verify_store(store).findings))
        for hint in reversed(cures) if backwards else cures:
            if hint.startswith(("mv ", "rm ")):
                assert "mv -T " in hint or "mv" not in hint
                subprocess.run(hint, shell=True, check=True)
            elif "or factornet-etl rm " in hint:
                assert etl.main(hint.rpartition("or factornet-etl ")[2].split()) == 0
    return verify_store(store).findings


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("moves", "cures"),
    [
        (("K562>K562.bak",), {"K562.bak": "mv -T {0}/K562.bak {0}/K562"}),
        (
            ("K562>A", "HepG2>K562"),  # to move A would put it into what lies in its place
            {"A": "first mend cells/K562, then verify again", "K562": "mv -T {0}/K562 {0}/HepG2"},
        ),
        (
            ("K562>x", "HepG2>K562", "GM12878>HepG2", "x>GM12878"),
            {
                "GM12878": "mv -T {0}/K562 {0}/.K562 && mv -T {0}/GM12878 {0}/K562 && mv -T {0}/.K562 {0}/GM12878",
                "HepG2": "as for cells/GM12878; then verify again",
                "K562": "as for cells/GM12878; then verify again",
            },
        ),
    ],
)
def test_folders_in_the_place_of_others_are_not_buried(store, moves, cures, backwards):
    cells = store / "cells"
    before = contents(cells)
    for move in moves:
        old, new = move.split(">")
        (cells / old).rename(cells / new)
    found = {f.path.split("/")[1]: f.hint for f in verify_store(store, quick=True).findings}
    assert found == {folder: hint.format(cells) for folder, hint in cures.items()}
    assert mend(store, backwards=backwards) == ()
    assert contents(cells) == before


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("damaged", ["tracks/DGF/chr2/c/0", "zarr.json"])
@pytest.mark.parametrize("copies", [["K562.bak"], ["A", "K562 old"]])
def test_a_sound_copy_takes_the_place_of_the_damaged_one(store, copies, damaged, backwards):
    cells = store / "cells"
    before = contents(cells)
    for copy in copies:
        shutil.copytree(cells / "K562", cells / copy)
    spoil(cells / "K562" / damaged)
    assert all(f"rm -r {cells}" not in f.hint for f in verify_store(store).findings)
    assert mend(store, backwards=backwards) == ()
    assert contents(cells) == before


def test_of_two_damaged_ones_none_is_removed(store, demo_files):
    before = contents(store / "cells")
    spoil(store / "cells/K562/labels/chr1/c/0/0")
    shutil.copytree(store / "cells/K562", store / "cells/A")
    first, second, third = verify_store(store).findings
    assert first.hint == second.hint == "first mend cells/K562, then verify again"
    assert [f.path for f in (first, second)] == ["cells/A/zarr.json", "cells/A/labels/chr1/c/0/0"]
    run_cure(third, demo_files)
    assert mend(store, backwards=False) == ()
    assert contents(store / "cells") == before


def test_what_was_not_looked_at_is_not_called_sound(store):
    """Of the right name, and nobody has read it."""
    shutil.copytree(store / "cells/K562", store / "cells/A")
    spoil(store / "cells/K562/tracks/DGF/chr2/c/0")
    for options in ({"quick": True}, {"cells": ["A"]}):
        (finding,) = verify_store(store, **options).findings
        assert finding.hint == f"first look at all of the store: factornet-etl verify {store}"


def test_a_copy_of_another_build_is_not_just_removed(files):
    """Kept on purpose, perhaps: nothing else has its values."""
    build(files)
    cells = files / "s.zarr/cells"
    (cells / "A").rename(cells / "A.old")
    write_cell(files / "A", 2.5)
    build(files)
    (finding,) = verify_store(files / "s.zarr").findings
    assert finding.hint == f"it is of another build than cells/A; if that is the one to keep: rm -r {cells}/A.old"


@pytest.mark.parametrize("steps", [1, 2])
def test_an_exchange_that_was_cut_short_is_gone_on_with(store, steps):
    cells = store / "cells"
    before = contents(cells)
    shutil.copytree(cells / "K562", cells / "A")
    spoil(cells / "K562/tracks/DGF/chr2/c/0")
    finding = verify_store(store).findings[0]
    subprocess.run(" && ".join(finding.hint.split(" && ")[:steps]), shell=True, check=True)
    assert mend(store, backwards=False) == ()
    assert contents(cells) == before


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
    write_cell_index(store)
    shutil.rmtree(store / "cells/HepG2")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind) == ("cells/HepG2", "missing")
    assert "is in the list of cell lines" in finding.problem
    rm = f"factornet-etl rm {store} HepG2"
    assert finding.hint.endswith(f"; or take it off the list: {rm}")
    if removed:
        assert etl.main(rm.split()[1:]) == 0
    else:
        run_cure(finding, demo_files)
    assert verify_store(store).findings == ()
    assert open_store(store).cells == (("GM12878", "K562") if removed else CELLS)


def test_what_lies_in_a_store_and_is_none_of_it_is_one_finding_each(store, capsys):
    """A folder among the cell lines that holds nothing of one; a cell line copied into another."""
    (store / "cells/K9").mkdir()
    (store / "cells/my notes").mkdir()
    (store / "cells/my notes/a.txt").write_text("x")
    shutil.copytree(store / "cells/HepG2", store / "cells/K562/HepG2")
    found = {f.path: f for f in verify_store(store, quick=True).findings}
    assert {path: f.kind for path, f in found.items()} == {
        "cells/K9": "added",
        "cells/my notes": "added",
        "cells/K562/HepG2": "added",
    }
    count = sum(p.is_file() for p in (store / "cells/HepG2").rglob("*"))
    assert found["cells/K562/HepG2"].problem == f"is in no manifest ({count} objects)"
    assert found["cells/K9"].problem == "is no cell line"
    for finding in found.values():
        subprocess.run(finding.hint, shell=True, check=True)
    assert verify_store(store).findings == ()


def test_a_file_where_the_cell_lines_must_lie(store, capsys):
    shutil.rmtree(store / "cells")
    (store / "cells").write_text("x")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind, finding.hint) == ("cells", "added", f"rm -r {store}/cells")
    subprocess.run(finding.hint, shell=True, check=True)
    assert verify_store(store).groups == ("genome",)


def change_root(store, **more):
    file = store / "zarr.json"
    node = json.loads(file.read_text())
    file.write_bytes(with_self_digest({**node, "attributes": {**node["attributes"], **more}}))
    return file


def test_a_store_of_a_newer_schema_is_not_damaged(store):
    """What this version cannot read need not be wrong; where its seal is broken it is."""
    file = change_root(store, schema_version=7)
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.kind, finding.hint) == ("schema", "update factornet")
    file.write_bytes(file.read_bytes() + b" ")
    (finding,) = verify_store(store, quick=True).findings
    assert finding.hint == f"factornet-etl import SOURCE {store} --force --cells"


@pytest.mark.parametrize("cells", [CELLS, ()])
def test_attributes_and_manifest_of_the_genome_both_damaged(store, exported, capsys, cells):
    """Whole cell lines say which genome this is; where none is there, nothing is lost with the store."""
    for cell in set(CELLS) - {*cells}:
        shutil.rmtree(store / "cells" / cell)
    (store / "zarr.json").write_bytes(b"{")
    (store / "genome/manifest/c/0").write_bytes(b"")
    (finding,) = verify_store(store, quick=True).findings
    command = finding.hint.replace("SOURCE", str(exported)).replace("factornet-etl", "").split("; ")
    if not cells:
        assert command.pop(0) == f"rm -r {store}"
        shutil.rmtree(store)
    assert etl.main(command[0].split()) == 0, capsys.readouterr().err
    assert verify_store(store).findings == ()


def test_a_damaged_store_of_another_genome_is_not_taken_for_the_same(store, foreign, capsys):
    (store / "zarr.json").write_bytes(b"{")
    (store / "genome/manifest/c/0").write_bytes(b"")
    assert etl.main(["import", str(foreign), str(store), "--force", "--cells"]) == 2
    assert "its genome is not known to be the same" in capsys.readouterr().err
