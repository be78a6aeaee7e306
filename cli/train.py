"""``factornet-train``: train a model on windows streamed from a store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..store.errors import UsageError
from ..store.files.outputs import output_lock
from ..store.machine import peak_memory
from ..store.reader import Store
from ..store.sampling.sampler import Sampler
from ..store.sampling.splits import split_genome
from ..store.text import format_bytes
from ..store.windows.inputs import common_meta, common_tracks
from .common.arguments import cell_name, naming_option, parse_regions
from .common.known_motifs import choose_motif, default_motifs
from .common.output import print_json, print_line, print_warning
from .common.progress import progress_line
from .common.runner import report_interrupt, run_command
from .common.store_options import open_store_from_args
from .train_options import DEFAULT_TEST, DEFAULT_VALID, make_parser

if TYPE_CHECKING:  # torch takes a second to import: --help and mistakes in the options should not wait for it
    import torch

    from ..model.motifs.pwm import Motif
    from ..model.training.distributed import ProcessGroup
    from ..model.training.history import Callbacks, EpochRecord, StepReport
    from ..model.training.setup import TrainingSetup
    from ..model.training.tensorboard import TensorBoardLog

_NETWORK_OPTIONS = ("window_length", "kernels", "kernel_width", "recurrent", "dense", "dropout")
_TRAINING_OPTIONS = ("epochs", "patience", "learning_rate", "batch_size", "seed", "precision", "compile")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(), _run, argv)


def _run(options: argparse.Namespace) -> int:
    folder = options.output or options.output_clobber
    if folder is None and not options.dry_run:
        raise UsageError("no model folder: give a new one with -o, or one to replace with -oc")
    if options.output is not None and options.output.exists() and not (options.resume or options.dry_run):
        what = "already holds a model" if (options.output / "model.json").exists() else "already exists"
        raise UsageError(f"{options.output}: {what}; give another folder, or replace it with -oc, or use --resume")
    if options.factor is None and (options.meta or options.gencode or options.motif):
        raise UsageError("-m, -g and -mo need a factor (-f): the multi-task model has none of them")
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
        _compare_signals(plan, options, shown=process_group.is_main)
        if options.dry_run:
            return _dry_run(plan, device, process_group, options)
        with output_lock(folder, parents=not options.resume) if process_group.is_main else nullcontext():
            return _train(plan, folder, device, process_group, options)


def _plan(options: argparse.Namespace) -> TrainingSetup:
    from ..model.model_dir.card import read_card
    from ..model.network.config import NetworkConfig
    from ..model.training.setup import TrainingSetup
    from ..model.training.trainer import TrainingOptions

    given = {name: getattr(options, name) for name in _NETWORK_OPTIONS}
    network: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = read_card(options.init_from).config if options.init_from else None
    window_length = network.get("window_length", start.window_length if start else NetworkConfig.window_length)
    sampler = _sampler(options, open_store_from_args(options), window_length)
    cells = sampler.cells + sampler.valid_cells
    network["tracks"] = common_tracks(sampler.store, cells)
    network["meta"] = common_meta(sampler.store, cells) if options.meta else ()
    network["gencode"] = options.gencode
    return TrainingSetup(
        sampler=sampler,
        network=network,
        options=TrainingOptions(**{name: getattr(options, name) for name in _TRAINING_OPTIONS}),
        motif=_motif(options) if options.motif else None,
        init_from=options.init_from,
    )


def _compare_signals(plan: TrainingSetup, options: argparse.Namespace, *, shown: bool) -> None:
    """Warn of cell lines whose signals are unlike those of the others, or of the model that training starts from."""
    from ..model.data.signals import compare_among, compare_signals, recorded_signals
    from ..model.model_dir.card import read_card

    signals = plan.signals()
    warnings = compare_among(signals, ignore_units=options.ignore_units)
    if options.init_from is not None:
        recorded = recorded_signals(read_card(options.init_from).provenance, location=str(options.init_from))
        compared = compare_signals(recorded, signals, ignore_units=options.ignore_units)
        warnings += [f"starting from {options.init_from}: {warning}" for warning in compared]
    for warning in warnings:
        if shown:
            print_warning(warning)


def _sampler(options: argparse.Namespace, store: Store, window_length: int) -> Sampler:
    chromosomes = store.coordinates.names
    valid = [name for name in DEFAULT_VALID if name in chromosomes] if options.valid is None else options.valid
    test = [name for name in DEFAULT_TEST if name in chromosomes] if options.test is None else options.test
    if not valid:
        raise UsageError(f"{options.store} has no {DEFAULT_VALID[0]}; give validation regions with -v")
    split = split_genome(
        store.coordinates,
        valid=parse_regions(valid, store, option="-v"),
        test=parse_regions(test, store, option="-t"),
    )
    return Sampler(
        store,
        cells=tuple(cell_name(c) for c in options.cells),
        valid_cells=tuple(cell_name(c) for c in options.valid_cells),
        factor=options.factor,
        split=split,
        window_length=window_length,
        negatives=options.negatives,
    )


def _motif(options: argparse.Namespace) -> Motif:
    if options.init_from is not None:
        raise UsageError("-mo and --init-from both set the first kernels; give one of them")
    return choose_motif(options.motifs or default_motifs(), options.motif_name or options.factor)


def _dry_run(
    plan: TrainingSetup, device: torch.device, process_group: ProcessGroup, options: argparse.Namespace
) -> int:
    from ..model.training.cost_estimate import estimate

    if process_group.is_main:
        result = estimate(plan, device, process_group)
        if options.json:
            print_json(asdict(result), indent=1)
        else:
            for line in result.text(options.epochs).splitlines():
                print_line(line)
    return 0


def _train(
    plan: TrainingSetup, folder: Path, device: torch.device, process_group: ProcessGroup, options: argparse.Namespace
) -> int:
    from ..model.data.sources import choose_source
    from ..model.model_dir.lifecycle import backup_path
    from ..model.training.setup import prepare_training
    from ..model.training.trainer import train

    network = prepare_training(
        plan, folder, resume=options.resume, overwrite=options.output_clobber is not None, is_main=process_group.is_main
    )
    out = sys.stderr if options.json else sys.stdout
    if process_group.is_main:
        _print_plan(plan, device, process_group, out)
        if (backup := backup_path(folder)).exists():
            print_line(f"the previous model of {folder} is kept as {backup} until this one is complete", file=out)
    with naming_option("--resident"):
        source = choose_source(options.resident, plan.sampler, network.config, device)
    if process_group.is_main:
        print_line(f"windows: {source.reason}", file=out)
    interruptible = report_interrupt(f"resume after the last complete epoch with -o {folder} --resume")
    with interruptible, _callbacks(options, folder, out, shown=process_group.is_main) as callbacks:
        result = train(
            network,
            plan.sampler,
            folder,
            plan.options,
            device=device,
            resume=options.resume,
            source=source,
            process_group=process_group,
            callbacks=callbacks,
            locked=True,
        )
    if not process_group.is_main:
        return 0
    if options.json:
        content = {"model": str(folder), "best": asdict(result.best), "stopped": result.reason}
        print_json({**content, "peak_rss": peak_memory()})
    else:
        print_line(
            f"{folder}: best epoch {result.best.epoch} with validation loss {result.best.val_loss:.4f}; stopped: "
            f"{result.reason}; peak memory {format_bytes(peak_memory())}"
        )
    return 0


def _print_plan(plan: TrainingSetup, device: torch.device, process_group: ProcessGroup, out: Any) -> None:
    sampler = plan.sampler
    counts = ", ".join(f"{n} of {c}" for c, n in zip(sampler.cells, sampler.positives_per_epoch, strict=True))
    processes = f", {process_group.size} processes" if process_group.size > 1 else ""
    at_gaps = sum(p.at_gaps for p in sampler.train_positives + sampler.valid_positives)
    left_out = f"; {at_gaps} more touch runs of N and are left out" if at_gaps else ""
    motif = f"; motif {plan.motif.name} in kernels 0 and 1" if plan.motif else ""
    print_line(
        f"{', '.join(sampler.tasks)}: positives {counts}{left_out}; {sampler.negatives_per_positive} negatives each; "
        f"device {device}{processes}{motif}",
        file=out,
    )


@contextmanager
def _callbacks(options: argparse.Namespace, folder: Path, out: Any, *, shown: bool) -> Iterator[Callbacks]:
    """Show steps and epochs of a training; nothing unless `shown`."""
    from ..model.training.history import Callbacks

    if not shown:
        yield Callbacks()
        return
    log = _tensorboard(folder) if options.tensorboard else None
    with progress_line("training", options.epochs) as line:

        def on_step(step: StepReport) -> None:
            line.advance(0, f"epoch {step.epoch}: {step.done}/{step.windows} windows, loss {step.loss:.4f}")

        def on_epoch(record: EpochRecord) -> None:
            line.advance(1)
            print_line(
                f"epoch {record.epoch:3d}  loss {record.loss:.4f}  val_loss {record.val_loss:.4f}  "
                f"val_auPRC {record.val_average_precision:.4f}  {record.windows_per_second:.0f} windows/s  "
                f"data-wait {record.data_wait:.1%}",
                file=out,
            )
            if log is not None:
                log.add(record)

        yield Callbacks(step=on_step, epoch=on_epoch, warning=print_warning)
    if log is not None:
        log.close()


def _tensorboard(folder: Path) -> TensorBoardLog:
    from ..model.training.tensorboard import TensorBoardLog

    return TensorBoardLog(folder)


if __name__ == "__main__":  # torchrun starts modules, not scripts
    sys.exit(main())
