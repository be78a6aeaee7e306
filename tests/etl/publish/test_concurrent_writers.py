"""Two commands at one store: what a second publishes while the first is running is never lost."""

import os
import shutil
from pathlib import Path

import pytest
from support.tiny_experiment import OPTIONS, build, write_cell

from factornet.cli import etl
from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome
from factornet.etl.builders import cell_line, cell_place
from factornet.etl.builders.unpack import unpack_store
from factornet.etl.publish.disk_space import check_publishable
from factornet.etl.publish.remove import remove_cells
from factornet.etl.transfer.choose_destination import open_destination
from factornet.etl.transfer.copier import copy_groups
from factornet.etl.verify.objects import verify_store
from factornet.store import Store, StoreError, open_store
from factornet.store.storage.atomic_swap import staging_dir


@pytest.fixture
def theirs(files, tmp_path):
    """Another store of the same genome, with cell lines A and B of other content."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    shutil.copytree(files / "s.zarr", folder / "s.zarr")
    for name in ("A", "B"):
        (folder / name).mkdir()
        write_cell(folder / name, 7.5)
        build(folder, name)
    return folder / "s.zarr"


def once(action):
    """Return a callback that calls `action` the first time it is called."""
    remaining = [action]
    return lambda *_: remaining.pop()() if remaining else None


def manifest(store, name):
    return open_store(store).cell(name).manifest


def test_build_leaves_cell_line_that_another_build_created_meanwhile(files, monkeypatch):
    store, fingerprint = files / "s.zarr", cell_line.fingerprint_inputs
    other = shutil.copytree(files / "A", files / "other/A")
    write_cell(other, 9.0)
    build_other = once(lambda: build(files / "other", store=store))

    def slow_fingerprint(paths):
        build_other()  # the first build is still digesting its inputs, and holds no lock
        return fingerprint(paths)

    monkeypatch.setattr(cell_line, "fingerprint_inputs", slow_fingerprint)
    with pytest.raises(StoreError, match=r"cells/A: was created by another process in the meantime"):
        build(files)
    assert open_store(store).track("A", "DNase", "chrA")[200:201][0] == 9.0
    assert verify_store(store).findings == ()


@pytest.mark.parametrize(
    ("step", "repair"), [("is_built", False), ("recorded_cell_line", True), ("verify_store", True)]
)
def test_build_says_that_the_cell_line_was_removed_meanwhile(files, step, repair, monkeypatch):
    build(files)
    module = cell_place if step == "is_built" else cell_line
    original = getattr(module, step)

    def slow(*args, **more):
        remove_cells(files / "s.zarr", ["A"])
        return original(*args, **more)

    monkeypatch.setattr(module, step, slow)
    with pytest.raises(StoreError, match=r"cells/A: was removed by another process in the meantime.*run the same"):
        build(files, repair=repair)


@pytest.mark.parametrize("exists", [True, False])
def test_command_says_that_a_cell_line_it_found_or_built_was_removed_meanwhile(files, exists, monkeypatch, capsys):
    if exists:
        build(files)
    original, remove = Store.cell, once(lambda: remove_cells(files / "s.zarr", ["A"]))

    def slow(store, name):
        remove()
        return original(store, name)

    monkeypatch.setattr(Store, "cell", slow)
    assert etl.main(["build", f"{files}/s.zarr", f"{files}/A", "-p", "1"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    what = "was removed" if exists else "was built, and removed"
    assert f"cells/A: {what} by another process in the meantime" in line


def test_folder_that_another_process_removes_while_it_is_checked_is_not_called_read_only(files, monkeypatch):
    """The folder next to the store goes with the last build in it."""
    store, access = files / "s.zarr", os.access
    staging = staging_dir(store)
    staging.mkdir()

    def slow_access(path, mode):
        if path == staging and staging.exists():
            staging.rmdir()
        return access(path, mode)

    def slow_mkdir(path, *args, **more):
        mkdir(path, *args, **more)
        if path == staging:
            staging.rmdir()
            raise FileExistsError(17, "File exists", str(path))

    monkeypatch.setattr(os, "access", slow_access)
    check_publishable(store, "cell-A")
    mkdir = Path.mkdir
    monkeypatch.setattr(Path, "mkdir", slow_mkdir)
    check_publishable(store, "cell-A")


@pytest.mark.parametrize("command", ["rm", "build"])
def test_folder_of_replaced_versions_that_another_process_removes_is_created_again(files, command, monkeypatch):
    """Every process that ends removes the empty ones, whose they may be."""
    build(files)
    rename, removed = Path.rename, []

    def slow_rename(path, target):
        aside = Path(target).parent
        if aside.parent.name == ".old" and len(removed) < 3:
            removed.append(aside)
            aside.rmdir()
            aside.parent.rmdir()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slow_rename)
    if command == "rm":
        remove_cells(files / "s.zarr", ["A"])
    else:
        build(files, force=True)
    assert len(removed) == 3
    assert open_store(files / "s.zarr").cells == (() if command == "rm" else ("A",))
    assert not staging_dir(files / "s.zarr").exists()


def test_file_in_place_of_the_folder_of_replaced_versions_is_named(files):
    build(files)
    staging = staging_dir(files / "s.zarr")
    staging.mkdir()
    (staging / ".old").write_text("")
    with pytest.raises(StoreError, match=r"\.old"):
        remove_cells(files / "s.zarr", ["A"])
    assert open_store(files / "s.zarr").cells == ("A",)


def test_folders_that_vanish_while_they_are_listed_stop_no_command(files, theirs, monkeypatch):
    """Those next to the store, of other processes."""
    build(files)
    glob, rglob = Path.glob, Path.rglob

    def vanishing(original):
        def find(path, pattern):
            yield from original(path, pattern)
            if path == staging_dir(files / "s.zarr"):
                raise FileNotFoundError(2, "No such file or directory", str(path / ".old"))

        return find

    monkeypatch.setattr(Path, "glob", vanishing(glob))
    monkeypatch.setattr(Path, "rglob", vanishing(rglob))
    remove_cells(files / "s.zarr", ["A"])
    copy_groups([open_store(theirs)], open_destination(files / "s.zarr"), cells=["B"])
    assert open_store(files / "s.zarr").cells == ("B",)


def test_cell_line_that_is_removed_while_a_build_looks_at_it_is_not_called_something_else(files, monkeypatch):
    """Neither other files than a cell line's, nor no folder."""
    build(files)
    final = files / "s.zarr/cells/A"
    for method in ("iterdir", "rglob", "lstat"):
        original = getattr(Path, method)
        remove = once(lambda: remove_cells(files / "s.zarr", ["A"]))

        def slow(path, *args, original=original, remove=remove):
            if path == final:
                remove()
            return original(path, *args)

        with monkeypatch.context() as patch:
            patch.setattr(Path, method, slow)
            with pytest.raises(StoreError, match="cells/A: was removed by another process in the meantime"):
                build(files, force=True)
        build(files)


def test_import_leaves_cell_line_that_was_built_meanwhile(files, theirs):
    store = files / "s.zarr"
    destination = open_destination(store)
    with pytest.raises(StoreError, match=r"cells/B: was created by another process in the meantime.*run the same"):
        copy_groups([open_store(theirs)], destination, on_object=once(lambda: build(files, "B")))
    assert manifest(store, "A") == manifest(theirs, "A")
    assert manifest(store, "B") != manifest(theirs, "B")
    with pytest.raises(StoreError, match=r"has other content of B .*use the force option to replace it"):
        copy_groups([open_store(theirs)], open_destination(store))
    assert verify_store(store).findings == ()


def test_genome_is_not_replaced_when_a_cell_line_was_built_meanwhile(files):
    store = files / "s.zarr"
    inputs, options = GenomeInputs(files / "g.fa"), GenomeOptions(layout=OPTIONS.layout)
    with pytest.raises(StoreError, match="holds the cell lines A; remove it by hand"):
        build_genome(store, inputs, options, Resources(1), force=True, on_report=once(lambda: build(files)))
    assert open_store(store).cells == ("A",)


def test_genome_and_unpack_leave_store_that_was_created_meanwhile(files, theirs):
    new = files / "new.zarr"
    appear = once(lambda: etl.main(["unpack", str(theirs), str(new), "-p", "1"]))
    with pytest.raises(StoreError, match=r"new.zarr: already exists"):
        build_genome(new, GenomeInputs(files / "g.fa"), GenomeOptions(), Resources(1), on_report=appear)
    assert open_store(new).cells == ("A", "B")
    with pytest.raises(StoreError, match=r"raw.zarr: already exists"):
        unpack_store(theirs, files / "raw.zarr", Resources(1), on_report=once(lambda: new.rename(files / "raw.zarr")))
    assert open_store(files / "raw.zarr").cells == ("A", "B")


def test_build_and_import_are_refused_when_the_genome_was_replaced_meanwhile(files, theirs):
    store = files / "s.zarr"
    (files / "h.fa").write_text((files / "g.fa").read_text().replace("ACG", "CCG"))

    def replace():
        options = GenomeOptions(layout=OPTIONS.layout)
        build_genome(store, GenomeInputs(files / "h.fa"), options, Resources(1), force=True)

    source = open_store(theirs)
    for act in (
        lambda: copy_groups([source], open_destination(store), cells=["A"], on_object=once(replace)),
        lambda: build(files, on_report=once(replace)),
    ):
        shutil.rmtree(store)
        copy_groups([source], open_destination(store), cells=[])
        with pytest.raises(StoreError, match="the genome was replaced during the"):
            act()
        assert open_store(store).cells == ()


def test_export_leaves_zip_file_that_another_export_replaced(files, theirs):
    file = files / "x.zip"
    source = open_store(theirs)
    copy_groups([source], open_destination(file), cells=[])
    other = once(lambda: copy_groups([source], open_destination(file), cells=["A"]))
    with pytest.raises(StoreError, match=r"x.zip: was replaced by another process in the meantime"):
        copy_groups([source], open_destination(file), cells=["B"], on_plan=other)
    copy_groups([source], open_destination(file), cells=["B"])
    assert open_store(file).cells == ("A", "B")


@pytest.mark.slow
def test_two_exports_to_one_bucket_keep_the_cell_lines_of_both(files, theirs, s3):
    """The list has both, and none is replaced by a command that did not know of it."""
    source = open_store(theirs)
    copy_groups([source], open_destination(s3.url), cells=[])
    other = once(lambda: copy_groups([source], open_destination(s3.url), cells=["B"]))
    copy_groups([source], open_destination(s3.url), cells=["A"], on_object=other)
    assert open_store(s3.url).cells == ("A", "B")
    assert verify_store(s3.url).findings == ()
    build(files, "A")
    location = f"{s3.url.removesuffix('.zarr')}2.zarr"
    copy_groups([source], open_destination(location), cells=[])
    other = once(lambda: copy_groups([source], open_destination(location), cells=["A"]))
    with pytest.raises(StoreError, match=r"cells/A: was written, replaced or removed by another"):
        copy_groups([open_store(files / "s.zarr")], open_destination(location), cells=["A"], on_plan=other)
    assert manifest(location, "A") == manifest(theirs, "A")
