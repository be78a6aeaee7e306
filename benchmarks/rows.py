"""Rows of the benchmarks' table: ours against theirs, measured in pairs that take turns in one run.

A row is a dict of name, ours, theirs, unit, ratio = ours / theirs, and spread, the least and the largest ratio of the
pairs. Figures are those of the pair in the middle. `note` is there where a figure needs one. A peer that is not
installed leaves a row of its name and the reason, `skipped`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

Row = dict[str, Any]


def make_parser(description: str | None, *, repeats: int = 5) -> argparse.ArgumentParser:
    """Options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows here")
    parser.add_argument("--repeats", type=_positive, default=repeats, metavar="N", help=f"pairs ({repeats})")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def measure_pairs(
    ours: Callable[[int], float], theirs: Callable[[int], float], repeats: int
) -> tuple[list[float], list[float]]:
    """Figures of both, each called with the number of the pair, from 1; number 0 warms up and does not count.

    Who goes first alternates: a neighbour's load, which comes and goes, then favours neither.
    """
    figures: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 1):
        for k in (0, 1) if repeat % 2 else (1, 0):
            figure = (ours, theirs)[k](repeat)
            if repeat:
                figures[k].append(figure)
    return figures


def make_row(name: str, figures: tuple[Sequence[float], Sequence[float]], unit: str, *, note: str = "") -> Row:
    """The row of pairs of figures, ours and theirs; of an even number of pairs the lower middle counts."""
    pairs = sorted(zip(*figures, strict=True), key=lambda pair: pair[0] / pair[1])
    ratios = [ours / theirs for ours, theirs in pairs]
    middle = (len(pairs) - 1) // 2
    ours, theirs = pairs[middle]
    row = {"name": name, "ours": ours, "theirs": theirs, "unit": unit}
    row |= {"ratio": ratios[middle], "spread": [ratios[0], ratios[-1]]}
    return {**row, "note": note} if note else row


def skipped(name: str, reason: str) -> Row:
    """What stands for a row that cannot be measured here."""
    return {"name": name, "skipped": reason}


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    begin = perf_counter()
    work()
    return perf_counter() - begin


def table(rows: Sequence[Row]) -> str:
    """The rows for people; what was left out comes last."""
    width = max([len(row["name"]) for row in rows], default=0)
    lines = [f"{'':{width}}  {'ours':>11} {'theirs':>11}  {'unit':9}  {'ratio':>7}  spread"]
    for row in rows:
        if "skipped" not in row:
            low, high = row["spread"]
            lines.append(
                f"{row['name']:{width}}  {_figure(row['ours']):>11} {_figure(row['theirs']):>11}  {row['unit']:9}  "
                f"{_ratio(row['ratio']):>7}  {_ratio(low)} - {_ratio(high)}"
                + (f"  ({row['note']})" if "note" in row else "")
            )
    lines += [f"{row['name']:{width}}  skipped: {row['skipped']}" for row in rows if "skipped" in row]
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def finish(rows: Sequence[Row], path: Path | None) -> None:
    """Print the rows, and keep them where the user said."""
    print(table(rows))
    if path is not None:
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
