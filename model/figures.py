"""Colours of figures, text in them, and how a figure is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..store.files.atomic_write import named_write_errors, replacing
from ..store.text import printable

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
INK, GREY, RED = "#1f4e79", "#8c8c8c", "#b5432a"


def plain_text(text: str) -> str:
    """Return text that matplotlib draws as it is: without control characters, and ``$`` as a dollar sign."""
    return printable(text).replace("$", r"\$")


def save_figure(
    figure: Figure,
    path: Path,
    *,
    text: Mapping[str, str] | None = None,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Save a figure atomically, as PNG, PDF or SVG by the suffix of `path`.

    Args:
        figure: to save; equal figures with equal texts give equal PNG files.
        path: of the file.
        text: texts by keyword that a PNG carries, in ASCII; other formats have none.
        check: called before the file takes its place; what it raises leaves that as it is.

    Raises:
        InputError: the file cannot be written.
    """
    FigureCanvasAgg(figure)
    # No version of matplotlib: equal figures have equal bytes.
    metadata = {"Software": None, **(text or {})} if path.suffix.lower() == ".png" else None
    with named_write_errors(path), replacing(path) as part:
        figure.savefig(part, dpi=120, metadata=metadata)
        check()
