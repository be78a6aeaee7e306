"""Choose how the catalogue beside a destination is kept: on a local file system, or in object storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...store.location import is_remote, with_forward_slashes
from ..transfer.choose_destination import open_destination
from .entry import Statements
from .keep import CatalogueUpdate, check_catalogue, record_export

Keeper = Callable[[Statements], CatalogueUpdate]
"""Writes card and entry of the store that was exported."""


def catalogue_keeper(destination: str | Path) -> Keeper:
    """Check the catalogue beside a destination before the copy; return what keeps it afterwards.

    Args:
        destination: path or URL of the store that will be written.

    Raises:
        InputError: what is there is damaged, or no catalogue.
        StoreError: the server failed or refuses.
        UsageError: nothing can be written to such a URL.
    """
    text = with_forward_slashes(destination)
    if not is_remote(text):
        path = Path(text).resolve()
        check_catalogue(path.parent)
        return lambda statements: record_export(path, statements=statements)
    open_destination(text)  # raises where it is no object storage
    from .keep_in_bucket import check_in_bucket, record_in_bucket

    check_in_bucket(text)
    return lambda statements: record_in_bucket(text, statements=statements)
