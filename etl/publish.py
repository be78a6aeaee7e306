"""Build beside, publish by rename: readers see all of a group or none of it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BytesCodec, ZstdCodec

from ..store.errors import StoreError

_PIECE = 8 * 1024 * 1024


@contextmanager
def staging(store: Path, name: str) -> Iterator[Path]:
    """An empty folder beside the store to build `name` in, held against a second build of the same.

    The folder is ``<store>.building/<name>``, on the store's own file system, so that publishing is a rename. What is
    left in it at the end is removed.

    Raises:
        StoreError: another process is building the same; it is named.
    """
    root = store.with_name(store.name + ".building")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(f"{root}: cannot make the folder to build in ({e.strerror})") from e
    lock = (root / f"{name}.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise StoreError(f"{store}: {name} is being built already, by {lock.read() or 'another process'}") from None
    folder = root / name
    try:
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(lock.name).unlink(missing_ok=True)
        lock.close()
        if not any(root.iterdir()):
            root.rmdir()


def publish(staged: Path, final: Path) -> None:
    """Move a finished folder into its place; what was there before goes away after."""
    for path in [*staged.rglob("*"), staged]:
        _sync(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    old = staged.with_name(staged.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    staged.rename(final)
    _sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha.update(piece)
    return sha.hexdigest()


def write_manifest(group: Path) -> str:
    """List every object of a group with size and SHA-256, as the group's array ``manifest``; its own digest comes back.

    To be called when all else is written.
    """
    objects = {
        str(path.relative_to(group)): [path.stat().st_size, file_digest(path)]
        for path in sorted(group.rglob("*"))
        if path.is_file() and path != group / "zarr.json"
    }
    text = json.dumps({"objects": objects}, sort_keys=True, separators=(",", ":")).encode()
    zarr.open_group(str(group), mode="r+").create_array(
        "manifest",
        data=np.frombuffer(text, np.uint8),
        chunks=(len(text),),
        serializer=BytesCodec(),
        compressors=(ZstdCodec(level=3, checksum=True),),
        dimension_names=("byte",),
    )
    return hashlib.sha256(text).hexdigest()
