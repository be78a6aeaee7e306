"""Draw a kernel: its sequence logo, a known motif under it, and the mean signal of each track under both.

`logo_letters` says where each letter goes. `svg` writes a small piece of SVG for a web page, whose style sheet has the
colours; `figure` makes a matplotlib figure, to save as PNG or SVG.
"""

from __future__ import annotations

import html
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

from ...store.storage.files import write_atomic

FloatArray = NDArray[np.float64]

COLOURS = {"A": "#2f9e58", "C": "#2f6fc4", "G": "#e09a1a", "T": "#d0453a"}
_INK, _GREY, _CORE = "#1f4e79", "#8c8c8c", "#7f7f7f22"

_COLUMN, _LEFT, _RIGHT, _GAP = 18, 44, 8, 20  # widths in the SVG, in its units
_LOGO, _KNOWN, _SIGNAL = 110, 70, 42  # heights of the panels
_FAINT = 0.012
"""Bits below which a letter is not drawn: less than a unit of the SVG."""


@dataclass(frozen=True, eq=False)
class KernelPicture:
    """What to draw of a kernel of w bases.

    Attributes:
        heights: of the letters, bits, shape (w, 4).
        core: first place of the motif and the one past its last; equal where there is none.
        known: heights of the known motif, shape (m, 4), as it lies on the kernel; None for no such panel.
        known_start: place of the kernel at which it begins, may be below 0.
        known_name: what to write beside it.
        signals: track name -> mean signal, shape (w,).
    """

    heights: FloatArray
    core: tuple[int, int]
    known: FloatArray | None = None
    known_start: int = 0
    known_name: str = ""
    signals: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def span(self) -> tuple[int, int]:
        """Places to show, first and past the last: those of the kernel, and what of the known motif sticks out."""
        if self.known is None:
            return 0, len(self.heights)
        return min(0, self.known_start), max(len(self.heights), self.known_start + len(self.known))


class Letter(NamedTuple):
    """A letter of a logo: its base, place, lower edge and height."""

    base: str
    location: int
    bottom: float
    height: float


def letter_heights(probabilities: FloatArray, information: FloatArray | None = None) -> FloatArray:
    """Height of each letter, bits, shape (w, 4): its share of the place's information.

    Args:
        probabilities: shape (w, 4).
        information: bits of each place, shape (w,); left out, it is 2 less the entropy.
    """
    if information is None:
        logs = np.log2(np.where(probabilities > 0, probabilities, 1))
        information = 2 + (probabilities * logs).sum(1)
    return np.asarray(probabilities * information[:, None], np.float64)


def logo_letters(heights: FloatArray) -> Iterator[Letter]:
    """The letters of a logo, place by place, the tallest on top; those too low to see are left out."""
    for location, row in enumerate(heights):
        bottom = 0.0
        for i in np.argsort(row, kind="stable"):
            if row[i] > _FAINT:
                yield Letter("ACGT"[i], location, bottom, float(row[i]))
            bottom += float(row[i])


@cache
def _glyph(base: str) -> Path:
    """Outline of a letter that fills the unit square."""
    path = TextPath((0, 0), base, size=100, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    return path.transformed(Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height))


def _limits(values: FloatArray) -> tuple[float, float]:
    """Range of a signal's axis; 0 is in it, so that a dip looks as deep as it is."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    return (low, high) if high > low else (0.0, 1.0)


# As SVG


def svg_symbols() -> str:
    """The letters as shapes that `svg` refers to; once a page, before the pictures."""
    shapes = "".join(f'<path id="letter-{base}" d="{_path_data(_glyph(base))}"/>' for base in COLOURS)
    return f'<svg width="0" height="0" aria-hidden="true"><defs>{shapes}</defs></svg>'


def _path_data(path: Path) -> str:
    """SVG commands of a path of the unit square, with y downwards."""
    commands = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    pieces = []
    for points, code in path.iter_segments(simplify=False):
        places = " ".join(f"{x:.3f} {1 - y:.3f}" for x, y in points.reshape(-1, 2))
        pieces.append(commands[code] + ("" if code == Path.CLOSEPOLY else places))
    return "".join(pieces)


def svg(picture: KernelPicture, label: str) -> str:
    """The picture as an SVG element for a page that has `svg_symbols`, and styles for the classes used here.

    Args:
        picture: what to draw.
        label: what it shows, for those who cannot see it.
    """
    first, last = picture.span
    parts, top = [], _GAP
    for height, content in _svg_panels(picture):
        parts.append(f'<g transform="translate({_LEFT} {top})">{content}</g>')
        top += height + _GAP
    places = [i for i in range(len(picture.heights)) if i == 0 or i % 5 == 4]
    numbers = "".join(_svg_text(_x(picture, i) + _COLUMN / 2, 0, str(i + 1), "middle") for i in places)
    parts.append(f'<g transform="translate({_LEFT} {top})">{numbers}</g>')
    width = _LEFT + _COLUMN * (last - first) + _RIGHT
    head = f'<svg viewBox="0 0 {width} {top + 4}" style="max-width: {width}px" role="img"'
    return f'{head} aria-label="{html.escape(label)}">{"".join(parts)}</svg>'


def _x(picture: KernelPicture, location: int) -> int:
    return (location - picture.span[0]) * _COLUMN


def _svg_text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text text-anchor="{anchor}" x="{x:g}" y="{y:g}">{html.escape(text)}</text>'


def _svg_panels(picture: KernelPicture) -> Iterator[tuple[int, str]]:
    """Height and content of each panel, from top to bottom."""
    start, stop = picture.core
    box = f'<rect class="core" x="{_x(picture, start)}" width="{(stop - start) * _COLUMN}" height="{_LOGO}"/>'
    yield _LOGO, box + _svg_logo(picture, picture.heights, 0, _LOGO)
    if picture.known is not None:
        name = _svg_text(_x(picture, 0), -3, picture.known_name, "start")
        yield _KNOWN, name + _svg_logo(picture, picture.known, picture.known_start, _KNOWN)
    for name, values in picture.signals.items():
        yield _SIGNAL, _svg_signal(picture, name, values)


def _svg_logo(picture: KernelPicture, heights: FloatArray, start: int, height: int) -> str:
    """An axis of 0 to 2 bits, and the letters as uses of the shapes."""
    scale, width = height / 2, _x(picture, picture.span[1])
    ticks = "".join(_svg_text(-6, height - bits * scale + 3.5, f"{bits}", "end") for bits in (0, 1, 2))
    letters = "".join(
        f'<use href="#letter-{base}" class="{base}" transform="matrix({_COLUMN - 1} 0 0 {size * scale:.1f} '
        f'{_x(picture, start + location) + 0.5:g} {height - (bottom + size) * scale:.1f})"/>'
        for base, location, bottom, size in logo_letters(heights)
    )
    title = f'<text text-anchor="middle" transform="translate(-26 {height / 2:g}) rotate(-90)">bits</text>'
    return f'<path class="axis" d="M0 {height}H{width}"/>{ticks}{title}{letters}'


def _svg_signal(picture: KernelPicture, name: str, values: FloatArray) -> str:
    """A track's mean signal, as a line from the middle of the first place to that of the last, filled down to 0."""
    low, high = _limits(values)
    y = (high - np.append(values, 0)) / (high - low) * _SIGNAL
    left, base = _x(picture, 0), float(y[-1])
    line = "L".join(f"{left + (i + 0.5) * _COLUMN:g} {v:.1f}" for i, v in enumerate(y[:-1]))
    right = left + (len(values) - 0.5) * _COLUMN
    area = f'<path class="area" d="M{left + _COLUMN / 2:g} {base:.1f}L{line}L{right:g} {base:.1f}Z"/>'
    axis = f'<path class="axis" d="M0 {base:.1f}H{_x(picture, picture.span[1])}"/>'
    ticks = _svg_text(-6, 3.5, f"{high:.3g}", "end") + _svg_text(-6, _SIGNAL + 3.5, f"{low:.3g}", "end")
    return axis + area + f'<path class="line" d="M{line}"/>' + ticks + _svg_text(left, -3, name, "start")


# As a figure


def figure(picture: KernelPicture, title: str) -> Figure:
    """The picture as a matplotlib figure."""
    known = [] if picture.known is None else [picture.known]
    ratios = [_LOGO, *(_KNOWN for _ in known), *(_SIGNAL for _ in picture.signals)]
    first, last = picture.span
    wide, high = 0.85 + 0.24 * (last - first), 0.6 + sum(ratios) / 60 + 0.3 * len(ratios)
    drawn = Figure(figsize=(wide, high))
    # Margins in inches, worked out here: matplotlib's own layouts draw the figure twice or more to find them.
    drawn.subplots_adjust(left=0.7 / wide, right=1 - 0.15 / wide, bottom=0.35 / high, top=1 - 0.35 / high)
    spacing = {"height_ratios": ratios, "hspace": 0.3 * 60 * len(ratios) / sum(ratios)}
    panels = drawn.subplots(len(ratios), 1, sharex=True, squeeze=False, gridspec_kw=spacing)[:, 0]
    panels[0].axvspan(picture.core[0], picture.core[1], color=_CORE, linewidth=0)
    _draw_logo(panels[0], picture.heights, 0)
    panels[0].set_title(title, loc="left", fontsize=11)
    for axes, heights in zip(panels[1:], known, strict=False):
        _draw_logo(axes, heights, picture.known_start)
        axes.set_title(picture.known_name, loc="left", fontsize=9, color=_GREY)
    middles = np.arange(len(picture.heights)) + 0.5
    for axes, (name, values) in zip(panels[1 + len(known) :], picture.signals.items(), strict=True):
        axes.fill_between(middles, values, color=_INK, alpha=0.2, linewidth=0)
        axes.plot(middles, values, color=_INK, linewidth=1.2, clip_on=False)
        axes.set_ylim(*_limits(values))
        axes.set_title(name, loc="left", fontsize=9, color=_GREY)
    places = [i for i in range(len(picture.heights)) if i == 0 or i % 5 == 4]
    panels[-1].set_xticks([i + 0.5 for i in places], [str(i + 1) for i in places])
    panels[-1].set_xlim(first, last)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _draw_logo(axes: Axes, heights: FloatArray, start: int) -> None:
    outlines: dict[str, list[Path]] = {base: [] for base in COLOURS}
    for base, location, bottom, size in logo_letters(heights):
        move = Affine2D().scale(0.94, size).translate(start + location + 0.03, bottom)
        outlines[base].append(_glyph(base).transformed(move))
    for base, paths in outlines.items():
        if paths:
            axes.add_patch(PathPatch(Path.make_compound_path(*paths), color=COLOURS[base], linewidth=0))
    axes.set(ylim=(0, 2), yticks=(0, 1, 2), ylabel="bits")


def save_pictures(stem: FilePath, picture: KernelPicture, title: str, *, formats: Sequence[str]) -> None:
    """Save the figure as ``<stem>.png``, ``<stem>.svg`` or both (`formats`); the same picture gives the same bytes.

    Raises:
        InputError: a file cannot be written.
    """
    drawn = figure(picture, title)
    FigureCanvasAgg(drawn)
    for suffix in formats:
        data = io.BytesIO()
        with rc_context({"svg.hashsalt": "factornet"}):
            drawn.savefig(data, format=suffix, dpi=110, metadata={"Date": None} if suffix == "svg" else {})
        write_atomic(stem.with_name(f"{stem.name}.{suffix}"), data.getvalue())
