"""Provide the store of an entry of a catalogue, and check that it is the one listed.

Folders are read in place, wherever they are. A zip file on a server is downloaded first, to a hidden file that an
interrupted command leaves to the next one.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ...store.errors import InputError, StoreError, UsageError
from ...store.files.outputs import output_lock
from ...store.location import connect, is_remote
from ...store.reader import Store
from ...store.storage.cache import default_cache
from .catalogue import Catalogue
from .download import download_file
from .entry import CatalogueEntry

_CHANGED = (
    "ask whoever keeps it to verify and export the store again, or, if it is sound, to run `factornet-etl list "
    "--rebuild FOLDER`"
)


@contextmanager
def listed_store(
    catalogue: Catalogue, entry: CatalogueEntry, beside: str, *, on_bytes: Callable[[int], None] = lambda size: None
) -> Iterator[str]:
    """Yield the path or URL at which the store of an entry can be read.

    Args:
        catalogue: that has the entry.
        entry: of the store.
        beside: path next to which a zip file is downloaded, the folder of the cache if it is a URL; the file is removed
            at the end, unless an error was raised.
        on_bytes: called with the number of bytes of each piece that is downloaded.

    Raises:
        StoreError: the server failed or has another file, or the disk is too small.
        InputError: the download cannot be written, or another process writes it.
    """
    if not (catalogue.is_remote and entry.is_zip):
        yield catalogue.locate(entry)
        return
    target = default_cache().folder / "work" / entry.name if is_remote(beside) else Path(beside).absolute()
    path = target.with_name(f".{target.name}.{entry.sha256[:16]}.zip")
    server = connect(catalogue.folder, is_folder=True)
    with output_lock(path, parents=True):
        _remove_older(path, target.name)
        download_file(server, entry.name, path, size=entry.size, sha256=entry.sha256, on_bytes=on_bytes)
        yield str(path)
        path.unlink()


def _remove_older(path: Path, name: str) -> None:
    """Remove what interrupted downloads left of other versions of a store, which are listed no more."""
    for other in path.parent.glob(f".{glob.escape(name)}.*.zip"):
        if other == path or not re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.zip", other.name):
            continue
        with suppress(InputError), output_lock(other):  # unless another process downloads it
            other.unlink(missing_ok=True)


def listed_cells(entry: CatalogueEntry, cells: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the cell lines to be copied: those asked for, or all that the entry lists.

    Raises:
        UsageError: the entry lists none of such a name; the message says what it lists.
    """
    listed = tuple(cell.name for cell in entry.cells)
    wanted = listed if cells is None else tuple(dict.fromkeys(cells))
    if missing := [cell for cell in wanted if cell not in listed]:
        names = ", ".join(listed) or "none"
        raise UsageError(f"{entry.name}: no cell line {missing[0]!r}; the catalogue lists {names}")
    return wanted


def check_listed(store: Store, entry: CatalogueEntry, cells: Sequence[str]) -> None:
    """Check that a store has the genome and cell lines that its entry lists, by the digests of their manifests.

    Raises:
        StoreError: it has others, or is damaged.
    """
    listed = {cell.name: cell.manifest for cell in entry.cells}
    pairs = [("genome", store.info.genome_manifest, entry.genome_manifest)]
    pairs += [(f"cell line {cell}", store.cell(cell).manifest, listed[cell]) for cell in cells]
    for what, found, expected in pairs:
        if found != expected:
            problem = f"its {what} (manifest {found[:16]}...) is not the one in the catalogue ({expected[:16]}...)"
            raise StoreError(store.location, problem, hint=_CHANGED)
