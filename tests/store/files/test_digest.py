"""Digests of files."""

import errno
import hashlib
from pathlib import Path

import pytest

from factornet.store.files.digest import file_digest


class _Failing:
    """An open file; reading or closing it fails, as on a network file system that is gone."""

    def __init__(self, file, method):
        self._file, self._method = file, method

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._fail("close")

    def read(self, size):
        self._fail("read")
        return self._file.read(size)

    def _fail(self, method):
        if method == self._method:
            raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("method", ["read", "close"])
def test_error_names_the_file(tmp_path, monkeypatch, method):
    (tmp_path / "x").write_bytes(b"content")
    assert file_digest(tmp_path / "x") == hashlib.sha256(b"content").hexdigest()
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: _Failing(opened(path, mode), method))
    with pytest.raises(OSError, match="Input/output error") as caught:
        file_digest(tmp_path / "x")
    assert caught.value.filename == str(tmp_path / "x")
