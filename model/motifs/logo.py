"""Draw a kernel: its sequence logo, a known motif under it, and the mean signal of each track under both.

`draw` computes the layout, resources/kernel_drawing.svg.j2 writes it as SVG, for the page of all kernels and for files.
A PNG file is that SVG rasterised by resvg.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np
from matplotlib import get_data_path
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

from ...store.files.atomic_write import write_atomic
from .templates import load_template

FloatArray = NDArray[np.float64]

COLOURS = {"A": "#2f9e58", "C": "#2f6fc4", "G": "#e09a1a", "T": "#d0453a"}

_COLUMN, _LEFT, _RIGHT, _GAP = 18, 44, 8, 20  # widths, in units of the SVG
_LOGO, _KNOWN, _SIGNAL = 110, 70, 42  # heights of the panels
_MAX_BITS = 2
_MIN_HEIGHT = 0.012
"""Bits below which a letter is not drawn: it would be less than a unit of the SVG high."""
_PNG_ZOOM = 2


@dataclass(frozen=True, eq=False)
class KernelPicture:
    """Content of the picture of a kernel of w bases.

    Attributes:
        heights: of the letters, bits, shape (w, 4).
        core: first position of the motif and the one past its last; equal without one.
        known: heights of the known motif, shape (m, 4), oriented as the kernel; None for no such panel.
        known_start: position of the kernel at which it begins, may be below 0.
        known_name: its caption.
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
        """Positions to show, first and past the last: those of the kernel, and of the known motif beyond it."""
        if self.known is None:
            return 0, len(self.heights)
        return min(0, self.known_start), max(len(self.heights), self.known_start + len(self.known))


class Letter(NamedTuple):
    """A letter of a logo: base, position, lower edge and height in bits."""

    base: str
    position: int
    bottom: float
    height: float


def letter_heights(probabilities: FloatArray, information: FloatArray | None = None) -> FloatArray:
    """Return the height of each letter, bits, shape (w, 4): its share of the position's information.

    Source: Schneider and Stephens 1990.

    Args:
        probabilities: shape (w, 4).
        information: bits of each position, shape (w,); by default 2 less the entropy.
    """
    if information is None:
        logs = np.log2(np.where(probabilities > 0, probabilities, 1))
        information = 2 + (probabilities * logs).sum(1)
    return np.asarray(probabilities * information[:, None], np.float64)


def logo_letters(heights: FloatArray) -> Iterator[Letter]:
    """Yield the letters of a logo, position by position, the tallest on top; those too low to see are left out."""
    for position, row in enumerate(heights):
        bottom = 0.0
        for i in np.argsort(row, kind="stable"):
            if row[i] > _MIN_HEIGHT:
                yield Letter("ACGT"[i], position, bottom, float(row[i]))
            bottom += float(row[i])


# Layout: positions and sizes in units of the SVG, y downwards


@dataclass(frozen=True)
class LogoPanel:
    """A logo over an axis of 0 to 2 bits.

    Attributes:
        top: y of its upper edge.
        height: of 2 bits.
        title: caption above it; may be empty.
        ticks: y and number of each tick of the axis.
        letters: base and SVG matrix of each letter, from the unit square.
    """

    top: int
    height: int
    title: str
    ticks: Sequence[tuple[float, int]]
    letters: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class SignalPanel:
    """The mean signal of a track: a line between the middles of the positions, filled down to 0.

    Attributes:
        top: y of its upper edge.
        height: of the axis.
        title: name of the track.
        low: number at the axis' lower end.
        high: number at its upper end.
        zero: y of 0.
        line: SVG path.
        area: SVG path.
    """

    top: int
    height: int
    title: str
    low: str
    high: str
    zero: str
    line: str
    area: str


@dataclass(frozen=True)
class Drawing:
    """A picture, laid out.

    Attributes:
        width: of the whole.
        height: of the whole.
        left: x of the panels; x within them counts from here.
        axis_width: of the panels.
        kernel_x: x of the kernel's first position.
        core_x: x of the core's first position.
        core_width: 0 without a core.
        logos: kernel, known motif.
        signals: one a track.
        numbers: x and number, from 1, of positions.
        numbers_top: their y.
    """

    width: int
    height: int
    left: int
    axis_width: int
    kernel_x: int
    core_x: int
    core_width: int
    logos: Sequence[LogoPanel]
    signals: Sequence[SignalPanel]
    numbers: Sequence[tuple[int, int]]
    numbers_top: int


def draw(picture: KernelPicture) -> Drawing:
    """Lay out a picture."""
    first, stop = picture.span
    kernel_x, top = -first * _COLUMN, _GAP
    logos = [_logo_panel(top, _LOGO, "", picture.heights, kernel_x)]
    top += _LOGO + _GAP
    if picture.known is not None:
        known_x = kernel_x + picture.known_start * _COLUMN
        logos.append(_logo_panel(top, _KNOWN, picture.known_name, picture.known, known_x))
        top += _KNOWN + _GAP
    signals = []
    for name, values in picture.signals.items():
        signals.append(_signal_panel(top, name, values, kernel_x))
        top += _SIGNAL + _GAP
    numbered = [i for i in range(len(picture.heights)) if i == 0 or i % 5 == 4]
    return Drawing(
        width=_LEFT + _COLUMN * (stop - first) + _RIGHT,
        height=top + 4,
        left=_LEFT,
        axis_width=_COLUMN * (stop - first),
        kernel_x=kernel_x,
        core_x=kernel_x + picture.core[0] * _COLUMN,
        core_width=(picture.core[1] - picture.core[0]) * _COLUMN,
        logos=logos,
        signals=signals,
        numbers=[(kernel_x + i * _COLUMN + _COLUMN // 2, i + 1) for i in numbered],
        numbers_top=top,
    )


def _logo_panel(top: int, height: int, title: str, heights: FloatArray, left: int) -> LogoPanel:
    scale = height / _MAX_BITS
    letters = [
        (
            base,
            f"matrix({_COLUMN - 1} 0 0 {size * scale:.1f} {left + position * _COLUMN + 0.5:g} "
            f"{height - (bottom + size) * scale:.1f})",
        )
        for base, position, bottom, size in logo_letters(heights)
    ]
    ticks = [(height - bits * scale + 3.5, bits) for bits in range(_MAX_BITS + 1)]
    return LogoPanel(top, height, title, ticks, letters)


def _signal_panel(top: int, name: str, values: FloatArray, left: int) -> SignalPanel:
    low, high = _axis_limits(values)
    y = (high - np.append(values, 0)) / (high - low) * _SIGNAL
    middle, zero = left + _COLUMN // 2, f"{y[-1]:.1f}"
    line = "L".join(f"{middle + i * _COLUMN} {v:.1f}" for i, v in enumerate(y[:-1]))
    area = f"M{middle} {zero}L{line}L{middle + (len(values) - 1) * _COLUMN} {zero}Z"
    return SignalPanel(top, _SIGNAL, name, f"{low:.3g}", f"{high:.3g}", zero, f"M{line}", area)


def _axis_limits(values: FloatArray) -> tuple[float, float]:
    """Return the range of a signal's axis; it includes 0, so that a dip looks as deep as it is."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    return (low, high) if high > low else (0.0, 1.0)


@cache
def letter_outlines() -> dict[str, str]:
    """Return the SVG path of each base's letter, filling the unit square, y downwards."""
    return {base: _path_data(_glyph(base)) for base in COLOURS}


def _glyph(base: str) -> Path:
    path = TextPath((0, 0), base, size=100, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    return path.transformed(Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height))


def _path_data(path: Path) -> str:
    commands = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    pieces = []
    for points, code in path.iter_segments(simplify=False):
        coordinates = " ".join(f"{x:.3f} {1 - y:.3f}" for x, y in points.reshape(-1, 2))
        pieces.append(commands[code] + ("" if code == Path.CLOSEPOLY else coordinates))
    return "".join(pieces)


# Files


def render_svg(picture: KernelPicture, title: str) -> str:
    """Return the picture as a complete SVG document (resources/kernel.svg.j2)."""
    return load_template("kernel.svg.j2").render(
        title=title, d=draw(picture), colours=COLOURS, outlines=letter_outlines()
    )


def render_png(svg: str) -> bytes:
    """Rasterise an SVG document at two pixels per unit, with matplotlib's DejaVu Sans instead of system fonts."""
    from resvg_py import svg_to_bytes

    fonts = FilePath(get_data_path()) / "fonts" / "ttf"
    return bytes(
        svg_to_bytes(
            svg_string=svg,
            zoom=_PNG_ZOOM,
            skip_system_fonts=True,
            font_files=[str(fonts / "DejaVuSans.ttf")],
            sans_serif_family="DejaVu Sans",
        )
    )


def save_pictures(stem: FilePath, picture: KernelPicture, title: str, *, formats: Sequence[str]) -> None:
    """Write ``<stem>.svg``, ``<stem>.png`` or both (`formats`); the same picture gives the same bytes.

    Raises:
        InputError: a file cannot be written.
    """
    svg = render_svg(picture, title)
    for suffix in formats:
        content = svg.encode() if suffix == "svg" else render_png(svg)
        write_atomic(stem.with_name(f"{stem.name}.{suffix}"), content)
