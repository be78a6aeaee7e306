"""Removed cell lines are gone for new readers at once; processes that have one open read it to the end."""

import json

import pytest

from factornet.cli.etl.parser import main
from factornet.etl.publish.transaction import staging
from factornet.etl.verify.objects import verify_store
from factornet.store import open_store, read_span
from factornet.store.storage.atomic_swap import cell_line_staging_name, staging_dir


def test_removed_cell_line_is_gone_and_open_readers_still_read_it(store, capsys):
    reader = open_store(store)
    before = read_span(reader.track("HepG2", "DGF", "chr21"), 0, 20_000)
    assert main(["rm", str(store), "HepG2"]) == 0
    assert capsys.readouterr().out == f"{store}: removed HepG2\n"
    assert open_store(store).cells == ("GM12878", "K562")
    assert (read_span(reader.track("HepG2", "DGF", "chr21"), 0, 20_000) == before).all()
    assert verify_store(store).findings == ()
    assert main(["rm", str(store), "K562", "GM12878", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == ["K562", "GM12878"]
    assert open_store(store).cells == ()


def test_removal_without_readers_frees_everything(store):
    (store / "cells/K562/zarr.json").write_text("{")  # a damaged cell line can be removed too
    assert main(["rm", str(store), "K562"]) == 0
    assert not (store / "cells/K562").exists()
    assert not staging_dir(store).exists()


@pytest.mark.parametrize("name", ["NONE", "../copy.zarr", "K562/tracks", ""])
def test_unknown_cell_line_is_refused(store, capsys, name):
    assert main(["rm", str(store), name]) == 2
    assert "in the store; it has GM12878, HepG2, K562" in capsys.readouterr().err
    assert verify_store(store).findings == ()


def test_all_names_are_checked_before_the_first_is_removed(store, capsys):
    assert main(["rm", str(store), "HepG2", "K563", "K562"]) == 2
    assert "no cell line 'K563'" in capsys.readouterr().err
    with staging(store, cell_line_staging_name("K562")):
        assert main(["rm", str(store), "HepG2", "K562"]) == 2
    assert "K562: is being built by process" in capsys.readouterr().err
    assert open_store(store).cells == ("GM12878", "HepG2", "K562")
    assert main(["rm", str(store), "HepG2", "K562", "HepG2"]) == 0
    assert open_store(store).cells == ("GM12878",)
    assert not staging_dir(store).exists()


def test_cell_line_being_built_is_not_removed(store, capsys):
    with staging(store, cell_line_staging_name("K562")):
        assert main(["rm", str(store), "K562"]) == 2
    assert "K562: is being built by process" in capsys.readouterr().err
    assert "K562" in open_store(store).cells


def test_removal_updates_the_list_of_cell_lines(store, tmp_path, capsys):
    assert main(["export", str(store), str(tmp_path / "e.zarr")]) == 0
    assert main(["rm", str(tmp_path / "e.zarr"), "HepG2"]) == 0
    assert verify_store(tmp_path / "e.zarr").findings == ()


@pytest.mark.parametrize("kind", ["s3", "http", "out.zip"])
def test_hint_for_zip_files_and_servers_copies_the_other_cell_lines(demo_store, tmp_path, capsys, request, kind):
    """The command in the hint keeps a URL unchanged, and gives the store asked for."""
    if kind == "s3":
        location = request.getfixturevalue("s3_demo_store").url
        names, left = ["K562"], ()
    else:
        location = request.getfixturevalue("website") if kind == "http" else str(tmp_path / kind)
        assert kind == "http" or main(["export", str(demo_store), location]) == 0
        names, left = ["GM12878", "K562"], ("HepG2",)
    assert main(["rm", location, *names]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(
        f"factornet-etl: error: {location}: is not a local folder; cell lines can be removed from local folders only"
    )
    hint = line.partition("new location: ")[2]
    assert hint.startswith(f"factornet-etl export {location} DEST --cells")
    copy = str(tmp_path / "copy.zarr")
    assert main(hint.replace("DEST", copy).split()[1:]) == 0
    assert open_store(copy).cells == left
    assert main(["unpack", location, str(tmp_path / "raw.zarr")]) == 2
    line = capsys.readouterr().err.strip()
    assert line.endswith(
        f"{location}: is not a local folder; import it first, then unpack that: factornet-etl import {location} FOLDER"
    )
