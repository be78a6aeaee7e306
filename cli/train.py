"""``factornet-train``: train a model on windows streamed from a store."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..store.errors import UsageError
from ..store.machine import peak_memory
from ..store.reader import Store
from ..store.sampling.sampler import Sampler
from ..store.sampling.splits import split_genome
from ..store.text import format_bytes
from ..store.windows.inputs import common_meta, common_tracks
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
from .common.arguments import cell_name, regions_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status comes back."""
    return run_command(make_parser(), _run, argv)


def _run(options: argparse.Namespace) -> int:
    folder = options.output or options.output_clobber
    if folder is None and not options.dry_run:
        raise UsageError("where to? give a new folder for the model with -o, or one to replace with -oc")
    if options.factor is None and (options.meta or options.gencode or options.motif):
        raise UsageError("-m, -g and -mo need a factor (-f): the multi-task model takes none of them")
    from ..model.data.device import choose_device
    from ..model.training.distributed import init_process_group

    with init_process_group(choose_device(options.device)) as (process_group, device):
        if options.threads:
            import torch

            torch.set_num_threads(options.threads)
        plan = _plan(options)
        if options.dry_run:
            return _dry_run(plan, device, process_group, options)
        return _train(plan, folder, device, process_group, options)


def _plan(options: argparse.Namespace) -> TrainingSetup:
    from ..model.model_dir.checkpoint import read_card
    from ..model.network.config import NetworkConfig
    from ..model.training.setup import TrainingSetup
    from ..model.training.trainer import TrainingOptions

    given = {"length": options.length, "kernels": options.kernels, "kernel_width": options.width}
    given |= {"recurrent": options.recurrent, "dense": options.dense, "dropout": options.dropout}
    network: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = read_card(options.init_from).config if options.init_from else None
    length = network.get("length", start.window_length if start else NetworkConfig.window_length)
    sampler = _sampler(options, open_store_from_args(options), length)
    cells = sampler.cells + sampler.valid_cells
    network["tracks"] = common_tracks(sampler.store, cells)
    network["meta"] = common_meta(sampler.store, cells) if options.meta else ()
    network["gencode"] = options.gencode
    names = ("epochs", "patience", "learning_rate", "batch", "seed", "precision", "compile")
    return TrainingSetup(
        sampler=sampler,
        network=network,
        options=TrainingOptions(**{name: getattr(options, name) for name in names}),
        motif=_motif(options) if options.motif else None,
        init_from=options.init_from,
    )


def _sampler(options: argparse.Namespace, store: Store, length: int) -> Sampler:
    valid = regions_of(options.valid, DEFAULT_VALID, store)
    if not valid:
        raise UsageError(f"{options.store} has no {DEFAULT_VALID[0]}: name validation regions with -v")
    return Sampler(
        store,
        cells=tuple(cell_name(c) for c in options.cells),
        valid_cells=tuple(cell_name(c) for c in options.valid_cells),
        factor=options.factor,
        split=split_genome(store.coordinates, valid=valid, test=regions_of(options.test, DEFAULT_TEST, store)),
        window_length=length,
        negatives=options.negatives,
    )


def _motif(options: argparse.Namespace) -> Motif:
    from ..model.motifs.jaspar import jaspar_motif
    from ..model.motifs.meme import read_meme
    from ..model.motifs.pwm import find_motif

    if options.init_from is not None:
        raise UsageError("-mo and --init-from both set the first kernels; give one of them")
    name = options.motif_name or options.factor
    return find_motif(read_meme(options.motifs), name) if options.motifs else jaspar_motif(name)


def _dry_run(
    plan: TrainingSetup, device: torch.device, process_group: ProcessGroup, options: argparse.Namespace
) -> int:
    from ..model.training.estimate import estimate

    if process_group.is_main:
        found = estimate(plan, device, process_group)
        print(json.dumps(asdict(found), indent=1) if options.json else found.text(options.epochs))
    return 0


def _train(
    plan: TrainingSetup, folder: Path, device: torch.device, process_group: ProcessGroup, options: argparse.Namespace
) -> int:
    from ..model.data.sources import choose_source
    from ..model.model_dir.lifecycle import backup_path
    from ..model.training.plots import plot_history
    from ..model.training.setup import prepare_training
    from ..model.training.trainer import train

    network = prepare_training(
        plan, folder, resume=options.resume, overwrite=options.output_clobber is not None, leads=process_group.is_main
    )
    say = sys.stderr if options.json else sys.stdout
    if process_group.is_main:
        _print_plan(plan, device, process_group, say)
        if backup_path(folder).exists():
            print(
                f"the model that was in {folder} is kept as {backup_path(folder)} until this one is complete", file=say
            )
    source = choose_source(options.resident, plan.sampler, network.config, device)
    if process_group.is_main:
        print(f"windows: {source.reason}", file=say, flush=True)
    again = report_interrupt(f"-o {folder} --resume goes on after the last whole epoch")
    with again, _listeners(options, folder, say, shown=process_group.is_main) as callbacks:
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
        )
    if not process_group.is_main:
        return 0
    plot_history(result.history, folder / "training.png")
    if options.json:
        content = {"model": str(folder), "best": asdict(result.best), "stopped": result.reason}
        print(json.dumps({**content, "peak_rss": peak_memory()}))
    else:
        print(
            f"{folder}: best epoch {result.best.epoch} with validation loss {result.best.val_loss:.4f}; stopped: "
            f"{result.reason}; peak memory {format_bytes(peak_memory())}"
        )
    return 0


def _print_plan(plan: TrainingSetup, device: torch.device, process_group: ProcessGroup, say: Any) -> None:
    sampler = plan.sampler
    counts = ", ".join(f"{n} of {c}" for c, n in zip(sampler.cells, sampler.positives_per_epoch, strict=True))
    processes = f", {process_group.size} processes" if process_group.size > 1 else ""
    motif = f"; motif {plan.motif.name} in kernels 0 and 1" if plan.motif else ""
    print(
        f"{', '.join(sampler.tasks)}: positives {counts}; {sampler.per_positive} negatives each; "
        f"device {device}{processes}{motif}",
        file=say,
    )


@contextmanager
def _listeners(options: argparse.Namespace, folder: Path, say: Any, *, shown: bool) -> Iterator[Callbacks]:
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
            print(
                f"epoch {record.epoch:3d}  loss {record.loss:.4f}  val_loss {record.val_loss:.4f}  "
                f"val_auPRC {record.val_average_precision:.4f}  {record.windows_per_second:.0f} windows/s  "
                f"data-wait {record.data_wait:.1%}",
                file=say,
                flush=True,
            )
            if log is not None:
                for name, value in asdict(record).items():
                    if name != "epoch":
                        log.add_scalar(name, value, record.epoch)
                log.flush()

        yield Callbacks(step=on_step, epoch=on_epoch, warning=lambda text: print(f"warning: {text}", file=sys.stderr))
    if log is not None:
        log.close()


def _tensorboard(folder: Path) -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"))


if __name__ == "__main__":  # torchrun starts modules, not scripts
    sys.exit(main())
