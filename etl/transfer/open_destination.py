"""Choose the kind of destination from a path or URL."""

from __future__ import annotations

from pathlib import Path

from ...store.errors import UsageError
from ...store.location import connect, is_remote, with_slashes
from ...store.schema import check_name
from .destination import Target
from .path_destinations import LocalTarget, ZipTarget


def open_target(place: str | Path) -> Target:
    """The target that a user names: ``s3://`` or ``gs://``, a name that ends in ``.zip``, or else a folder.

    Raises:
        UsageError: it cannot be written to.
    """
    text = with_slashes(place)
    if is_remote(text):
        server = connect(text)
        from ...store.storage.s3_bucket import Bucket
        from .s3_destination import BucketTarget

        if not isinstance(server, Bucket):
            raise UsageError(f"{server.place}: web servers are only read from; give a folder, a .zip file or s3://")
        return BucketTarget(server, text)
    path = Path(text).resolve()
    check_name(path.name, "store")
    return ZipTarget(path) if path.suffix == ".zip" else LocalTarget(path)
