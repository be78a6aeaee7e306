"""``factornet-train``: train a model on windows streamed from a store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..store.errors import UsageError
from ..store.files.outputs import OutputLock, output_lock
from ..store.files.sealed_toml import RUN_FILE
from ..store.machine import peak_memory
from ..store.reader import Store
from ..store.sampling.peak_warnings import peak_warnings
from ..store.text import format_bytes
from ..store.windows.inputs import check_has_tracks, common_meta, common_tracks, shared_tracks
from .common.annotation_check import check_annotation_rules
from .common.arguments import NOTHING, chosen, naming_option
from .common.calibration import print_calibrations
from .common.known_motifs import choose_motif, default_motifs
from .common.model_options import say_if_original
from .common.output import print_json, print_line, print_warning
from .common.progress import progress_line
from .common.runner import report_interrupt, run_command
from .common.signal_check import naming_ignore_units, zero_warnings
from .common.store_options import open_store_from_args
from .crossvalidation.parts import read_scores
from .run.record import note_run
from .training.blocks import block_setup
from .training.options import make_parser
from .training.pause import pause_on_termination
from .training.presets import apply_preset
from .training.sampler import factors_of, sampler_from_args
from .training.split import print_split

if TYPE_CHECKING:  # torch takes a second to import: --help and mistakes in the options should not wait for it
    import torch

    from ..model.motifs.pwm import Motif
    from ..model.network.variants import AnyConfig
    from ..model.training.blocks.setup import BlockSetup
    from ..model.training.distributed import ProcessGroup
    from ..model.training.history import Callbacks, EpochRecord, StepReport, TrainingResult
    from ..model.training.setup import TrainingSetup
    from ..model.training.tensorboard import TensorBoardLog

_NETWORK_OPTIONS = ("window_length", "kernels", "kernel_width", "recurrent", "dense", "dropout")
_TRAINING_OPTIONS = ("epochs", "patience", "learning_rate", "batch_size", "seed", "precision", "compile", "select")


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-train") -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), _run, argv)


def _run(options: argparse.Namespace) -> int:
    apply_preset(options)
    folder = options.output or options.output_clobber
    if folder is None and not options.dry_run:
        raise UsageError("no model folder: give a new one with -o, or one to replace with -oc")
    if options.output is not None and options.output.exists() and not (options.resume or options.dry_run):
        what = "already holds a model" if (options.output / "model.json").exists() else "already exists"
        raise UsageError(f"{options.output}: {what}; give another folder, or replace it with -oc, or use --resume")
    needs_factor = options.meta or (options.preset == "published" and (options.gencode or options.motif))
    if needs_factor and len(factors_of(options)) != 1:
        raise UsageError("-m, -g and -mo need one factor (-f): the multi-task model has none of them")
    from ..model.data.device import choose_device
    from ..model.training.distributed import init_process_group

    with init_process_group(choose_device(options.device)) as (process_group, device):
        if options.threads:
            import torch

            torch.set_num_threads(options.threads)
        if options.tensorboard:
            from ..model.training.tensorboard import check_tensorboard

            check_tensorboard()
        plan = _plan(options)
        _compare_data(plan, options, shown=process_group.is_main)
        if options.dry_run:
            return _dry_run(plan, device, process_group, options)
        with output_lock(folder, parents=not options.resume) if process_group.is_main else nullcontext() as lock:
            return _train(plan, folder, device, process_group, options, lock=lock)


def _plan(options: argparse.Namespace) -> TrainingSetup | BlockSetup:
    from ..model.keras.open_model import open_card
    from ..model.network.config import NetworkConfig
    from ..model.training.setup import TrainingSetup
    from ..model.training.trainer import TrainingOptions

    given = {name: getattr(options, name) for name in _NETWORK_OPTIONS}
    network: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = open_card(options.init_from).config if options.init_from else None
    window_length = network.get("window_length", start.window_length if start else NetworkConfig.window_length)
    sampler = sampler_from_args(options, open_store_from_args(options), window_length)
    cells = sampler.cells + sampler.valid_cells
    network["tracks"] = _tracks(options, sampler.store, cells, start)
    if options.preset == "blocks":
        return block_setup(options, sampler, network["tracks"])
    motif = _motif(options) if options.motif else None
    network["meta"] = common_meta(sampler.store, cells) if options.meta else ()
    network["gencode"] = bool(options.gencode)
    return TrainingSetup(
        sampler=sampler,
        network=network,
        options=TrainingOptions(**{name: getattr(options, name) for name in _TRAINING_OPTIONS}),
        motif=motif,
        init_from=options.init_from,
        cross_validation=read_scores(options.cross_validation, ", ".join(sampler.tasks))
        if options.cross_validation
        else None,
    )


def _tracks(
    options: argparse.Namespace, store: Store, cells: tuple[str, ...], start: AnyConfig | None
) -> tuple[str, ...]:
    """Return the tracks to train on: those asked for, those of the model to start from, or all of the cell lines."""
    if options.tracks is not None:
        tracks = tuple(chosen(options.tracks))
        with naming_option("--tracks"):
            check_has_tracks(store, cells, tracks)
        return tracks
    if start is not None:
        with naming_option("--init-from"):
            check_has_tracks(store, cells, start.tracks)
        return start.tracks
    shared = " ".join(shared_tracks(store, cells))
    choose = f"choose some by name, as with --tracks {shared or NOTHING}"
    with naming_option("-i", hint=f"give the same signal the same name in bigwig.txt, or {choose}"):
        return common_tracks(store, cells)


def _compare_data(plan: TrainingSetup | BlockSetup, options: argparse.Namespace, *, shown: bool) -> None:
    """Warn of signals unlike those of the other cell lines, and of data unlike those of the model to start from.

    Raises:
        UsageError: units or annotation rules differ, and are not to be ignored.
    """
    from ..model.data.signals import compare_among, compare_signals, recorded_signals
    from ..model.keras.open_model import open_card

    signals, gencode = plan.signals(), any(plan.network.get(name) for name in ("gencode", "annotation"))
    with naming_ignore_units():
        warnings = compare_among(signals, ignore_units=options.ignore_units)
    if options.init_from is not None:
        card = open_card(options.init_from)
        check_annotation_rules(card, options, plan.sampler.store, model=options.init_from, shown=shown)
        recorded = recorded_signals(card.provenance, location=str(options.init_from))
        with naming_ignore_units():
            compared = compare_signals(recorded, signals, ignore_units=options.ignore_units)
        warnings += [f"starting from {options.init_from}: {warning}" for warning in compared]
        gencode = gencode or card.config.uses_annotation
    sampler = plan.sampler
    warnings += zero_warnings(sampler.store, plan.cells, plan.tracks, sampler.chromosomes, annotation=gencode)
    warnings += peak_warnings(sampler.store, plan.cells, sampler.tasks, sampler.chromosomes)
    for warning in warnings:
        if shown:
            print_warning(warning)


def _motif(options: argparse.Namespace) -> Motif:
    if options.init_from is not None:
        raise UsageError("-mo and --init-from both set the first kernels; give one of them")
    return choose_motif(options.motifs or default_motifs(), options.motif_name or factors_of(options)[0])


def _dry_run(
    plan: TrainingSetup | BlockSetup, device: torch.device, process_group: ProcessGroup, options: argparse.Namespace
) -> int:
    from ..model.training.blocks.cost_estimate import estimate_blocks
    from ..model.training.blocks.setup import BlockSetup
    from ..model.training.cost_estimate import estimate

    if process_group.is_main:
        result = (
            estimate_blocks(plan, device) if isinstance(plan, BlockSetup) else estimate(plan, device, process_group)
        )
        if options.json:
            print_json(asdict(result) | plan.data, indent=1)
        else:
            _print_data(plan, options, sys.stdout)
            for line in result.text(options.epochs).splitlines():
                print_line(line)
    return 0


def _train(
    plan: TrainingSetup | BlockSetup,
    folder: Path,
    device: torch.device,
    process_group: ProcessGroup,
    options: argparse.Namespace,
    *,
    lock: OutputLock | None,
) -> int:
    from ..model.data.sources import choose_source
    from ..model.model_dir.calibration import recorded_calibrations
    from ..model.model_dir.card import read_card
    from ..model.model_dir.lifecycle import backup_path

    network = plan.prepare(
        folder, resume=options.resume, overwrite=options.output_clobber is not None, is_main=process_group.is_main
    )
    if lock is not None:
        lock.lock_folder()  # created or replaced just now, unless the training is resumed
    out = sys.stderr if options.json else sys.stdout
    if process_group.is_main:
        _print_plan(plan, device, process_group, out)
        _print_data(plan, options, out)
        if (backup := backup_path(folder)).exists():
            print_line(f"the previous model of {folder} is kept as {backup} until this one is complete", file=out)
    with naming_option("--resident"):
        source = choose_source(options.resident, plan.sampler, network.config, device)
    if process_group.is_main:
        print_line(f"{_noun(options)}: {source.reason}", file=out)
    interruptible = report_interrupt(f"resume after the last complete epoch with -o {folder} --resume")
    with (
        pause_on_termination() as pause,
        interruptible,
        _callbacks(options, folder, out, pause, shown=process_group.is_main) as callbacks,
    ):
        result = plan.run(
            network,
            folder,
            device=device,
            resume=options.resume,
            source=source,
            process_group=process_group,
            callbacks=callbacks,
            cuda_graph=not options.no_cuda_graph,
        )
    if not process_group.is_main:
        return 0
    written = [folder / name for name in ("model.json", "training.json", "best.safetensors", "last.safetensors")]
    note_run(options, path=folder / RUN_FILE, outputs=written, scores=asdict(result.best))
    if options.preset == "blocks":
        found = recorded_calibrations(folder, read_card(folder).digest)
        print_calibrations(found, network.config.tasks, file=out)
    _print_result(result, plan, folder, options, out)
    return 0


def _print_result(
    result: TrainingResult, plan: TrainingSetup | BlockSetup, folder: Path, options: argparse.Namespace, out: TextIO
) -> None:
    """Print the best epoch and why the training ended; as JSON on standard output with ``--json``."""
    if options.json:
        content = {"model": str(folder), "best": asdict(result.best), "stopped": result.reason}
        print_json({**content, **plan.data, "peak_rss": peak_memory()})
        return
    of_regions = f", average precision {result.best.val_average_precision:.4f} of all bins of the validation regions"
    precision = of_regions if plan.options.select == "ap" else ""
    print_line(
        f"{folder}: best epoch {result.best.epoch} with validation loss {result.best.val_loss:.4f}{precision}; "
        f"stopped: {result.reason}; peak memory {format_bytes(peak_memory())}",
        file=out,
    )


def _print_plan(plan: TrainingSetup | BlockSetup, device: torch.device, process_group: ProcessGroup, out: Any) -> None:
    sampler = plan.sampler
    counts = ", ".join(f"{n} of {c}" for c, n in zip(sampler.cells, sampler.positives_per_epoch, strict=True))
    processes = f", {process_group.size} processes" if process_group.size > 1 else ""
    at_gaps = sum(p.at_gaps for p in sampler.train_positives + sampler.valid_positives)
    left_out = f"; {at_gaps} more touch runs of N and are left out" if at_gaps else ""
    motif = f"; motif {', '.join(plan.motif_names)} in kernels 0 and 1" if plan.motif_names else ""
    print_line(
        f"{', '.join(sampler.tasks)}: positives {counts}{left_out}; {plan.sampling}; device {device}{processes}{motif}",
        file=out,
    )


def _print_data(plan: TrainingSetup | BlockSetup, options: argparse.Namespace, out: TextIO) -> None:
    """Print factors, tracks of the network, those of the cell lines that it does not use, and the split."""
    from ..model.keras.open_model import open_card

    store, tasks = plan.sampler.store, plan.sampler.tasks
    if len(tasks) > 1:
        lacking = "".join(f"; {cell} has no {', '.join(names)}" for cell, names in plan.sampler.lacking.items())
        print_line(f"factors: {', '.join(tasks)}{lacking}", file=out)
    others = {cell: [t for t in store.cell(cell).track_names if t not in plan.tracks] for cell in plan.cells}
    unused = "; ".join(f"not used of {cell}: {', '.join(names)}" for cell, names in others.items() if names)
    print_line(f"tracks: {', '.join(plan.tracks) or NOTHING}{f' ({unused})' if unused else ''}", file=out)
    if options.init_from is not None:
        say_if_original(options.init_from, open_card(options.init_from), file=out)
    print_split(plan.sampler.split, plan.split_summary, options, store.coordinates, out)


@contextmanager
def _callbacks(
    options: argparse.Namespace, folder: Path, out: Any, pause: Callable[[], bool], *, shown: bool
) -> Iterator[Callbacks]:
    """Show steps and epochs of a training; nothing unless `shown`. `pause` says whether it is to pause."""
    from ..model.training.history import Callbacks

    if not shown:
        yield Callbacks(pause=pause)
        return
    log, noun = _tensorboard(folder) if options.tensorboard else None, _noun(options)
    with progress_line("training", options.epochs) as line:

        def on_step(step: StepReport) -> None:
            line.advance(0, f"epoch {step.epoch}: {step.done}/{step.windows} {noun}, loss {step.loss:.4f}")

        def on_epoch(record: EpochRecord) -> None:
            line.advance(1)
            print_line(
                f"epoch {record.epoch:3d}  loss {record.loss:.4f}  val_loss {record.val_loss:.4f}  "
                f"val_auPRC {record.val_average_precision:.4f}  {record.windows_per_second:.0f} {noun}/s  "
                f"data-wait {record.data_wait:.1%}",
                file=out,
            )
            if log is not None:
                log.add(record)

        yield Callbacks(step=on_step, epoch=on_epoch, warning=print_warning, pause=pause)
    if log is not None:
        log.close()


def _noun(options: argparse.Namespace) -> str:
    """Return what a training learns from, as text."""
    return "segments" if options.preset == "blocks" else "windows"


def _tensorboard(folder: Path) -> TensorBoardLog:
    from ..model.training.tensorboard import TensorBoardLog

    return TensorBoardLog(folder)


if __name__ == "__main__":  # torchrun starts modules, not scripts
    sys.exit(main())
