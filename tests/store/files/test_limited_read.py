"""Reading files of strangers: of bounded size, and what cannot be read is said in one line."""

import os
from pathlib import Path

import pytest

from factornet.store import InputError
from factornet.store.files.limited_read import read_limited


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


def test_path_that_may_not_be_looked_at_is_named(tmp_path, monkeypatch):
    """In a folder without the right to enter it, whether a file exists is an error of the system."""

    def denied(self, **_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(InputError, match=r"x: cannot be read \(Permission denied\)"):
        read_limited(tmp_path / "x", 4)
