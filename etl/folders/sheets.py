"""Write the sheets of a cell-line folder, bigwig.txt and chip.txt, and sources.json next to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...store.files.atomic_write import write_atomic
from ...store.files.limited_read import is_there, read_limited
from ..inputs.provenance import SOURCES, read_sources

SHEETS = ("bigwig.txt", "chip.txt")
"""The sheets that are written; meta.txt has values that no file of a folder tells."""
_MAX_SIZE = 16_000_000  # bytes of a sheet
SheetState = Literal["written", "replaced", "unchanged", "kept"]


@dataclass(frozen=True)
class TrackRow:
    """A row of bigwig.txt: file, track, and assay and units where they are known."""

    file: str
    track: str
    assay: str = ""
    units: str = ""


@dataclass(frozen=True)
class ChipRow:
    """A row of chip.txt: conservative peaks, factor, and relaxed peaks where there are some."""

    conservative: str
    factor: str
    relaxed: str = ""


def sheet_texts(tracks: Iterable[TrackRow], chip: Iterable[ChipRow]) -> dict[str, str]:
    """Return the text of each sheet of `SHEETS`, empty where it has no row."""
    bigwig = [(_file(t.file), t.track, *_term("assay", t.assay), *_term("units", t.units)) for t in tracks]
    peaks = [(_file(c.conservative), c.factor, *([_file(c.relaxed)] if c.relaxed else [])) for c in chip]
    return dict(zip(SHEETS, ("".join("\t".join(row) + "\n" for row in rows) for rows in (bigwig, peaks)), strict=True))


def _term(key: str, value: str) -> list[str]:
    return [f"{key}={value}"] if value else []


def _file(name: str) -> str:
    return f"./{name}" if name.startswith(("#", '"')) else name


def differing_sheets(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Return the sheets that exist and are others than these; a sheet without a text here is not looked at.

    Raises:
        InputError: a sheet cannot be read.
    """
    paths = ((folder / name, text) for name, text in texts.items())
    return [path for path, text in paths if text and is_there(path) and read_limited(path, _MAX_SIZE) != text.encode()]


def write_sheets(folder: Path, texts: Mapping[str, str], *, force: bool) -> dict[str, SheetState]:
    """Write sheets; those that exist and are others are kept, or with `force` replaced; those without a text are kept.

    Returns:
        What became of each sheet that has a text or exists.

    Raises:
        InputError: one cannot be written.
    """
    differing = differing_sheets(folder, texts)
    states: dict[str, SheetState] = {}
    for name, text in texts.items():
        path = folder / name
        if (path in differing and not force) or (path.exists() and not text):
            states[name] = "kept"
        elif path.exists() and path not in differing:
            states[name] = "unchanged"
        elif text:
            states[name] = "replaced" if path.exists() else "written"
            write_atomic(path, text.encode())
    return states


def write_sources(folder: Path, sources: Mapping[str, Mapping[str, str]]) -> None:
    """Write where files of a folder are from, by name, for `read_sources`; what it says of other files is kept.

    Raises:
        InputError: it cannot be written, or one that exists has another form.
    """
    text = json.dumps({**read_sources(folder), **sources}, indent=1, sort_keys=True) + "\n"
    write_atomic(folder / SOURCES, text.encode())
