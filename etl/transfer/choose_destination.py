"""Choose the kind of destination from a path or URL."""

from __future__ import annotations

from pathlib import Path

from ...store.errors import UsageError
from ...store.location import connect, is_remote, with_forward_slashes
from ...store.schema import check_name
from ..publish.store_name import check_store_folder
from .destination import Destination
from .path_destinations import LocalDestination, ZipDestination


def open_destination(location: str | Path) -> Destination:
    """Return the destination for a URL (``s3://``, ``gs://``), a path that ends in ``.zip``, or a folder.

    Raises:
        UsageError: stores cannot be written to such a URL or name.
    """
    text = with_forward_slashes(location)
    if is_remote(text):
        server = connect(text)
        from ...store.storage.s3_bucket import S3Bucket
        from .s3_destination import S3Destination

        if not isinstance(server, S3Bucket):
            raise UsageError(f"{server.location}: web servers are read-only; give a folder, a .zip file or s3://")
        return S3Destination(server, text)
    path = Path(text).resolve()
    if path.suffix.lower() == ".zip":
        check_name(path.name, "store")
        return ZipDestination(path)
    check_store_folder(path)
    return LocalDestination(path)
