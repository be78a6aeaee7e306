"""A store is a valid Zarr hierarchy after every command: zarr and xarray list genome and all cell lines."""

import shutil
import warnings
from pathlib import Path

import pytest
import xarray as xr
import zarr
from support.tiny_experiment import SMALL, build

from factornet.cli import etl
from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome
from factornet.etl.publish import cell_index_writer
from factornet.etl.verify.objects import verify_store
from factornet.store import open_store
from factornet.store.format.cell_index import CELL_INDEX

FIXTURE = Path(__file__).parents[2] / "fixtures/store-schema-1.zip"


def check_hierarchy(store):
    """Compare what zarr and xarray list with the cell lines of the store, and verify it."""
    cells = open_store(store).cells
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = zarr.open_group(str(store), mode="r")
        assert sorted(name for name, _ in root.members()) == ["cells", "genome"]
        assert sorted(name for name, _ in root["cells"].members()) == list(cells)
        for cell in cells:
            assert f"── {cell}" in str(root.tree())
        with xr.open_datatree(store, engine="zarr", consolidated=False) as tree:
            assert sorted(tree["cells"].children) == list(cells)
            assert {"sequence"} <= set(tree["genome"].children)
            for cell in cells:
                assert "manifest" in tree[f"cells/{cell}"]
    assert verify_store(store).findings == ()


def check_missing_group(store):
    """Check that `verify` reports the lack of the group, and nothing else."""
    (finding,) = verify_store(store).findings
    assert (finding.path, finding.kind) == (CELL_INDEX, "missing")
    assert "zarr and xarray do not find the cell lines" in finding.problem


def test_store_is_a_zarr_hierarchy_after_every_build(files, capsys):
    store = files / "s.zarr"
    check_hierarchy(store)
    for cell in ("A", "B"):
        build(files, cell)
        check_hierarchy(store)
    build(files, "A", force=True)
    check_hierarchy(store)
    assert etl.main(["unpack", str(store), str(files / "raw.zarr"), "-p", "1"]) == 0
    check_hierarchy(files / "raw.zarr")
    for command in (["export", str(store), str(files / "out.zarr")], ["export", str(store), str(files / "out.zip")]):
        assert etl.main(command) == 0
    assert etl.main(["import", str(files / "out.zip"), str(files / "in.zarr"), "--cells"]) == 0
    check_hierarchy(files / "in.zarr")
    assert etl.main(["merge", str(files / "in.zarr"), str(files / "out.zarr")]) == 0
    assert etl.main(["rm", str(store), "A", "B"]) == 0
    for path in (store, files / "out.zarr", files / "in.zarr"):
        check_hierarchy(path)
    inputs, options = GenomeInputs(files / "g.fa"), GenomeOptions(layout=SMALL)
    build_genome(store, inputs, options, Resources(1), force=True)
    check_hierarchy(store)


def test_group_of_an_earlier_version_is_added_by_the_next_build(files):
    store = files / "s.zarr"
    shutil.rmtree(store / "cells")
    check_missing_group(store)
    build(files, "A")
    check_hierarchy(store)


def test_lost_group_is_reported_and_written_by_a_repair_of_any_cell_line(files):
    store = files / "s.zarr"
    build(files, "A")
    (store / CELL_INDEX).unlink()
    check_missing_group(store)
    build(files, "A", repair=True)
    check_hierarchy(store)
    (store / CELL_INDEX).write_text("{")
    build(files, "A", repair=True)
    check_hierarchy(store)


def test_store_of_an_earlier_version_is_read(tmp_path):
    shutil.unpack_archive(FIXTURE, tmp_path / "unpacked")
    for root in (path.parent for path in tmp_path.rglob("genome") if (path / "manifest").is_dir()):
        (root / CELL_INDEX).unlink(missing_ok=True)
        check_missing_group(root)
        assert open_store(root).cells


@pytest.mark.parametrize("command", ["build", "rm"])
def test_store_as_built_is_intact_when_killed_before_the_index(files, command, monkeypatch):
    """The group has no index that could be out of date: what a kill after the rename leaves is a whole store."""
    build(files, "A")

    def killed(store):
        raise SystemExit

    monkeypatch.setattr(
        f"factornet.etl.publish.{'transaction' if command == 'build' else 'remove'}.refresh_cell_index", killed
    )
    with pytest.raises(SystemExit):
        build(files, "B") if command == "build" else etl.main(["rm", str(files / "s.zarr"), "A"])
    check_hierarchy(files / "s.zarr")


def test_damaged_group_is_reported_and_rewritten_by_the_next_build(files):
    store = files / "s.zarr"
    (store / CELL_INDEX).write_text("{")
    (finding,) = verify_store(store).findings
    assert (finding.path, finding.kind) == (CELL_INDEX, "attributes")
    build(files, "A")
    check_hierarchy(store)


def test_failed_write_of_the_group_leaves_no_file(files, monkeypatch):
    monkeypatch.setattr(cell_index_writer, "CELL_INDEX", "nowhere/zarr.json")
    with pytest.raises(OSError):
        cell_index_writer.refresh_cell_index(files / "s.zarr")
    assert [p.name for p in files.iterdir() if "list-" in p.name] == []
