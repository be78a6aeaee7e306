"""Draw the quality of the reads behind a signal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....etl.reads.quality import TSS_REACH
from ....etl.reads.read_set import LONGEST_TEMPLATE
from ....model.figures import GREY, INK, RED, plain_text, save_figure

_SMOOTH = 21  # bases


def draw_quality(found: Mapping[str, Any], path: Path) -> None:
    """Draw what became of the reads, lengths of fragments and cuts around transcription starts, as far as known.

    Args:
        found: figures, as of `SignalReport.describe`.
        path: of the picture.

    Raises:
        InputError: it cannot be written.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    reads, lengths, starts = figure.subplots(1, 3)
    _draw_reads(reads, found)
    _draw_lengths(lengths, np.array(found["templates"]))
    _draw_starts(starts, found)
    names = ", ".join(found["files"][:3]) + (" ..." if len(found["files"]) > 3 else "")
    figure.suptitle(plain_text(names), fontsize=10)
    save_figure(figure, path)


def _draw_reads(axes: Axes, found: Mapping[str, Any]) -> None:
    rows = {"used": found["used"], **found["dropped"]}
    colours = [INK, *[GREY] * len(found["dropped"])]
    axes.barh([plain_text(name) for name in rows], list(rows.values()), color=colours, height=0.7)
    axes.set_ylim(-0.6, max(len(rows), 4) - 0.4)  # a single bar does not fill the picture
    axes.bar_label(axes.containers[0], [f" {n:,}" for n in rows.values()], fontsize=8)  # type: ignore[arg-type]
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set(title=f"{found['reads']:,} reads", xlabel="reads")
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_lengths(axes: Axes, counts: np.ndarray[Any, Any]) -> None:
    axes.set(title="fragments", xlabel="length in bases", ylabel="fragments")
    axes.spines[["top", "right"]].set_visible(False)
    if not counts[1:].any():
        _say(axes, "no proper pairs")
        return
    axes.fill_between(np.arange(1, LONGEST_TEMPLATE + 1), counts[1 : LONGEST_TEMPLATE + 1], color=INK, alpha=0.8, lw=0)
    axes.set_ylim(0)
    axes.set_xlim(0, LONGEST_TEMPLATE)
    if counts[-1]:
        axes.text(0.98, 0.95, f"{counts[-1]:,} longer", ha="right", va="top", transform=axes.transAxes, fontsize=8)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY)
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")


def _draw_starts(axes: Axes, found: Mapping[str, Any]) -> None:
    axes.set(title="transcription starts", xlabel="bases from the start", ylabel="cuts, relative to the ends")
    axes.spines[["top", "right"]].set_visible(False)
    if found["tss_profile"] is None:
        _say(axes, "no transcripts given")
        return
    profile = np.array(found["tss_profile"], float)
    outside = np.concatenate([profile[:100], profile[-100:]]).mean()
    smooth = np.convolve(profile / (outside or 1), np.full(_SMOOTH, 1 / _SMOOTH), "valid")
    axes.plot(np.arange(smooth.size) - TSS_REACH + _SMOOTH // 2, smooth, color=INK, lw=1)
    axes.axhline(1, color=GREY, lw=0.8, ls=":")
    if found["tss_enrichment"] is not None:
        text = f"enrichment {found['tss_enrichment']:.1f}"
        axes.text(0.98, 0.95, text, ha="right", va="top", transform=axes.transAxes, fontsize=8, color=RED)
