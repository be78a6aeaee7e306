"""Check the name of a folder that a store is written to."""

from __future__ import annotations

from pathlib import Path

from ...store.errors import UsageError
from ...store.schema import check_name

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def check_store_folder(path: Path) -> None:
    """Check the name of a folder to write a store to.

    Raises:
        UsageError: it is no valid name, or that of an archive, which a folder is not.
    """
    check_name(path.name, "store")
    if path.suffix.lower() in _ARCHIVES:
        raise UsageError(
            f"{path}: a store is written as a folder, and this is the name of a {path.suffix} file; name it "
            f"{path.with_suffix('.zarr').name}, and make a zip file of it with `factornet-etl export STORE FILE.zip`"
        )
