"""Predict one factor into one file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.schema import STRIDE
from ..common.annotation_check import check_annotation_rules
from ..common.arguments import cell_name, naming_force
from ..common.calibration import (
    calibration_from_args,
    call_existing,
    call_from_args,
    check_calibrated,
    describe_sites,
    print_scores,
    print_sites,
)
from ..common.model_options import open_model_from_args
from ..common.output import print_json, print_line
from ..common.progress import progress_line
from ..common.runner import report_interrupt
from ..common.signal_check import check_signals
from ..common.store_options import open_store_from_args
from ..run.record import next_to, note_run
from .bins import choose_regions, chromosomes_of, read_bins
from .progress import Rate
from .workers import describe_memory, device_from_args, memory_fields, workers_from_args

if TYPE_CHECKING:
    import torch

    from ...model.model_dir.calibration import Calibration
    from ...model.model_dir.weights import LoadedModel
    from ...model.prediction.predictor import Predictor
    from ...model.prediction.runs.workers import RegionWorkers
    from ...model.prediction.sidecar import PredictionRecord


def predict_one_file(options: argparse.Namespace) -> int:
    """Predict what the options say, print the result, and return the exit status."""
    options.output, options.model = Path(options.output), options.model[0]
    _check_output(options)
    with ExitStack() as stack:
        if options.fdr is not None:
            from ...model.calls.narrow_peak import calls_lock

            with naming_force():
                stack.enter_context(calls_lock(options.output, overwrite=options.force))
        return _predict(options)


def _predict(options: argparse.Namespace) -> int:
    from ...model.prediction.bins import count_bins, split_region
    from ...model.prediction.runs.region_bins import RegionBins
    from ...model.prediction.sidecar import sidecar_path
    from ...model.prediction.to_file import predict_intervals, predict_regions

    store = open_store_from_args(options)
    model = open_model_from_args(options)
    options.factor = _factor(options, model)
    calibration = calibration_from_args(options, model)
    check_calibrated(options, [model])
    regions, stride = choose_regions(options, store), options.stride or STRIDE
    n_parts = sum(len(split_region(region, stride=stride)) for region in regions)
    with workers_from_args(options, store, [model], n_parts, options.output.absolute().parent) as workers:
        predictor = _predictor(options, store, model, calibration, device_from_args(options, workers))
        if regions:
            count = count_bins(regions, store.coordinates, stride=stride)
        else:
            intervals = read_bins(options, store)
            count = len(intervals.bins)
        asked = RegionBins(regions=tuple(regions), stride=stride) if regions else intervals
        if options.fdr is not None and options.output.exists() and not options.force:
            return call_existing(options, predictor, asked)
        check_signals(model.card, options, store, chromosomes_of(asked, store))
        check_annotation_rules(model.card, options, store)
        with progress_line("predicting", count, unit="windows") as line:
            rate = Rate(line)
            if regions:
                with report_interrupt("repeat the command with --resume to resume after the last finished part"):
                    record = predict_regions(
                        predictor,
                        regions,
                        options.output,
                        stride=stride,
                        resume=options.resume,
                        overwrite=options.force,
                        workers=workers,
                        on_bins=rate.add,
                        on_kept=line.advance,
                    )
            else:
                record = predict_intervals(
                    predictor,
                    intervals.bins,
                    options.output,
                    rate.add,
                    overwrite=options.force,
                    options=intervals.origin,
                    tile=intervals.tile,
                )
        n_sites = call_from_args(options, predictor) if options.fdr is not None else None
        note_run(options, path=next_to(options.output), outputs=[sidecar_path(options.output)])
        _print_result(options, predictor, record, count, rate, n_sites=n_sites, workers=workers)
    return 0


def _predictor(
    options: argparse.Namespace, store: Store, model: LoadedModel, calibration: Calibration | None, device: torch.device
) -> Predictor:
    from ...model.prediction.predictor import Predictor

    return Predictor(
        network=model.network,
        source=model,
        store=store,
        cell=cell_name(options.cell),
        factor=options.factor,
        device=device,
        batch_size=options.batch,
        amp=options.amp,
        calibration=calibration,
        prevalence=options.prevalence,
    )


def _factor(options: argparse.Namespace, model: LoadedModel) -> str:
    """Return the factor to predict: the one of ``-f``, or of a model that predicts one."""
    if options.factor is not None:
        return str(options.factor[0])
    tasks = model.network.config.tasks
    if len(tasks) > 1:
        raise UsageError(
            f"-f: {options.model} predicts {', '.join(tasks)}; name one, or end the name of the output in / to predict "
            "all into a folder"
        )
    return tasks[0]


def _check_output(options: argparse.Namespace) -> None:
    from ...model.prediction.output_names import score_format

    score_format(options.output)
    if options.output.exists() and not options.force and options.fdr is None:
        raise UsageError(f"{options.output}: already exists; give another name, or replace it with --force")
    if not options.output.absolute().parent.is_dir():
        raise UsageError(f"{options.output}: its folder does not exist; create it first")


def _print_result(
    options: argparse.Namespace,
    predictor: Predictor,
    record: PredictionRecord,
    count: int,
    rate: Rate,
    *,
    n_sites: int | None,
    workers: RegionWorkers | None,
) -> None:
    from ...model.prediction.sidecar import sidecar_path

    content = {"output": str(options.output), "intervals": count, "predicted": rate.windows}
    content |= {"not_computed": record.intervals["not_computed"], "record": str(sidecar_path(options.output))}
    content["calibrated"] = predictor.calibration is not None
    if n_sites is not None:
        content |= describe_sites(options, predictor, n_sites)
    if options.json:
        print_json(content | {"seconds": rate.seconds, **memory_fields(workers)})
        return
    kept = f" ({count - rate.windows:,} of them from the interrupted run)" if count > rate.windows else ""
    print_line(
        f"{options.output}: {count:,} intervals{kept} in {rate.seconds:.1f} s ({rate.per_second:,.0f}/s) on "
        f"{predictor.device}; {describe_memory(workers)}"
    )
    print_line(f"{sidecar_path(options.output)}: model, factor, cell line and data of these predictions")
    _print_uncomputed(record.intervals["not_computed"], predictor.network.config.excluded_margin)
    print_scores(predictor)
    if n_sites is not None:
        print_sites(options, predictor, n_sites)


def _print_uncomputed(counts: Mapping[str, int], margin: int) -> None:
    """Print how many intervals have a score that was not computed, if any, and why."""
    reasons = {"chromosome_ends": "an end of their chromosome", "blacklist": "the blacklist"}
    where = f"within {margin:,} bases of" if margin else "on"
    named = [f"{counts[key]:,} {where} {what}" for key, what in reasons.items() if counts[key]]
    if sum(counts.values()):
        print_line(f"{sum(counts.values()):,} intervals were not computed, their score is 0: {', '.join(named)}")
