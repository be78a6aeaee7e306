"""Colours of figures, text in them, and how a figure is saved."""

from __future__ import annotations

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


def save_figure(figure: Figure, path: Path) -> None:
    """Save a figure atomically, as PNG, PDF or SVG by the suffix of `path`.

    Raises:
        InputError: the file cannot be written.
    """
    FigureCanvasAgg(figure)
    metadata = {"Software": None} if path.suffix == ".png" else None  # no version: equal figures have equal bytes
    with named_write_errors(path), replacing(path) as part:
        figure.savefig(part, dpi=120, metadata=metadata)
