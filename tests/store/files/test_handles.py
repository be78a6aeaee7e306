"""Closing what was only read from: errors of it are no errors of the reader."""

import errno
import os

import pytest

from factornet.store import open_store
from factornet.store.files import fsync_path
from factornet.store.files.handles import close_read

OS_CLOSE = os.close


@pytest.fixture
def failing_close(monkeypatch):
    def close(handle):
        OS_CLOSE(handle)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "close", close)


def test_store_is_read_where_closing_fails(demo_store, failing_close):
    chrom = open_store(demo_store).coordinates.names[0]
    assert open_store(demo_store).array(f"genome/sequence/{chrom}")[:10].shape == (10,)


def test_flushed_path_counts_as_flushed(tmp_path, failing_close):
    fsync_path(tmp_path)


def test_a_descriptor_that_is_not_open_is_an_error():
    with pytest.raises(OSError, match="Bad file descriptor"):
        close_read(10_000)
