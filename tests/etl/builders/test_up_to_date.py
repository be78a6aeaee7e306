"""Builds of existing cell lines: damage is repaired, equal ones are left unchanged, different ones are refused."""

import json

import pytest
from stress.kill_build import digest
from support.tiny_experiment import OPTIONS, build, left, write_cell

from factornet.cli import etl
from factornet.etl import Resources, build_cell
from factornet.etl.builders.unpack import unpack_store
from factornet.etl.builders.up_to_date import is_built
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.etl.inputs.sheets.tracks import describe_track
from factornet.etl.verify.objects import verify_store
from factornet.store import RemoteError, StoreError, UsageError, open_store

# Repair


def test_repair_gives_the_same_digests(files, capsys):
    build(files)
    store, whole = files / "s.zarr", digest(files / "s.zarr", "A")
    before = (store / "cells/A/zarr.json").read_bytes()
    assert build(files, repair=True).notes == ("nothing to repair: it is undamaged",)
    for name in ("tracks/DNase/chrA/c/1", "manifest/c/0", "labels/chrB/zarr.json", "peaks/TF/conservative/stop/c/0"):
        data = bytearray((store / "cells/A" / name).read_bytes())
        data[len(data) // 2] ^= 1
        (store / "cells/A" / name).write_bytes(data)
        assert etl.main(["verify", str(store)]) == 1
        assert f"repaired: cells/A/{name} (" in build(files, repair=True).notes[0]
        assert verify_store(store).findings == ()
        assert digest(store, "A") == whole
        assert (store / "cells/A/zarr.json").read_bytes() == before
    (store / "cells/A/unexpected").write_text("x")
    build(files, repair=True)
    assert verify_store(store).findings == ()
    assert left(files) == []


def test_repair_from_other_inputs_is_refused(files, capsys):
    build(files)
    store = files / "s.zarr"
    (store / "cells/A/tracks/DNase/chrA/c/1").unlink()
    sheet = (files / "A/meta.txt").read_text()
    (files / "A/meta.txt").write_text("9 GEPC1\n")
    message = r"changed since it was built: meta.txt \(row 1: 1.5 GEPC1 before, 9.0 GEPC1 now\); restore .*force option"
    with pytest.raises(StoreError, match=message):
        build(files, repair=True)
    (store / "cells/A/meta/c/0").write_bytes(b"")
    with pytest.raises(
        StoreError, match=r"differs from the original .*\(meta.txt or .* may have changed.*force option"
    ):
        build(files, repair=True)
    (files / "A/meta.txt").write_text(sheet)
    write_cell(files / "A", 2.5)
    status = etl.main(["build", str(store), str(files / "A"), "--repair", "-p", "1"])
    assert status == 2
    assert "changed since it was built: inputs (s.bw); restore the files it was built from, or use --force" in (
        capsys.readouterr().err
    )
    node = json.loads((store / "cells/A/zarr.json").read_text())
    node["attributes"]["name"] = "a"
    (store / "cells/A/zarr.json").write_text(json.dumps(node, indent=2))
    with pytest.raises(StoreError, match=r"damaged.*what it was built from is unknown"):
        build(files, repair=True)


def test_repair_reports_what_else_is_damaged(files, capsys):
    """Damage in the genome, which is not repaired with a cell line, is listed, and the status is 1."""
    store = files / "s.zarr"
    assert etl.main(["build", str(store), str(files / "A"), "-p", "1"]) == 0
    (store / "genome/sequence/chrA/c/1").unlink()
    (store / "cells/A/labels/chrA/c/0/0").unlink()
    again = ["build", str(store), str(files / "A"), "--repair", "-p", "1"]
    capsys.readouterr()
    for done in ("  repaired: cells/A/labels/chrA/c/0/0 (missing)", "nothing to repair: it is undamaged"):
        assert etl.main(again) == 1
        text = capsys.readouterr().out
        assert done in text
        assert "missing: genome/sequence/chrA/c/1: is missing" in text
        assert "sound" not in text
    assert etl.main([*again, "--json"]) == 1
    assert [f["path"] for f in json.loads(capsys.readouterr().out)["findings_left"]] == ["genome/sequence/chrA/c/1"]


@pytest.mark.parametrize("sheet", ["s.bw DNase units=CPM", "s.bw DNase assay=ATAC-seq units=1x", "s.bw DNase"])
def test_other_units_or_assay_are_another_build(files, sheet):
    (files / "A/bigwig.txt").write_text("s.bw DNase units=1x")
    build(files)
    (files / "A/bigwig.txt").write_text(sheet)
    with pytest.raises(StoreError, match=r"already exists, built from other inputs.*DNase units=1x before"):
        build(files)
    (files / "s.zarr/cells/A/tracks/DNase/chrA/c/1").unlink()
    with pytest.raises(StoreError, match=r"cannot be repaired from this folder.*DNase units=1x before"):
        build(files, repair=True)
    assert etl.main(["verify", str(files / "s.zarr"), "--against-sources", str(files / "A")]) == 1
    build(files, force=True)
    (track,) = open_store(files / "s.zarr").cell("A").tracks
    assert describe_track(track) == sheet.removeprefix("s.bw ")


# Built again


def test_same_command_again_builds_only_missing_cell_lines(files, capsys):
    """As after an interrupt between two cell lines: existing ones are left unchanged, the others are built."""
    store, both = files / "s.zarr", [str(files / "A"), str(files / "B")]
    again = ["build", str(store), *both, "-p", "1"]
    assert etl.main(["build", str(store), both[0], "-p", "1"]) == 0
    before = (store / "cells/A/zarr.json").stat()
    capsys.readouterr()
    assert etl.main(again) == 0
    text = capsys.readouterr().out
    assert f"cell line A in {store}: already exists, built from the same inputs and options\n" in text
    assert open_store(store).cells == ("A", "B")
    assert etl.main([*again, "--json"]) == 0
    assert [json.loads(line)["unchanged"] for line in capsys.readouterr().out.splitlines()] == [True, True]
    assert (store / "cells/A/zarr.json").stat() == before
    assert build(files).unchanged
    build(files, force=True)
    assert (store / "cells/A/zarr.json").stat().st_ino != before.st_ino


CHANGES = {
    "signal": (lambda a: write_cell(a, 2.5), [], "inputs (s.bw); meta.txt (row 1: 1.5 GEPC1 before, 2.5 GEPC1 now)"),
    "value": (lambda a: (a / "meta.txt").write_text("0.2 GEPC1"), [], "row 1: 1.5 GEPC1 before, 0.2 GEPC1 now"),
    "name": (lambda a: (a / "bigwig.txt").write_text("s.bw ATAC"), [], "bigwig.txt (row 1: DNase before, ATAC now)"),
    "units": (
        lambda a: (a / "bigwig.txt").write_text("s.bw DNase units=1x"),
        [],
        "bigwig.txt (row 1: DNase before, DNase units=1x now)",
    ),
    "relaxed": (lambda a: (a / "chip.txt").write_text("p.bed TF p.bed"), [], "TF before, TF with relaxed peaks now"),
    "option": (lambda a: None, ["--allow-missing-chroms"], "options (allow_missing_chroms: False before, True now)"),
    "damaged": (lambda a: (a / "../s.zarr/cells/A/zarr.json").unlink(), [], "already exists, and is damaged"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_cell_line_of_other_inputs_is_refused_before_any_is_built(files, capsys, case):
    change, more, message = CHANGES[case]
    build(files)
    change(files / "A")
    assert etl.main(["build", str(files / "s.zarr"), str(files / "B"), str(files / "A"), "-p", "1", *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "use --force to replace it" in error
    assert not (files / "s.zarr/cells/B").exists()


def test_damaged_cell_line_does_not_stop_the_build_of_another(files):
    build(files)
    (files / "s.zarr/cells/A/zarr.json").write_text("{}")
    build(files, "B")
    assert open_store(files / "s.zarr").cell("B").name == "B"


def test_cell_line_given_twice_is_refused(files, capsys):
    assert etl.main(["build", str(files / "s.zarr"), str(files / "A"), str(files / "A/."), "-p", "1"]) == 2
    assert "cell line A is given 2 times" in capsys.readouterr().err


def test_build_into_raw_store_is_refused(files):
    build(files)
    unpack_store(files / "s.zarr", files / "raw.zarr", Resources(1))
    with pytest.raises(StoreError, match="is a raw store; build into the compressed store"):
        build_cell(files / "raw.zarr", files / "B", OPTIONS, Resources(1))


def test_repair_of_missing_cell_line_is_refused(files):
    with pytest.raises(
        UsageError, match="no cell line 'A' to repair, the store has none; build without the repair option"
    ):
        build(files, repair=True)


def test_existing_cell_line_on_a_failing_server_is_not_called_damaged(s3_demo_store, demo_files):
    store = open_store(s3_demo_store.url)
    folder = read_cell_folder(demo_files / "cells/K562")
    s3_demo_store.proxy.fault = lambda *_: "500"
    with pytest.raises(RemoteError) as caught:
        is_built(store, folder, {})
    assert "damaged" not in str(caught.value)
