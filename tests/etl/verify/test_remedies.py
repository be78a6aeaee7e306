"""Remedies that `factornet-etl verify` prints repair the store; `info` names what is damaged."""

import json
import os
import shutil
import subprocess

import pytest

from factornet.cli import etl
from factornet.etl.publish.cell_index_writer import write_cell_index
from factornet.etl.verify.objects import verify_store
from factornet.store import open_store
from factornet.store.format.manifest import with_self_digest

CELLS = ("GM12878", "HepG2", "K562")


def test_each_kind_of_fault_is_found_with_its_remedy(store, capsys):
    (store / "genome/sequence/chr21/c/0").unlink()
    os.truncate(store / "cells/K562/labels/chr21/c/0/0", 5)
    (store / "cells/K562/tracks/DGF/chr7/c/0").unlink()
    (store / "cells/K562/tracks/DGF/chr7/c/0").symlink_to("/etc/hosts")
    (store / "notes.txt").write_text("x")
    (store / "cells/README").write_text("x")
    (store / "cells/HepG2/zarr.json").unlink()
    (store / "cells/GM12878/manifest/c/0").write_bytes(b"")
    os.mkfifo(store / "genome/pipe")
    kinds = {f.path: (f.kind, f.remedy) for f in verify_store(store, quick=True).findings}
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
    remedy = kinds["cells/K562/labels/chr21/c/0/0"][1]
    assert remedy.startswith(f"factornet-etl build {store} PATH/TO/K562 --repair")
    assert kinds["notes.txt"][1] == f"rm -r {store / 'notes.txt'}"
    assert etl.main(["verify", str(store), "--json"]) == 1
    output = json.loads(capsys.readouterr().out)
    assert not output["ok"]
    assert {f["path"] for f in output["findings"]} == set(kinds)
    assert etl.main(["verify", str(store)]) == 1
    text = capsys.readouterr().out
    assert "link: cells/K562/tracks/DGF/chr7/c/0: is a link to /etc/hosts, outside the store" in text
    assert f"{len(kinds)} faults" in text
    assert text.count("    repair: ") == len({remedy for _, remedy in kinds.values()}), "one line a remedy"


def run_remedy(finding, files):
    """Run the command of a remedy, the first where there are alternatives."""
    command = finding.remedy.partition(", or")[0].rpartition(": ")[2].replace("PATH/TO/", f"{files}/cells/").split()
    if command[0] == "factornet-etl":
        assert etl.main([*command[1:], *(["-p", "1"] if command[1] == "build" else [])]) == 0, command
    else:
        subprocess.run(command, check=True)


def as_array(node):
    return json.dumps({**node, "node_type": "array"}).encode()


def with_another_version(node):
    return with_self_digest({**node, "attributes": {**node["attributes"], "schema_version": 7}})


@pytest.mark.parametrize("change", [None, lambda node: b"{", as_array, with_another_version])
def test_damaged_attributes_are_rebuilt_by_the_remedy(store, demo_files, change):
    """--repair takes from the attributes what the cell line was built of: without them the cell line must be rebuilt."""
    file = store / "cells/HepG2/zarr.json"
    text = file.read_bytes()
    file.unlink()
    if change:
        file.write_bytes(change(json.loads(text)))
    (store / "cells/K562/zarr.json").unlink()  # one damaged cell line must not prevent the repair of another
    for finding in verify_store(store, quick=True).findings:
        assert f"PATH/TO/{finding.path.split('/')[1]} --force, or factornet-etl import" in finding.remedy
        run_remedy(finding, demo_files)
    assert verify_store(store).findings == ()
    assert file.read_bytes() == text


def spoil(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("listed", [False, True])
def test_renamed_cell_line_is_renamed_back_by_the_command_printed(store, listed):
    if listed:
        write_cell_index(store)
    before = contents(store / "cells")
    (store / "cells/K562").rename(store / "cells/A")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind, finding.problem) == ("cells/A", "attributes", "holds cell line K562")
    text, command = finding.remedy.split(": ")
    assert (text, command) == ("rename it back to cells/K562", f"mv -T {store}/cells/A {store}/cells/K562")
    subprocess.run(command, shell=True, check=True)
    assert verify_store(store).groups == ("genome", *(f"cells/{c}" for c in CELLS))
    assert verify_store(store).findings == ()
    assert contents(store / "cells").items() >= before.items()


def test_attributes_of_another_cell_line_are_not_taken_for_a_renamed_folder(store, demo_files):
    shutil.copy(store / "cells/HepG2/zarr.json", store / "cells/K562")
    (finding,) = verify_store(store).findings
    assert (finding.path, finding.problem) == ("cells/K562/zarr.json", "its attributes are those of cell line HepG2")
    assert "PATH/TO/K562 --force" in finding.remedy
    run_remedy(finding, demo_files)
    assert verify_store(store).findings == ()


@pytest.mark.parametrize(
    ("damaged", "states", "moved"),
    [
        ((), "cells/K562 is whole, cells/A is whole", "A"),
        (("A",), "cells/K562 is whole, cells/A is damaged", "A"),
        (("K562",), "cells/K562 is damaged, cells/A is whole", "K562"),
        (("A", "K562"), "cells/K562 is damaged, cells/A is damaged", "A"),
    ],
)
def test_of_a_cell_line_and_its_copy_the_whole_one_is_named(store, demo_files, damaged, states, moved):
    cells = store / "cells"
    before = contents(cells)
    shutil.copytree(cells / "K562", cells / "A")
    for folder in damaged:
        spoil(cells / folder / "tracks/DGF/chr2/c/0")
    findings = verify_store(store).findings
    remedy = f"cells/K562 exists ({states}): move cells/{moved} out of the store by hand, then verify again"
    assert {f.path.split("/")[1] for f in findings if f.remedy == remedy} == {"A", moved}
    (cells / moved).rename(store.parent / "aside")
    for finding in verify_store(store).findings:
        run_remedy(finding, demo_files)
    assert verify_store(store).findings == ()
    assert contents(cells) == before


def test_damaged_attributes_get_no_remedy_that_removes_the_whole_copy(store):
    """`factornet-etl rm`, run after the copy was renamed back, would remove the copy."""
    shutil.copytree(store / "cells/K562", store / "cells/A")
    spoil(store / "cells/K562/zarr.json")
    findings = verify_store(store).findings
    assert {f.path for f in findings} == {"cells/A", "cells/K562/zarr.json"}
    (remedy,) = {f.remedy for f in findings}
    assert "move cells/K562 out of the store by hand" in remedy


def test_cell_line_not_verified_is_not_called_whole(store):
    shutil.copytree(store / "cells/K562", store / "cells/A")
    spoil(store / "cells/K562/tracks/DGF/chr2/c/0")
    for options in ({"quick": True}, {"cells": ["A"]}):
        (finding,) = verify_store(store, **options).findings
        assert finding.remedy == f"cells/K562 exists too: verify the whole store first: factornet-etl verify {store}"


@pytest.mark.parametrize(
    ("moves", "remedies"),
    [
        (
            ("K562>A", "HepG2>K562"),
            {
                "A": "cells/K562 exists and holds cell line HepG2: move that folder first, then verify again",
                "K562": "rename it back to cells/HepG2: mv -T {0}/K562 {0}/HepG2",
            },
        ),
        (
            ("K562>A", "GM12878>K562", "A>GM12878"),
            {
                "GM12878": "cells/K562 exists and holds cell line GM12878: move that folder first, then verify again",
                "K562": "cells/GM12878 exists and holds cell line K562: move that folder first, then verify again",
            },
        ),
    ],
)
def test_folder_in_the_place_of_another_is_moved_first(store, tmp_path, demo_files, moves, remedies):
    cells = store / "cells"
    before = contents(cells)
    for move in moves:
        old, new = move.split(">")
        (cells / old).rename(cells / new)
    findings = verify_store(store, quick=True).findings
    assert {f.path.split("/")[1]: f.remedy for f in findings} == {k: v.format(cells) for k, v in remedies.items()}
    held = json.loads((cells / "K562/zarr.json").read_text())["attributes"]["name"]
    (cells / "K562").rename(tmp_path / held)
    (finding,) = verify_store(store).findings
    run_remedy(finding, demo_files)
    (tmp_path / held).rename(cells / held)
    assert verify_store(store).findings == ()
    assert contents(cells) == before


@pytest.mark.parametrize("text", [None, b"{"])
def test_info_shows_intact_cell_lines_and_names_damaged_ones(store, capsys, text):
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
    output = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in output["cells"]] == ["GM12878", "K562"]
    assert output["damaged"] == ["HepG2"]


@pytest.mark.parametrize("removed", [False, True])
def test_listed_cell_line_without_folder_is_restored_or_removed_from_the_list(store, demo_files, removed):
    write_cell_index(store)
    shutil.rmtree(store / "cells/HepG2")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind) == ("cells/HepG2", "missing")
    assert "is in the list of cell lines" in finding.problem
    rm = f"factornet-etl rm {store} HepG2"
    assert finding.remedy.endswith(f"; or remove it from the list: {rm}")
    if removed:
        assert etl.main(rm.split()[1:]) == 0
    else:
        run_remedy(finding, demo_files)
    assert verify_store(store).findings == ()
    assert open_store(store).cells == (("GM12878", "K562") if removed else CELLS)


def test_each_unexpected_folder_is_one_finding(store, capsys):
    """Folders among the cell lines that are not cell lines; a cell line copied into another."""
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
    assert found["cells/K562/HepG2"].problem == f"is not in the manifest ({count} objects)"
    assert found["cells/K9"].problem == "is not a cell line"
    for finding in found.values():
        subprocess.run(finding.remedy, shell=True, check=True)
    assert verify_store(store).findings == ()


def test_file_in_place_of_the_cells_folder_is_removed(store, capsys):
    shutil.rmtree(store / "cells")
    (store / "cells").write_text("x")
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.path, finding.kind, finding.remedy) == ("cells", "added", f"rm -r {store}/cells")
    subprocess.run(finding.remedy, shell=True, check=True)
    assert verify_store(store).groups == ("genome",)


def change_root(store, **more):
    file = store / "zarr.json"
    node = json.loads(file.read_text())
    file.write_bytes(with_self_digest({**node, "attributes": {**node["attributes"], **more}}))
    return file


def test_store_of_a_newer_schema_is_not_called_damaged(store):
    """Attributes of an unknown schema are damaged only if their digest is wrong."""
    file = change_root(store, schema_version=7)
    (finding,) = verify_store(store, quick=True).findings
    assert (finding.kind, finding.remedy) == ("schema", "update factornet")
    file.write_bytes(file.read_bytes() + b" ")
    (finding,) = verify_store(store, quick=True).findings
    assert finding.remedy == f"factornet-etl import SOURCE {store} --force --cells"


@pytest.mark.parametrize("cells", [CELLS, ()])
def test_genome_with_damaged_root_and_manifest_is_restored_by_the_remedy(store, exported, capsys, cells):
    """Intact cell lines record which genome it was; without any, nothing is lost with the store."""
    for cell in set(CELLS) - {*cells}:
        shutil.rmtree(store / "cells" / cell)
    (store / "zarr.json").write_bytes(b"{")
    (store / "genome/manifest/c/0").write_bytes(b"")
    (finding,) = verify_store(store, quick=True).findings
    command = finding.remedy.replace("SOURCE", str(exported)).replace("factornet-etl", "").split("; ")
    if not cells:
        assert command.pop(0) == f"rm -r {store}"
        shutil.rmtree(store)
    assert etl.main(command[0].split()) == 0, capsys.readouterr().err
    assert verify_store(store).findings == ()


def test_damaged_store_of_another_genome_is_refused(store, foreign, capsys):
    (store / "zarr.json").write_bytes(b"{")
    (store / "genome/manifest/c/0").write_bytes(b"")
    assert etl.main(["import", str(foreign), str(store), "--force", "--cells"]) == 2
    assert "its genome is not known to be the same" in capsys.readouterr().err
