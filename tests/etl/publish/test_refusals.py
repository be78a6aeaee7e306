"""A command that cannot publish its result at the end is refused before it starts; writes that fail name the file.

The commands run in a process without root's capabilities, so that permissions bind root too.
"""

import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.mounts import mounted
from support.tiny_experiment import build, left

from factornet.cli import etl
from factornet.etl.publish import disk_space, transaction
from factornet.etl.publish.disk_space import check_publishable, check_writable, describe_failure
from factornet.store import StoreError, open_store
from factornet.store.files.atomic_write import naming_file
from factornet.store.storage.atomic_swap import cell_line_staging_name

UNPRIVILEGED = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
CODE = """if __name__ == "__main__":
    import resource, sys
    from factornet.cli import etl
    size = int(sys.argv[1]) or resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    sys.exit(etl.main(sys.argv[2:]))
"""
COMMANDS = {
    "build": ["build", "s.zarr", "B", "-p", "1"],
    "rebuild": ["build", "s.zarr", "A", "-p", "1", "--force"],
    "genome": ["genome", "new/s.zarr", "--fasta", "g.fa", "--chroms", "chrA", "-p", "1"],
    "replace genome": ["genome", "g.zarr", "--fasta", "g.fa", "--chroms", "chrA", "-p", "1", "--force"],
    "unpack": ["unpack", "s.zarr", "new/raw.zarr", "-p", "1"],
    "export": ["export", "s.zarr", "new/out.zarr"],
    "zip": ["export", "s.zarr", "new/out.zip"],
    "rm": ["rm", "s.zarr", "A"],
    "merge": ["merge", "s.zarr", "other.zarr"],
}

pytestmark = pytest.mark.skipif(
    bool(UNPRIVILEGED) and shutil.which("setpriv") is None, reason="root's capabilities cannot be dropped"
)


def run(folder, name, *, size=0):
    script = folder / "run.py"
    if not script.exists():
        script.write_text(CODE)
    command = [*UNPRIVILEGED, sys.executable, str(script), str(size), *COMMANDS[name]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def store(files):
    build(files)
    (files / "new").mkdir()
    shutil.copytree(files / "s.zarr", files / "g.zarr")
    shutil.rmtree(files / "g.zarr/cells/A")
    shutil.copytree(files / "s.zarr", files / "other.zarr")
    build(files, "B", store=files / "other.zarr")
    yield files / "s.zarr"
    for path in files.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    files.chmod(0o755)


CASES = [
    *((name, "s.zarr/cells") for name in ("build", "rebuild", "rm", "merge")),
    ("rebuild", "s.zarr/cells/A"),
    ("rm", "s.zarr/cells/A"),
    *((name, "new") for name in ("genome", "unpack", "export", "zip")),
    *((name, ".") for name in ("build", "rebuild", "rm", "merge", "replace genome")),
    ("replace genome", "g.zarr"),
]


@pytest.mark.parametrize(("name", "folder"), CASES)
def test_folder_without_write_permission_is_refused_before_any_work(store, name, folder):
    files = store.parent
    script = files / "run.py"
    script.write_text(CODE)
    (files / folder).chmod(0o555)
    done = run(files, name)
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.splitlines()
    assert ": cannot be written: no file can be created" in line
    assert str((files / folder).resolve()) in line or folder in line
    assert line.endswith("choose another location, or ask for write permission")
    assert left(files) == []
    assert open_store(store).cells == ("A",)


@pytest.mark.parametrize("name", ["build", "rm", "merge"])
@pytest.mark.parametrize("lock", ["cells.A", "cells.B", "publish", ""])
def test_lock_file_of_another_user_is_refused_before_any_work(store, name, lock):
    if lock in ("cells.A", "cells.B") and {"build": "cells.B", "rm": "cells.A", "merge": "cells.B"}[name] != lock:
        pytest.skip("not the cell line of this command")
    locks = store.parent / "s.zarr.building/.locks"
    locks.mkdir(parents=True)
    (locks / "publish").touch()
    if lock:
        (locks / lock).touch()
        (locks / lock).chmod(0o444)
    else:
        locks.chmod(0o555)
    done = run(store.parent, name)
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.splitlines()
    assert str(locks / lock) in line
    assert open_store(store).cells == ("A",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("name", ["build", "rebuild", "genome", "unpack", "export", "zip", "merge"])
def test_folder_of_another_user_is_refused_before_any_work(store, name):
    files = store.parent
    for path in (store / "cells", files / "new"):
        os.chown(path, 65534, 65534)
    done = run(files, name)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "cannot be written: no file can be created in" in done.stderr


def test_read_only_mount_is_refused(store, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    for check in (lambda: check_publishable(store, cell_line_staging_name("B")), lambda: check_writable(store)):
        with pytest.raises(StoreError, match="no permission to write, or a read-only file system"):
            check()
    assert left(store.parent) == []


def test_mounted_store_is_refused_before_any_work(store, tmp_path, capsys):
    """Groups are built next to a store, and what is next to a mount lies on another one."""
    with mounted(store, at=tmp_path / "mounted") as place:
        before = left(store)
        assert etl.main(["rm", str(place), "A"]) == 2
        assert f"{place}: cannot be written: {place / 'cells/A'} is mounted there" in capsys.readouterr().err
        with pytest.raises(StoreError, match="is mounted there"):
            check_publishable(place, "genome")
        assert left(store) == before
        assert sorted(p.name for p in tmp_path.iterdir() if "mounted" in p.name) == ["mounted"]
    check_publishable(store, "genome")


def test_cell_line_of_another_user_in_a_sticky_folder_is_refused(store, monkeypatch):
    (store / "cells").chmod(0o1777)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match=r"cells/A .it belongs to another user, and its folder is sticky"):
        check_publishable(store, cell_line_staging_name("A"))
    check_publishable(store, cell_line_staging_name("B"))


@pytest.mark.parametrize("kind", ["file", "link", "folder of other files"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_exists_and_is_no_cell_line_is_never_replaced(store, kind, force, capsys):
    target = store / "cells/B"
    (store.parent / "precious").mkdir()
    if kind == "file":
        target.write_text("precious")
    elif kind == "link":
        target.symlink_to(store.parent / "precious")
    else:
        target.mkdir()
        (target / "precious").write_text("precious")
    before = stat.S_IFMT(target.lstat().st_mode)
    assert etl.main(["build", str(store), str(store.parent / "B"), "-p", "1", *force]) == 2
    assert "exists" in capsys.readouterr().err
    assert stat.S_IFMT(target.lstat().st_mode) == before
    assert open_store(store).cells == ("A",)
    assert left(store.parent) == []


# Writes that fail


@pytest.mark.parametrize("size", [300, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 700, 1200, 2000))])
@pytest.mark.parametrize("name", ["build", "genome", "unpack", "export", "zip"])
def test_failed_write_names_the_file(store, name, size):
    """Files cannot grow beyond a size in the process, at every kind of file in turn."""
    done = run(store.parent, name, size=size)
    assert done.returncode == 2, done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    line = lines[0]
    assert "File too large" in line
    assert "raise the limit of file sizes (ulimit -f), or choose a file system for larger files" in line
    path = Path(line.removeprefix("factornet-etl: error: ").partition(": ")[0])
    assert path.is_relative_to(store.parent)
    assert path.name not in ("genome", "cells.B", "unpack", "zip", "out.zarr", "s.zarr"), line


def test_full_disk_is_described_with_the_free_space(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 12_000))
    with pytest.raises(OSError, match="No space left on device") as caught, naming_file(tmp_path / "a/b"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a/b")
    expected = "No space left on device, 12 kB are free there"
    assert describe_failure(caught.value, tmp_path / "a/b") == expected
    assert describe_failure(RuntimeError("No space left on device"), tmp_path / "a/b") == expected
    monkeypatch.setattr("factornet.etl.publish.disk_space.os.statvfs", lambda _: SimpleNamespace(f_files=9, f_favail=0))
    assert describe_failure(caught.value, tmp_path / "a/b") == f"{expected}, but no inode for another file"
    assert describe_failure(OSError(5, "Input/output error"), tmp_path) == "Input/output error"
    with pytest.raises(FileNotFoundError, match="other"), naming_file(tmp_path):
        Path("other").read_bytes()


def test_folder_is_removed_with_few_descriptors_too(tmp_path, monkeypatch):
    """shutil.rmtree holds one for each level, which a build that failed for lack of them does not have."""
    monkeypatch.setattr(transaction.shutil, "rmtree", lambda *_, **__: None)

    def build():
        with transaction.staging(tmp_path / "r", "unpack") as folder:
            (folder / "r/genome/c").mkdir(parents=True)
            (folder / "r/genome/c/0").write_text("x")
            (folder / "r/link").symlink_to(tmp_path)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(folder))

    with pytest.raises(StoreError, match="Too many open files"):
        build()
    assert list(tmp_path.iterdir()) == []


def test_lock_that_cannot_be_created_leaves_no_folders(tmp_path, monkeypatch):
    """The disk has room for the folders of the lock file, but not for the file."""

    def fail(path, **_):
        path.parent.mkdir(parents=True)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(transaction.LockFile, "acquire", fail)
    with pytest.raises(StoreError, match="cannot be created and locked"), transaction.staging(tmp_path / "r", "unpack"):
        pass
    assert list(tmp_path.iterdir()) == []
