"""``factornet-model calibrate``: measure what a model's scores mean, on labelled regions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...store.errors import UsageError
from ...store.files.outputs import output_lock
from ...store.genome.intervals import Intervals
from ...store.genome.regions import region_intervals, to_regions
from ...store.reader import Store
from ...store.sampling.peak_warnings import peak_warnings
from ..common.annotation_check import add_ignore_annotation_rules, check_annotation_rules
from ..common.arguments import DEVICE_HELP, HelpFormatter, add_common_options, cell_name, parse_regions
from ..common.calibration import print_calibrations
from ..common.model_options import resolve_model
from ..common.output import print_json, print_line, print_warning
from ..common.signal_check import add_ignore_units, signal_warnings, warn_of_zeros
from ..common.store_options import add_store_options, open_store_from_args

if TYPE_CHECKING:  # torch takes a second to import
    from ...model.model_dir.card import ModelCard
    from ...model.training.validation.region_validation import RegionValidation


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate",
        help="measure what a model's scores mean, on labelled regions",
        description="Predict all bins of regions in cell lines with ChIP-seq, and record in calibration.json of the "
        "model folder how often bins of each score are bound, and at which scores calls have which false discovery "
        "rate; a calibration that is there is replaced. Bins that the model was trained on are refused: it scores "
        "them too well. factornet-predict then writes calibrated probabilities, and calls sites with --fdr. Training "
        "with --preset blocks does it at its end.",
        epilog="example:\n  factornet-model calibrate models/MAX --store hg19.zarr -i GM12878 K562 --regions chr11",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder of factornet")
    add_store_options(parser)
    parser.add_argument(
        "-i", "--cells", nargs="+", metavar="CELL", help="cell lines; default: the model's validation cell lines"
    )
    parser.add_argument(
        "--regions", nargs="+", metavar="REGION", help="regions; default: the model's validation regions"
    )
    parser.add_argument("--allow-seen", action="store_true", help="calibrate on bins that the model was trained on")
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    add_ignore_units(parser)
    add_ignore_annotation_rules(parser)
    add_common_options(parser)
    parser.set_defaults(handler=_calibrate)


def _calibrate(options: argparse.Namespace) -> int:
    from ...model.data.device import choose_device
    from ...model.model_dir.calibration import FILE
    from ...model.model_dir.card import read_card
    from ...model.training.validation.calibrate import calibrate_model
    from ...model.training.validation.region_validation import RegionValidation

    options.model = resolve_model(options.model)
    store, card = open_store_from_args(options), read_card(options.model)
    cells, regions = _choose_data(options, card)
    merged = region_intervals(parse_regions(regions, store, option="--regions"), store.coordinates)
    device = choose_device(options.device)
    _check_inputs(options, store, card, cells, merged)
    validation = RegionValidation(store, cells=cells, factors=card.config.tasks, regions=merged)
    _check_unseen(options, card, validation)
    without = [cell for cell in cells if not any(True for _ in validation.labelled(cell))]
    if without:
        print_warning(
            f"{', '.join(without)}: no bin of the regions is bound by {', '.join(card.config.tasks)}, or there are no "
            "peaks; not used"
        )
    with output_lock(options.model):
        replaced = (options.model / FILE).exists()
        found = calibrate_model(options.model, validation, device=device)
    used = [cell for cell in cells if cell not in without]
    if options.json:
        content = {"model": str(options.model), "cells": used, "regions": validation.region_names, "replaced": replaced}
        print_json({**content, "factors": {name: c.to_json() for name, c in found.items()}})
        return 0
    before = " (in place of an earlier calibration)" if replaced else ""
    print_line(f"{options.model}: calibrated in {', '.join(used)}, {', '.join(validation.region_names)}{before}")
    print_calibrations(found, card.config.tasks)
    return 0


def _choose_data(options: argparse.Namespace, card: ModelCard) -> tuple[tuple[str, ...], Sequence[str]]:
    """Return cell lines and regions: those of the options, or else of the model's validation.

    Raises:
        UsageError: neither is known.
    """
    trainings = card.trainings[:1]
    cells = [cell_name(c) for c in options.cells or ()] or [c for t in trainings for c in t.valid_cells or t.cells]
    regions = options.regions or [r for t in trainings for r in t.valid]
    if not cells or not regions:
        problem = "it is not recorded on what it was validated; name cell lines (-i) and regions (--regions)"
        raise UsageError(f"{options.model}: {problem}")
    return tuple(dict.fromkeys(cells)), regions


def _check_inputs(
    options: argparse.Namespace, store: Store, card: ModelCard, cells: Sequence[str], regions: Intervals
) -> None:
    """Compare signals and annotation of the cell lines with those of training, before anything is computed."""
    from ...model.data.inputs import check_inputs

    for cell in cells:
        check_inputs(card.config, store, cell)
    for warning in signal_warnings(card, options, store, cells=cells, model=options.model):
        print_warning(warning)
    chroms = [region.chrom for region in to_regions(regions, store.coordinates)]
    for warning in peak_warnings(store, cells, card.config.tasks, chroms):
        print_warning(warning)
    warn_of_zeros(store, cells, card.config.tracks, chroms, annotation=card.config.uses_annotation)
    check_annotation_rules(card, options, store)


def _check_unseen(options: argparse.Namespace, card: ModelCard, validation: RegionValidation) -> None:
    """Check that the model was not trained on the bins; it may have been validated on them.

    Raises:
        UsageError: it was, and not ``--allow-seen``.
    """
    from ...model.evaluation.provenance import count_seen

    for cell in validation.cells:
        seen = count_seen(card.trainings, validation.store, cell, validation.bins)
        if seen is None or not seen.complete:
            print_warning(f"{options.model}: it is not recorded on what all it was trained; calibrate on other data")
            return
        if not seen.trained:
            continue
        problem = f"{options.model}: was trained on {seen.trained:,} of the {seen.total:,} bins, in {cell}"
        valid = ", ".join(card.trainings[0].valid) or "none"
        if not options.allow_seen:
            raise UsageError(
                f"{problem}: its scores are too good there; give its validation regions ({valid}), or another cell "
                "line, or allow it with --allow-seen"
            )
        print_warning(f"{problem}: rates will be too low")
