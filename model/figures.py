"""Colours of figures, and how a figure is saved: written beside its place, then renamed."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, GREY, RED = "#1f4e79", "#8c8c8c", "#b5432a"


def save_figure(figure: Figure, path: Path) -> None:
    """Save a figure as PNG, PDF or SVG, by the suffix of `path`."""
    FigureCanvasAgg(figure)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    figure.savefig(part, dpi=120, metadata={"Software": None} if path.suffix == ".png" else None)
    part.replace(path)
