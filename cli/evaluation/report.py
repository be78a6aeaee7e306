"""Show comparisons as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..common.output import print_line, print_table
from .baseline_options import BASELINE
from .notes import Notes
from .predictions import Predictions

if TYPE_CHECKING:
    from ...model.evaluation.bootstrap import Interval
    from ...model.evaluation.comparison import Comparison, PartResult


_HEADERS = {
    "average_precision": "average\nprecision",
    "auprc_davis_goadrich": "auPRC\n(PRROC)",
    "auroc": "auROC",
    "recall_at_10_fdr": "recall at\n10 % FDR",
    "recall_at_50_fdr": "recall at\n50 % FDR",
}
"""Measures by field of `Scores`, and their columns, so narrow that a table fits on a terminal."""


@dataclass(frozen=True, kw_only=True)
class GroupReport:
    """Results of one factor in one cell line.

    Attributes:
        comparison: measures of models and baselines.
        models: predictions by name of the model.
        baseline: the fitted one, as JSON values; None without it.
        notes: what was said of the files as they were read.
    """

    comparison: Comparison
    models: Mapping[str, Predictions]
    baseline: Mapping[str, Any] | None
    notes: Notes

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        found, whole = self.comparison, self.comparison.whole
        return {
            "cell": found.cell,
            "factor": found.factor,
            "ambiguous": found.n_ambiguous,
            "without_score_of_all": found.n_without,
            "bootstrap": {"replicates": found.replicates, "blocks": whole.n_blocks, "block_size": whole.block_size},
            **_part_json(whole),
            "chromosomes": {
                name: {"blocks": part.n_blocks, "block_size": part.block_size, **_part_json(part)}
                for name, part in found.chromosomes.items()
            },
            "baseline": self.baseline,
            "models": {
                name: {
                    "file": str(p.path),
                    "input": dict(p.counts),
                    "record": p.record.to_json() if p.record else None,
                    "seen": asdict(p.seen) if p.seen else None,
                }
                for name, p in self.models.items()
            },
        }


def name_models(group: Sequence[Predictions], *, only: bool) -> list[str]:
    """Return a name of each file's model among those of one factor and cell line, each once.

    Models are called as their folder, or as their file, or by its whole path.

    Args:
        group: the files.
        only: whether there is one file in all, whose model is ``model``.
    """
    if only:
        return ["model"]
    for names in ([p.model for p in group], [p.path.name for p in group]):
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(p.path) for p in group]


def print_report(group: GroupReport) -> None:
    """Print the measures of one factor in one cell line, and the differences between models."""
    found, whole, fitted = group.comparison, group.comparison.whole, group.baseline
    first = next(iter(whole.models.values())).scores
    print_line(
        f"{found.factor} in {found.cell}: {first.n:,} bins, {first.positives:,} bound "
        f"(prevalence {first.prevalence:.4f}), {found.n_ambiguous:,} ambiguous excluded"
    )
    if found.n_without:
        print_line(f"{found.n_without:,} other bins left out: not all files have a score of them")
    if fitted:
        print_line(
            f"{BASELINE}: motif {fitted['motif']} and track {fitted['track']}, fitted on {fitted['n_bound']:,} bound "
            f"and {fitted['n_unbound']:,} unbound bins of {', '.join(fitted['cells'])}"
        )
    print_table("", ("", *_HEADERS.values()), _measure_rows(whole))
    if whole.differences:
        headers = {k: title for k, title in _HEADERS.items() if k != "auprc_davis_goadrich"}  # as average precision
        rows = [
            (f"{d.first} - {d.second}", *(_difference(d.values[k], d.intervals[k]) for k in headers))
            for d in whole.differences
        ]
        print_table("", ("difference on\nthe same bins", *headers.values()), rows)
    for name, part in found.chromosomes.items():
        n, bound = (getattr(next(iter(part.models.values())).scores, key) for key in ("n", "positives"))
        print_table(f"{name}: {n:,} bins, {bound:,} bound", ("", *_HEADERS.values()), _measure_rows(part))
    print_line(
        f"second lines: 95 % intervals, from {found.replicates:,} bootstrap samples of {whole.n_blocks:,} blocks of "
        f"{whole.block_size // 1000:,} kb"
    )


def _measure_rows(part: PartResult) -> list[tuple[str, ...]]:
    rows = []
    for name, measured in part.models.items():
        values = asdict(measured.scores)
        rows.append((name, *(_with_interval(values[k], measured.intervals[k]) for k in _HEADERS)))
    return rows


def _with_interval(value: float, bounds: Interval | None) -> str:
    """Format a measure, and its interval on a second line."""
    if bounds is None:
        return f"{value:.4f}\n-"
    return f"{value:.4f}\n{_short(bounds.low)}-{_short(bounds.high)}"


def _difference(value: float, bounds: Interval | None) -> str:
    """Format a difference with its sign, and its interval on a second line."""
    if bounds is None:
        return f"{value:+.4f}\n-"
    return f"{value:+.4f}\n{_short(bounds.low, sign='+')} {_short(bounds.high, sign='+')}"


def _short(value: float, *, sign: str = "") -> str:
    """Format without the leading zero, so that five measures fit on a terminal."""
    return f"{value:{sign}.3f}".replace("0.", ".", 1)


def _part_json(part: PartResult) -> dict[str, Any]:
    return {
        "scores": {name: m.scores.to_json() for name, m in part.models.items()},
        "intervals": {name: _intervals_json(m.intervals) for name, m in part.models.items()},
        "differences": [
            {"first": d.first, "second": d.second, "values": dict(d.values), "intervals": _intervals_json(d.intervals)}
            for d in part.differences
        ],
    }


def _intervals_json(intervals: Mapping[str, Interval | None]) -> dict[str, list[float] | None]:
    return {name: None if bounds is None else [bounds.low, bounds.high] for name, bounds in intervals.items()}
