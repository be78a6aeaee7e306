"""How far the epoch that a training chooses is from the best one, on a region that neither trains nor chooses.

A FactorNet is trained as published. After each epoch its average precision over all bins is measured in the validation
regions, by which `--select ap` chooses, and in regions kept out of training and choice. `--select loss` chooses by the
loss of sampled validation windows. Both stop after as many epochs without a better one; each choice is made from the
epochs until its stop.

    python benchmarks/selection.py --store chr20.zarr -f CTCF -i K562 --tracks DNase Unique35 \
        -v chr20:40000000-45000000 \
        --kept-out chr20:35000000-40000000 -t chr20:45000000-63025520 --motifs HOCOMOCOv9.meme --json selection.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from factornet.cli.common.known_motifs import choose_motif
from factornet.model import Callbacks, TrainingOptions, TrainingSetup, prepare_training, train
from factornet.model.training.distributed import ProcessGroup
from factornet.model.training.history import EpochRecord
from factornet.model.training.validation.region_validation import RegionValidation
from factornet.store import Sampler, open_store, parse_region, split_genome
from factornet.store.sampling.splits import region_intervals


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Measures of an epoch: loss of validation windows, average precision of all bins of two sets of regions."""

    epoch: int
    val_loss: float
    validation: float
    kept_out: float


def main() -> None:
    options = _parse()
    torch.set_num_threads(options.threads)
    epochs = measure_epochs(options)
    choices = {
        "loss": chosen([-e.val_loss for e in epochs], options.patience),
        "ap": chosen([e.validation for e in epochs], options.patience),
    }
    best = max(range(len(epochs)), key=lambda i: epochs[i].kept_out)
    print("epoch  loss of windows  validation regions  kept out")
    for e in epochs:
        print(f"{e.epoch:5}  {e.val_loss:15.4f}  {e.validation:18.4f}  {e.kept_out:8.4f}")
    for name, i in {**choices, "best": best}.items():
        lost = epochs[best].kept_out - epochs[i].kept_out
        print(f"{name:5} chooses epoch {epochs[i].epoch}: {epochs[i].kept_out:.4f} kept out, {lost:.4f} below the best")
    if options.json:
        rows = {"epochs": [asdict(e) for e in epochs], "chosen": {k: epochs[i].epoch for k, i in choices.items()}}
        options.json.write_text(json.dumps({**rows, "best": epochs[best].epoch}, indent=2))


def chosen(merits: Sequence[float], patience: int) -> int:
    """Return the index of the first best of merits, of those before `patience` epochs went by without a better one."""
    best = 0
    for i, merit in enumerate(merits):
        if merit > merits[best]:
            best = i
        elif i - best >= patience:
            break
    return best


def measure_epochs(options: argparse.Namespace) -> list[Epoch]:
    """Train for all epochs, and measure each."""
    store, factor, cells = open_store(options.store), options.factor, tuple(options.cells)
    device = torch.device(options.device)
    valid, kept_out, test = (
        [parse_region(r, store.coordinates) for r in regions]
        for regions in (options.valid, options.kept_out, options.test)
    )
    split = split_genome(store.coordinates, valid=valid, test=kept_out + test)
    sampler = Sampler(store, cells=cells, factor=factor, split=split, window_length=1000, negatives=options.negatives)
    regions = {
        name: RegionValidation(
            store, cells=cells, factors=(factor,), regions=region_intervals(where, store.coordinates)
        )
        for name, where in (("validation", valid), ("kept_out", kept_out))
    }
    setup = TrainingSetup(
        sampler=sampler,
        network={"tracks": tuple(options.tracks)},
        options=TrainingOptions(epochs=options.epochs, patience=options.epochs, seed=options.seed),
        motif=choose_motif(options.motifs, factor) if options.motifs else None,
    )
    found: list[Epoch] = []
    with tempfile.TemporaryDirectory() as folder:
        network = prepare_training(setup, Path(folder) / "model", resume=False, overwrite=False)

        def on_epoch(record: EpochRecord) -> None:
            scores = {n: r.score(network, device=device, process_group=ProcessGroup())[1] for n, r in regions.items()}
            found.append(Epoch(epoch=record.epoch, val_loss=record.val_loss, **scores))
            print(found[-1], flush=True)

        train(
            network, sampler, Path(folder) / "model", setup.options, device=device, callbacks=Callbacks(epoch=on_epoch)
        )
    return found


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True)
    parser.add_argument("-f", "--factor", required=True)
    parser.add_argument("-i", "--cells", nargs="+", required=True)
    parser.add_argument("-v", "--valid", nargs="+", required=True, metavar="REGION")
    parser.add_argument("--kept-out", nargs="+", required=True, metavar="REGION")
    parser.add_argument("-t", "--test", nargs="+", default=[], metavar="REGION")
    parser.add_argument("-n", "--negatives", type=int, default=5)
    parser.add_argument("-e", "--epochs", type=int, default=30)
    parser.add_argument("--patience", type=int, default=20)
    parser.add_argument("--tracks", nargs="+", required=True)
    parser.add_argument("--motifs", type=Path, help="file in MEME format; -mo of the training")
    parser.add_argument("--seed", type=int, default=420)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
