"""Outputs: one writer at a time, nothing left behind, nothing but files replaced."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.mounts import mounted

from factornet.store.errors import InputError, UsageError
from factornet.store.files import locks
from factornet.store.files.atomic_write import replacing
from factornet.store.files.outputs import check_output_file, lock_path, output_lock, remove, staged_folder

_HOLD = """
import sys
from pathlib import Path
from pathlib import Path
from factornet.store.files.outputs import output_lock
with output_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.ENOSPC, "check free space, or choose another place"),
        (errno.EDQUOT, "check free space, or choose another place"),
        (errno.EMFILE, "raise the limit on open files (ulimit -n)"),
        (errno.EACCES, "choose a folder where files can be created and locked"),
    ],
)
def test_lock_that_cannot_be_written_says_why_and_what_helps(tmp_path, monkeypatch, code, cure):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("factornet.store.files.locks.os.pwrite", fail)
    with pytest.raises(InputError) as caught, output_lock(tmp_path / "o.bw"):
        pass
    expected = f"cannot be written: {tmp_path / '.o.bw.lock'} cannot be created and locked ({os.strerror(code)})"
    assert (caught.value.problem, caught.value.hint) == (expected, cure)
    assert list(tmp_path.iterdir()) == []


def test_second_writer_is_refused_naming_the_first_whatever_the_path_is_called(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "real/o.bw")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"o.bw: is being written by process {first.pid} on .* since 20.*; wait"),
            output_lock(tmp_path / "link/o.bw"),
        ):
            pass
        with output_lock(tmp_path / "link/other.bw"):
            pass
        first.communicate("\n")
    assert list((tmp_path / "real").iterdir()) == []


def test_folder_mounted_at_another_path_has_one_writer(tmp_path):
    (tmp_path / "m").mkdir()
    message = "out: is being written by another process, which has this folder under another path; wait for it"
    with mounted(tmp_path / "m", at=tmp_path / "out") as out:
        command = [sys.executable, "-c", _HOLD, str(tmp_path / "m")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout.readline() == "held\n"
            with pytest.raises(InputError, match=message), output_lock(out):
                pass
            first.communicate("\n")
        with output_lock(out):
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "out"]


def test_folder_that_is_created_or_replaced_under_its_lock_can_be_locked_then(tmp_path):
    folder = tmp_path / "m"
    with output_lock(folder) as held:
        folder.mkdir()
        assert not _is_locked(folder)
        held.lock_folder()
        held.lock_folder()
        assert _is_locked(folder)
        folder.rename(tmp_path / "old")
        folder.mkdir()
        held.lock_folder()
        assert (_is_locked(folder), _is_locked(tmp_path / "old")) == (True, False)
    assert not _is_locked(folder)


def _is_locked(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        return not locks.lock(handle)
    finally:
        os.close(handle)


@pytest.mark.parametrize("answer", [errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EACCES])
def test_folder_that_cannot_be_locked_is_written_all_the_same(tmp_path, monkeypatch, answer):
    def fail(*_, **__):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr("factornet.store.files.outputs.lock", fail)
    with output_lock(tmp_path):
        pass


def test_folder_that_is_mounted_cannot_be_replaced_and_the_cure_says_so(tmp_path):
    (tmp_path / "m").mkdir()
    cure = "a folder is mounted there, which cannot be replaced in one step: give a path within it"
    with (
        mounted(tmp_path / "m", at=tmp_path / "out") as out,
        pytest.raises(InputError) as caught,
        output_lock(out),
        staged_folder(out),
    ):
        pass
    assert caught.value.hint == cure
    assert list((tmp_path / "m").iterdir()) == []


def test_failed_write_in_a_staged_folder_names_the_path_that_the_file_would_have(tmp_path):
    """The staged folder is gone when the message is read."""
    with output_lock(tmp_path / "m"), pytest.raises(InputError) as caught, staged_folder(tmp_path / "m") as staged:
        raise InputError(staged / "a/b.txt", "cannot be written (full)", hint="check free space")
    assert str(caught.value) == f"{tmp_path}/m/a/b.txt: cannot be written (full); check free space"
    with output_lock(tmp_path / "m"), pytest.raises(InputError, match="elsewhere: x"), staged_folder(tmp_path / "m"):
        raise InputError("elsewhere", "x")
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_of_killed_writers_are_removed_and_no_others(tmp_path):
    killed = [".o.bed.12345678.part.gz", ".o.bed.abcdef01.part.gz"]
    others = [".o.bed.x.12345678.part.gz", ".o.bed.1234567.part.gz", ".o.12345678.part.gz", "o.bed.12345678.part.gz"]
    for name in killed + others:
        (tmp_path / name).write_text("")
    with output_lock(tmp_path / "o.bed.gz"):
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, ".o.bed.gz.lock"])
    (tmp_path / "m").mkdir()
    (tmp_path / "m/.best.12345678.part.safetensors").write_text("")
    with output_lock(tmp_path / "m"):
        assert list((tmp_path / "m").iterdir()) == []


def test_only_files_are_replaced(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    check_output_file(tmp_path / "new", overwrite=False)
    check_output_file(tmp_path / "file", overwrite=True)
    with pytest.raises(UsageError, match="file: already exists"):
        check_output_file(tmp_path / "file", overwrite=False)
    for name in ("pipe", "."):
        with pytest.raises(UsageError, match="give the name of a file"):
            check_output_file(tmp_path / name, overwrite=True)


def test_lock_needs_the_folder_unless_it_may_create_it(tmp_path):
    with pytest.raises(InputError, match="its folder does not exist; create it first"), output_lock(tmp_path / "a/b"):
        pass
    with output_lock(tmp_path / "a/b", parents=True):
        assert (tmp_path / "a").is_dir()


def test_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(InputError, match="cannot be written"), staged_folder(tmp_path / "m") as staged:
        (staged / "absent").rename(staged / "x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".m.part").mkdir()
    (tmp_path / ".m.part/old").write_text("")
    with staged_folder(tmp_path / "m") as staged:
        (staged / "x").write_text("")
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["m", "m/x"]


def test_failed_replacement_leaves_the_file_and_nothing_else(tmp_path):
    (tmp_path / "o").write_text("old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "o"):
        pass  # nothing was written, so there is nothing to rename
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("o", "old")]


def test_files_of_a_folder_are_replaced_and_others_kept(tmp_path):
    (tmp_path / "m/logos").mkdir(parents=True)
    for name in ("index.html", "notes.txt", "logos/old.png"):
        (tmp_path / "m" / name).write_text("old")
    with staged_folder(tmp_path / "m", replaced=("*.html", "logos")) as staged:
        (staged / "index.html").write_text("new")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["index.html", "notes.txt"]
    assert (tmp_path / "m/index.html").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_dangling_link_to_a_folder_is_locked_under_the_name_of_the_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "m")
    with output_lock(tmp_path / "link"):
        assert (tmp_path / ".m.lock").exists()


@pytest.mark.parametrize("failing", ["logos", "motifs.txt"])
def test_first_of_the_replaced_files_stands_only_where_all_others_stand(tmp_path, monkeypatch, failing):
    (tmp_path / "m/logos").mkdir(parents=True)
    for name in ("index.html", "motifs.txt", "notes.txt", "logos/old.png"):
        (tmp_path / "m" / name).write_text("old")
    replace = Path.replace

    def replace_or_fail(path, target):
        if path.name == failing:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_or_fail)
    names = ("index.html", "logos", "motifs.txt")
    staged = staged_folder(tmp_path / "m", replaced=names)
    folder = staged.__enter__()
    (folder / "logos").mkdir()
    for name in ("index.html", "motifs.txt"):
        (folder / name).write_text("new")
    with pytest.raises(InputError, match=rf"m/{failing}: cannot be written \(Input/output error\)"):
        staged.__exit__(None, None, None)
    assert not (tmp_path / "m/index.html").exists()
    assert (tmp_path / "m/notes.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_empty_folder_is_replaced_in_one_step(tmp_path, monkeypatch):
    (tmp_path / "m").mkdir()
    monkeypatch.setattr(Path, "replace", None)
    with staged_folder(tmp_path / "m") as staged:
        (staged / "x").write_text("")
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["m", "m/x"]


def test_empty_folder_that_one_is_in_stays_the_same(tmp_path, monkeypatch):
    (tmp_path / "m").mkdir()
    monkeypatch.chdir(tmp_path / "m")
    with staged_folder(Path()) as staged:
        (staged / "model.json").write_text("{}")
    assert [p.name for p in Path().iterdir()] == ["model.json"]


def test_error_of_a_removal_names_the_whole_path(tmp_path, monkeypatch):
    def fail(name, **_):
        raise OSError(errno.EIO, "Input/output error", name)

    (tmp_path / "m").mkdir()
    (tmp_path / "m/x").write_text("")
    monkeypatch.setattr(os, "unlink", fail)
    with pytest.raises(
        InputError, match=rf"^{tmp_path}/m: cannot be removed \(Input/output error\); check permissions$"
    ):
        remove(tmp_path / "m")


def test_file_of_another_user_in_a_sticky_folder_is_refused_at_once(tmp_path, monkeypatch):
    path = tmp_path / "x.bw"
    path.write_text("theirs")
    tmp_path.chmod(0o1777)
    check_output_file(path, overwrite=True)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UsageError, match="it belongs to another user, and its folder is sticky"):
        check_output_file(path, overwrite=True)


def test_lock_that_is_a_hard_link_to_a_file_is_left_alone(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("kept")
    os.link(precious, lock_path(tmp_path / "x.bw"))
    with pytest.raises(InputError, match="is a hard link to another file"), output_lock(tmp_path / "x.bw"):
        pass
    assert precious.read_text() == "kept"
