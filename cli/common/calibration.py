"""What scores mean: options and text of calibrated predictions and called sites, and of a model's calibration."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from ...store.errors import UsageError
from ...store.text import format_count
from .arguments import finite_number, naming_option
from .output import print_json, print_line

if TYPE_CHECKING:
    from ...model.model_dir.calibration import Calibration, ScoreRates
    from ...model.model_dir.other_cells import ExpectedRate
    from ...model.model_dir.weights import LoadedModel
    from ...model.prediction.predictor import Predictor
    from ...model.prediction.runs.interval_run import IntervalBins
    from ...model.prediction.runs.region_bins import RegionBins

_RATES = (0.1, 0.5)
_HINT = "calibrate it with `factornet-model calibrate`"


def add_calibration_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of calibrated scores and of calls."""
    parser.add_argument(
        "--fdr",
        type=finite_number,
        metavar="RATE",
        help="also call sites: runs of bins whose scores have at most this false discovery rate on the model's "
        "validation regions, such as 0.1, as narrowPeak next to the output; where the output is there already, "
        "predicted by the same model, only the sites are called",
    )
    parser.add_argument(
        "--uncalibrated",
        action="store_true",
        help="write scores as the network computes them; default: calibrated probabilities, where the model has them",
    )
    parser.add_argument(
        "--prevalence",
        type=finite_number,
        metavar="SHARE",
        help="share of bound bins expected in this cell line, such as 0.004, to which calibrated scores are shifted; "
        "default: that of the validation regions",
    )


def calibration_from_args(options: argparse.Namespace, model: LoadedModel) -> Calibration | None:
    """Return the calibration of the factor to be used; None where the model has none or it is not wanted.

    Raises:
        UsageError: the options need one, and there is none; or they exclude each other.
    """
    wanted = [f"--{name}" for name in ("fdr", "prevalence") if getattr(options, name) is not None]
    if options.uncalibrated:
        if wanted:
            raise UsageError(f"{' and '.join(wanted)}: needs calibrated scores; leave out --uncalibrated")
        return None
    found = model.calibrations.get(options.factor)
    if found is None and wanted:
        raise UsageError(
            f"{' and '.join(wanted)}: {model.name} has no calibration of {options.factor} for its {model.weights} "
            f"weights; {_HINT}"
        )
    if found is not None and options.fdr is not None:
        with naming_option("--prevalence"):
            rates = found.with_rates_at(options.prevalence)
        with naming_option("--fdr"):
            rates.threshold_for(options.fdr)
    return found


def check_calibrated(options: argparse.Namespace, models: Sequence[LoadedModel]) -> None:
    """Check that networks over blocks have the calibration that their training writes: without it scores are others.

    Raises:
        UsageError: one has none, and raw scores are not asked for.
    """
    from ...model.network.block_ensemble import BlockEnsemble

    trained = [m for m in models if isinstance(m.network, BlockEnsemble) and m.weights == "best"]
    names = [m.name for m in trained if not m.is_calibrated]
    if names and not options.uncalibrated:
        raise UsageError(
            f"{', '.join(names)}: no calibration.json of these weights, which training writes at its end; copy the "
            "folder again, let the training end (--resume), or calibrate it (factornet-model calibrate); with "
            "--uncalibrated scores are as the networks compute them"
        )


def call_from_args(options: argparse.Namespace, predictor: Predictor) -> int:
    """Call the sites of the predictions; return their number."""
    from ...model.calls.narrow_peak import call_predictions

    assert predictor.calibration is not None, "checked with the options"
    return call_predictions(
        options.output,
        predictor.store.coordinates,
        predictor.calibration.with_rates_at(predictor.prevalence),
        fdr=options.fdr,
    )


def call_existing(options: argparse.Namespace, predictor: Predictor, bins: RegionBins | IntervalBins) -> int:
    """Call the sites of predictions that exist, if they are those of this command; return the exit status.

    Args:
        options: of the command.
        predictor: of the command.
        bins: of the command.

    Raises:
        UsageError: they are others.
        InputError: it is not recorded what they are, or another process writes them.
    """
    from ...model.prediction.to_file import existing_predictions

    with existing_predictions(predictor, bins, options.output):
        n_sites = call_from_args(options, predictor)
    if options.json:
        content = {"output": str(options.output), "predicted": 0, "calibrated": True}
        print_json(content | describe_sites(options, predictor, n_sites))
    else:
        print_line(f"{options.output}: predicted before, by the same model")
        print_sites(options, predictor, n_sites)
    return 0


def print_scores(predictor: Predictor) -> None:
    """Print what the scores are."""
    found = predictor.calibration
    if found is None:
        print_line("scores are as the network computes them, not calibrated")
        return
    assumed = found.prevalence if predictor.prevalence is None else predictor.prevalence
    print_line(
        f"scores are probabilities, calibrated on {found.bins:,} validation bins; they assume that {assumed:.2%} of "
        "the bins are bound"
    )


def print_sites(options: argparse.Namespace, predictor: Predictor, n_sites: int) -> None:
    """Print how many sites were called, and how far to trust them."""
    from ...model.calls.narrow_peak import calls_path

    rate, expected = _rates_of_calls(options, predictor)
    share = ""
    if predictor.prevalence is not None:
        share = f", if {predictor.prevalence:.3%} of their bins were bound,"
    print_line(
        f"{calls_path(options.output)}: {format_count(n_sites, 'site')} of bins with a score of at least "
        f"{rate.score:.3g}; on the validation regions{share} {rate.fdr:.1%} of such bins are false (90 % interval "
        f"{rate.low:.1%} to {rate.high:.1%}), and {rate.recall:.1%} of the bound ones are found"
    )
    if expected is not None:
        assert predictor.calibration is not None, "checked with the options"
        print_line(
            f"{predictor.cell} is none of the calibration's cell lines ({', '.join(predictor.calibration.cells)}): "
            f"expect {expected.fdr:.1%} of these bins to be false (90 % interval {expected.low:.1%} to "
            f"{expected.high:.1%}, by how eight factors fared in another cell line)"
        )


def describe_sites(options: argparse.Namespace, predictor: Predictor, n_sites: int) -> dict[str, Any]:
    """Return what `print_sites` prints, as JSON values; "expected" is of cell lines that were not calibrated on."""
    rate, expected = _rates_of_calls(options, predictor)
    known = asdict(rate)
    return {"sites": n_sites, "validation": known, "expected": None if expected is None else asdict(expected)}


def _rates_of_calls(options: argparse.Namespace, predictor: Predictor) -> tuple[ScoreRates, ExpectedRate | None]:
    """Return the rates on the validation regions, and what to expect in a cell line that was not calibrated on."""
    from ...model.model_dir.other_cells import in_other_cells

    assert predictor.calibration is not None, "checked with the options"
    found = predictor.calibration.with_rates_at(predictor.prevalence)
    rate = found.at_threshold(found.threshold_for(options.fdr))
    return rate, None if predictor.cell in found.cells else in_other_cells(rate)


def print_calibrations(
    calibrations: Mapping[str, Calibration], factors: Sequence[str] = (), *, file: TextIO | None = None
) -> None:
    """Print calibration errors, and score and recall at two false discovery rates.

    Args:
        calibrations: by factor.
        factors: those that lack one are named.
        file: to print to; standard output by default.
    """
    for factor in factors:
        if factor not in calibrations:
            print_line(f"{factor}: not calibrated, no bin with a score above 0.001 is bound", file=file)
    for factor, found in calibrations.items():
        print_line(
            f"calibration of {factor}: {found.bound:,} of {found.bins:,} bins bound; mean distance of scores above "
            f"0.01 from observed frequencies {found.error_before:.4f}, calibrated {found.error_after:.4f}",
            file=file,
        )
        for rate in _RATES:
            print_line(f"  called at a false discovery rate of {rate:.0%}: {_at_rate(found, rate)}", file=file)


def _at_rate(found: Calibration, fdr: float) -> str:
    from ...model.model_dir.other_cells import in_other_cells

    try:
        rates = found.at_threshold(found.threshold_for(fdr))
    except UsageError:
        return "no score has so low a rate"
    other = in_other_cells(rates)
    return (
        f"scores of at least {rates.score:.3f}, of which {rates.fdr:.1%} are false (90 % interval {rates.low:.1%} to "
        f"{rates.high:.1%}; in another cell line {other.low:.1%} to {other.high:.1%}); they find {rates.recall:.1%} of "
        "the bound bins"
    )
