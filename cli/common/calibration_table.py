"""Print what the scores of a model mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from .output import print_line

if TYPE_CHECKING:
    from ...model.model_dir.calibration import Calibration

_RATES = (0.1, 0.5)


def print_calibrations(calibrations: Mapping[str, Calibration]) -> None:
    """Print calibration errors, and score and recall at two false discovery rates; nothing if there are none."""
    for factor, found in calibrations.items():
        print_line(
            f"calibration of {factor}: {found.bound:,} of {found.bins:,} bins bound; mean distance of scores above "
            f"0.01 from observed frequencies {found.error_before:.4f}, calibrated {found.error_after:.4f}"
        )
        for rate in _RATES:
            print_line(f"  false discovery rate of {rate:.0%}: {_at_rate(found, rate)}")


def _at_rate(found: Calibration, fdr: float) -> str:
    try:
        rates = found.at_threshold(found.threshold_for(fdr))
    except UsageError:
        return "no score has so low a rate"
    return (
        f"scores of at least {rates.score:.3f} (90 % interval {rates.low:.1%} to {rates.high:.1%}), which find "
        f"{rates.recall:.1%} of the bound bins"
    )
