"""Plot tracks, peaks and predicted probabilities of one region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.spans import read_span
from ..figures import GREY, INK, RED, plain_text, save_figure
from ..prediction.bins import Bins


def best_locus(bins: Bins, scores: NDArray[np.float32], names: Sequence[str], lengths: Sequence[int]) -> Region:
    """Return the 20 kb around the bin with the highest score."""
    top = int(np.argmax(scores))
    chrom, middle = int(bins.chrom[top]), int(bins.start[top] + bins.stop[top]) // 2
    start = max(0, min(middle - 10_000, lengths[chrom] - 20_000))
    return Region(names[chrom], start, min(start + 20_000, lengths[chrom]))


def plot_locus(
    store: Store, cell: str, factor: str, *, bins: Bins, scores: NDArray[np.float32], region: Region, path: Path
) -> None:
    """Plot signal tracks, peaks and predicted probability of a region, stacked, to `path`."""
    tracks = store.cell(cell).track_names
    figure = Figure(figsize=(10, 1.3 * (len(tracks) + 2)), layout="constrained")
    panels = figure.subplots(len(tracks) + 2, 1, sharex=True, squeeze=False)[:, 0]
    x = np.arange(region.start, region.stop)
    for axes, name in zip(panels, tracks, strict=False):
        signal = read_span(store.track(cell, name, region.chrom), region.start, region.stop)
        axes.fill_between(x, signal, color=GREY, linewidth=0)
        axes.set_ylabel(plain_text(name))
    index = store.coordinates.index(region.chrom)
    peaks_axes, model_axes = panels[-2], panels[-1]
    for row, which in enumerate(("relaxed", "conservative")):
        peaks = store.peaks(cell, factor, which)  # type: ignore[arg-type]
        inside = (peaks.chrom == index) & (peaks.stop > region.start) & (peaks.start < region.stop)
        spans = list(zip(peaks.start[inside], (peaks.stop - peaks.start)[inside], strict=True))
        peaks_axes.broken_barh(spans, (row + 0.15, 0.7), color=RED if row else "#e0b3a8")
    peaks_axes.set(ylim=(0, 2), yticks=[0.5, 1.5], yticklabels=["relaxed peaks", "conservative peaks"])
    shown = (bins.chrom == index) & (bins.stop > region.start) & (bins.start < region.stop)
    order = np.argsort(bins.start[shown])
    middle = ((bins.start + bins.stop) / 2)[shown][order]
    model_axes.fill_between(middle, scores[shown][order], color=INK, linewidth=0)
    model_axes.set(ylim=(0, 1), xlim=(region.start, region.stop), xlabel=plain_text(f"{region.chrom} (bases)"))
    model_axes.set_ylabel("probability")
    model_axes.ticklabel_format(style="plain", axis="x", useOffset=False)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(plain_text(f"{factor} in {cell}"))
    save_figure(figure, path)
