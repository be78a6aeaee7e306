"""Reading files of strangers: of bounded size, and what cannot be read is said in one line."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from factornet.store import InputError
from factornet.store.files.limited_read import check_is_file, read_limited


def test_content_up_to_the_limit_is_returned(tmp_path):
    (tmp_path / "x").write_bytes(b"1234")
    assert read_limited(tmp_path / "x", 4) == b"1234"
    with pytest.raises(InputError, match="has more than 3 bytes"):
        read_limited(tmp_path / "x", 3)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(InputError, match="is not a file"):
        read_limited(tmp_path / "x", 4)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (Path.touch, ""),
        (lambda path: None, "no such file; correct the path"),
        (Path.mkdir, "is not a file, but a folder; give the file in it"),
        (os.mkfifo, "is not a file, but a pipe or device; save its content as a file"),
        (lambda path: path.symlink_to("nowhere"), "is a broken link"),
    ],
)
def test_input_that_is_no_file_is_said_to_be_what_it_is(tmp_path, make, problem):
    """A pipe, as of ``<(zcat x.gz)``, was "no such file"."""
    make(tmp_path / "x")
    with pytest.raises(InputError, match=problem) if problem else nullcontext():
        check_is_file(tmp_path / "x")


def test_path_that_may_not_be_looked_at_is_named(tmp_path, monkeypatch):
    """In a folder without the right to enter it, whether a file exists is an error of the system."""

    def denied(self, **_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(InputError, match=r"x: cannot be read \(Permission denied\)"):
        read_limited(tmp_path / "x", 4)
