"""What `factornet-etl verify` names as cure of a fault mends it; and `info` names what is damaged."""

import json
import os
import shutil
import subprocess

import pytest

from factornet.cli import etl
from factornet.etl.listing import write_cell_list
from factornet.etl.verify import verify_store
from factornet.store import open_store
from factornet.store.manifest import sealed

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
    assert text.count("    repair: ") == len({cure for _, cure in kinds.values()}), "a cure of several is said once"


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
    assert second.cure == "as for cells/GM12878: it mends both"
    subprocess.run(first.cure, shell=True, check=True)
    assert verify_store(store, quick=True).findings == ()


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
        subprocess.run(finding.cure, shell=True, check=True)
    assert verify_store(store).findings == ()


def test_a_file_where_the_cell_lines_must_lie(store, capsys):
    shutil.rmtree(store / "cells")
    (store / "cells").write_text("x")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind, finding.cure) == ("cells", "added", f"rm -r {store}/cells")
    subprocess.run(finding.cure, shell=True, check=True)
    assert verify_store(store).groups == ("genome",)


def change_root(store, **more):
    file = store / "zarr.json"
    node = json.loads(file.read_text())
    file.write_bytes(sealed({**node, "attributes": {**node["attributes"], **more}}))
    return file


def test_a_store_of_a_newer_schema_is_not_damaged(store):
    """What this version cannot read need not be wrong; where its seal is broken it is."""
    file = change_root(store, schema_version=7)
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.kind, finding.cure) == ("schema", "update factornet")
    file.write_bytes(file.read_bytes() + b" ")
    (finding,) = verify_store(store, quick=True).findings
    assert finding.cure == f"factornet-etl import SOURCE {store} --force --cells"


@pytest.mark.parametrize("cells", [CELLS, ()])
def test_attributes_and_manifest_of_the_genome_both_damaged(store, exported, capsys, cells):
    """Whole cell lines say which genome this is; where none is there, nothing is lost with the store."""
    for cell in set(CELLS) - {*cells}:
        shutil.rmtree(store / "cells" / cell)
    (store / "zarr.json").write_bytes(b"{")
    (store / "genome/manifest/c/0").write_bytes(b"")
    (finding,) = verify_store(store, quick=True).findings
    command = finding.cure.replace("SOURCE", str(exported)).replace("factornet-etl", "").split("; ")
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
