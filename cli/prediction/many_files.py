"""Predict many factors into a folder, in one pass."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from ...store.files.sealed_toml import RUN_FILE
from ...store.reader import Store
from ...store.schema import STRIDE
from ...store.text import format_count
from ..common.annotation_check import check_annotation_rules
from ..common.arguments import NOTHING, cell_name, naming_force, naming_option
from ..common.calibration import check_calibrated
from ..common.model_options import open_models_from_args
from ..common.output import print_json, print_line, print_warning
from ..common.progress import progress_line
from ..common.runner import report_interrupt
from ..common.signal_check import signal_warnings, warn_of_zeros
from ..common.store_options import open_store_from_args
from ..run.record import check_results_folder, note_run
from .bins import choose_regions, chromosomes_of, read_bins
from .progress import Rate
from .workers import describe_memory, device_from_args, memory_fields, workers_from_args

if TYPE_CHECKING:
    import torch

    from ...model.model_dir.weights import LoadedModel
    from ...model.prediction.runs.interval_run import IntervalBins
    from ...model.prediction.runs.outputs import Output
    from ...model.prediction.runs.region_bins import RegionBins
    from ...model.prediction.runs.report import FolderReport
    from ...model.prediction.runs.workers import RegionWorkers

_SHOWN = 3  # names of models in a message


def predict_many_files(options: argparse.Namespace) -> int:
    """Predict what the options say, print the result, and return the exit status."""
    from ...model.prediction.runs.folder import predict_folder
    from ...model.prediction.runs.interval_run import IntervalBins
    from ...model.prediction.runs.report import DOCUMENT

    _check_options(options)
    folder = Path(options.output)
    check_results_folder(folder, options.run.command)
    store = open_store_from_args(options)
    models = open_models_from_args(options)
    check_calibrated(options, models)
    bins, count = _bins(options, store)
    n_parts = 0 if isinstance(bins, IntervalBins) else len(bins.parts)
    existing = folder if folder.is_dir() else folder.absolute().parent
    with workers_from_args(options, store, models, n_parts, existing) as workers:
        outputs = _plan(options, store, models, folder, device_from_args(options, workers))
        used = {id(p.source) for output in outputs for p in output.predictors}
        if unused := [model.name for model in models if id(model) not in used]:
            print_warning(f"not used, they predict none of {', '.join(options.factor)}: {_names(unused)}")
        _check_inputs(options, store, models, used, chromosomes_of(bins, store))
        n_networks = len({id(p.network) for output in outputs for p in output.predictors})
        with progress_line("predicting", count * n_networks, unit="windows") as line:
            rate = Rate(line)
            resume = report_interrupt("repeat the command with --resume to resume after the last finished part")
            with resume, naming_force():
                report = predict_folder(
                    folder,
                    outputs,
                    bins,
                    resume=options.resume,
                    overwrite=options.force,
                    workers=workers,
                    on_bins=rate.add,
                    on_kept=line.advance,
                )
        note_run(options, path=folder / RUN_FILE, outputs=[folder / DOCUMENT])
        _print_report(options, folder, report, count, workers)
    return 0


def _check_options(options: argparse.Namespace) -> None:
    for name in ("fdr", "prevalence"):
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name}: is of one factor; give one model, -f and the name of a file (with --fdr also of one that "
                "is in the folder already)"
            )
    if options.ensemble == "rank" and options.format == "bed.gz":
        raise UsageError(
            "--ensemble rank: the four digits of a bedgraph cannot tell the highest ranks apart; write --format bw"
        )


def _plan(
    options: argparse.Namespace, store: Store, models: Sequence[LoadedModel], folder: Path, device: torch.device
) -> tuple[Output, ...]:
    from ...model.prediction.runs.folder import make_predictors
    from ...model.prediction.runs.outputs import plan_outputs

    predictors = make_predictors(
        models,
        factors=options.factor or (),
        calibrated=not options.uncalibrated,
        store=store,
        cell=cell_name(options.cell),
        device=device,
        batch_size=options.batch,
        amp=options.amp,
    )
    with naming_option("--model", hint="see --ensemble" if options.ensemble is None else ""):
        return plan_outputs(predictors, folder, suffix=f".{options.format or 'bw'}", ensemble=options.ensemble)


def _bins(options: argparse.Namespace, store: Store) -> tuple[RegionBins | IntervalBins, int]:
    from ...model.prediction.bins import count_bins
    from ...model.prediction.runs.region_bins import RegionBins

    if not options.regions:
        intervals = read_bins(options, store)
        return intervals, len(intervals.bins)
    regions, stride = choose_regions(options, store), options.stride or STRIDE
    count = count_bins(regions, store.coordinates, stride=stride)
    return RegionBins(regions=tuple(regions), stride=stride), count


def _check_inputs(
    options: argparse.Namespace,
    store: Store,
    models: Sequence[LoadedModel],
    used: Collection[int],
    chroms: Sequence[str],
) -> None:
    """Compare signals and annotation of the store with those of training; warn once of equal findings.

    Args:
        options: of the command.
        store: to predict in.
        models: of the options.
        used: identities of those that predict; the others are not compared.
        chroms: names of the chromosomes to predict.
    """
    warnings: dict[str, list[str]] = {}
    models_used = [(model, path) for model, path in zip(models, options.model, strict=True) if id(model) in used]
    for model, path in models_used:
        for warning in signal_warnings(model.card, options, store, cells=(cell_name(options.cell),), model=path):
            warnings.setdefault(warning, []).append(model.name)
        check_annotation_rules(model.card, options, store, model=path)
    for warning, names in warnings.items():
        print_warning(f"{_names(names)}: {warning}")
    configs, cell = [model.card.config for model, _ in models_used], cell_name(options.cell)
    tracks = dict.fromkeys(track for config in configs for track in config.tracks)
    warn_of_zeros(store, (cell,), tuple(tracks), chroms, annotation=any(c.uses_annotation for c in configs))
    if not options.json:
        unused = [name for name in store.cell(cell).track_names if name not in tracks]
        if unused:
            print_line(f"tracks: {', '.join(tracks) or NOTHING} (not used of {cell}: {', '.join(unused)})")


def _print_report(
    options: argparse.Namespace, folder: Path, report: FolderReport, count: int, workers: RegionWorkers | None
) -> None:
    from ...model.prediction.runs.report import DOCUMENT, TABLE

    if options.json:
        content = {"output": str(folder), "intervals": count, **report.to_json(), **memory_fields(workers)}
        print_json(content)
        return
    for row in report.rows:
        by = f"{row.record.model['ensemble']} of {_names(row.models)}" if len(row.networks) > 1 else row.models[0]
        missing = sum(row.record.intervals["not_computed"].values())
        uncomputed = f", {missing:,} not computed, their score is 0" if missing else ""
        kept = ", kept from the interrupted run" if row.status == "kept" else ""
        calibrated = ", calibrated" if row.record.options["calibrated"] else ""
        print_line(f"{folder / row.file}: {row.record.factor} by {by}{calibrated}{uncomputed}{kept}")
    scoring = "scoring on all workers" if workers else "of them scoring"
    print_line(
        f"{folder}: {format_count(len(report.rows), 'file')} by {format_count(len(report.networks), 'model')}, "
        f"{format_count(count, 'interval')} each, in {report.wall_seconds:.1f} s, {report.scoring_seconds:.1f} s "
        f"{scoring}; {describe_memory(workers)}"
    )
    print_line(f"{folder / TABLE}, {DOCUMENT}: what was done; next to each file, what it is")


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
