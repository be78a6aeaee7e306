"""Plot measures of several models, factors and cell lines with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from ..figures import GREY, INK, RED, plain_text, save_figure
from .comparison import Comparison

_DRAWN = {
    "average_precision": "average precision",
    "auroc": "auROC",
    "recall_at_10_fdr": "recall at 10 % FDR",
    "recall_at_50_fdr": "recall at 50 % FDR",
}
_COLOURS = (INK, RED, "#4f8a3c", "#c98f1b", "#7a4b94", "#2a9d9d")
_ROW = 0.28  # inches


def plot_comparison(comparisons: Sequence[Comparison], path: Path, *, baselines: Sequence[str] = ()) -> None:
    """Plot each model's measures as points with their 95 % intervals, a group of rows for each factor and cell line.

    Args:
        comparisons: at least one.
        path: of the picture.
        baselines: names that are drawn in grey.

    Raises:
        InputError: the picture cannot be written.
    """
    rows = [(comparison, name) for comparison in comparisons for name in comparison.whole.models]
    models = list(dict.fromkeys(name for _, name in rows if name not in baselines))
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(models)}
    gaps = [i for i, (c, _) in enumerate(rows) if i and c is not rows[i - 1][0]]
    places = [i + 0.8 * sum(gap <= i for gap in gaps) for i in range(len(rows))]
    figure = Figure(figsize=(12, 1.3 + _ROW * (places[-1] + 1.5 + len(comparisons))), layout="constrained")
    panels = figure.subplots(1, len(_DRAWN), sharey=True, squeeze=False)[0]
    for axes, (measure, title) in zip(panels, _DRAWN.items(), strict=True):
        for place, (comparison, name) in zip(places, rows, strict=True):
            measured = comparison.whole.models[name]
            value, bounds = asdict(measured.scores)[measure], measured.intervals[measure]
            colour = colours.get(name, GREY)
            if bounds is not None:
                axes.plot([bounds.low, bounds.high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot(value, place, "o", color=colour, markersize=5)
        least = min([0.5, *(asdict(c.whole.models[n].scores)["auroc"] for c, n in rows)]) if measure == "auroc" else 0
        axes.set(title=title, xlim=(least - 0.02 * (1 - least), 1 + 0.02 * (1 - least)))
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(places, [plain_text(name) for _, name in rows])
    panels[0].set_ylim(places[-1] + 0.6, -1.4)
    for first in (0, *gaps):
        comparison = rows[first][0]
        heading = plain_text(f"{comparison.factor} in {comparison.cell}")
        panels[0].text(0, places[first] - 0.75, heading, weight="bold", transform=panels[0].get_yaxis_transform())
    figure.supxlabel("points: all bins; bars: 95 % intervals", fontsize=9, color=GREY)
    save_figure(figure, path)
