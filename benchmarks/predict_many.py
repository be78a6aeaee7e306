"""Many models in one pass: wall time against the scoring of the models, bytes read against one model's, memory.

Each run is a process of its own, which calls the library as factornet-predict does. The pass must end in the bytes, and
records, of every model by itself (`--alone`: of which that is tried, the slow part). Without `--store` a
random chromosome and small networks are used; with it, the given models of a real store, and random ones beside them:
small ones up to `--count`, and one of 19 factors with the sizes of the published multi-task models.

Expected before the first run: wall time at most 1.1 of the summed scoring, as many bytes as one model reads, and a peak
of 10 models of one kind within 5 % of that of 1 (their weights are 1 to 10 MB).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from rows import Row, finish, make_parser, make_row

from data import CELL, TRACKS, build_store, write_sources
from factornet.model import FactorNet, ModelCard, NetworkConfig, save_weights
from factornet.model.keras.open_model import open_models
from factornet.model.model_dir.card import write_card
from factornet.model.prediction.runs.folder import make_predictors, predict_folder
from factornet.model.prediction.runs.outputs import plan_outputs
from factornet.model.prediction.runs.region_bins import RegionBins
from factornet.store import STRIDE, open_store, parse_region
from factornet.store.files.digest import file_digest
from factornet.store.machine import peak_memory
from factornet.store.storage.base import OpenObject

SIZE = 4_000_000
SMALL = {"kernels": 16, "recurrent": 8, "dense": 16}
MULTI_TASK = {"kernels": 128, "recurrent": 128, "dense": 256}  # of the published ones
SMALL_MULTI_TASK = {"kernels": 32, "recurrent": 16, "dense": 32}
N_TASKS = 19


def main() -> None:
    parser = make_parser(__doc__, repeats=1)
    parser.add_argument("--store", type=Path, help="a real store; default: a random chromosome")
    parser.add_argument("--cell", default=CELL)
    parser.add_argument("--regions", nargs="+", help="default: the chromosome")
    parser.add_argument("--memory-regions", nargs="+", help="for the peaks of 1, 5 and 10 models; default: --regions")
    parser.add_argument("--models", nargs="*", type=Path, default=[], help="model folders; the others are random")
    parser.add_argument("--count", type=int, default=10, help="models of one pass, the multi-task one among them (10)")
    parser.add_argument("--alone", nargs="*", metavar="NAME", help="models that are also run alone; all")
    parser.add_argument("--keep", type=Path, help="folder for models and outputs; default: a temporary one")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_once(**json.loads(options.child))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        rows = [row for _ in range(options.repeats) for row in measure(options, folder)]
    finish(rows, options.json)


def measure(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Run all models together, then some alone, and the peaks of 1, 5 and 10."""
    store = options.store or Path(build_store(write_sources(folder, size=SIZE, unknown=10_000)).path)
    regions = options.regions or [open_store(store).coordinates.names[0]]
    models = [*options.models, *random_models(folder / "models", options)]
    same: dict[str, Any] = {"store": store, "cell": options.cell, "regions": regions}
    together = child(**same, models=models, output=folder / "together")
    print(json.dumps(together | {"digests": len(together["digests"])}), file=sys.stderr, flush=True)
    walls, n_bytes = 0.0, 0
    alone_models = [m for m in models if options.alone is None or m.name in options.alone]
    for model in alone_models:
        alone = child(**same, models=[model], output=folder / "alone" / model.name)
        walls, n_bytes = walls + alone["wall"], max(n_bytes, alone["bytes"])
        different = [n for n in alone["digests"] if alone["digests"][n] not in together["digests"].values()]
        assert not different, f"{model.name}: {different} differ from what the pass wrote"
        print(
            f"{model.name}: {len(alone['digests'])} files are equal, {alone['wall']:.1f} s", file=sys.stderr, flush=True
        )
    rows = [make_row("predict_many_wall_vs_scoring", ([together["wall"]], [together["scoring"]]), "s")]
    if n_bytes:
        note = f"the most of {len(alone_models)} models alone"
        rows.append(make_row("predict_many_bytes_vs_one_model", ([together["bytes"]], [n_bytes]), "bytes", note=note))
    if options.alone is None:
        rows.append(make_row("predict_many_wall_vs_one_by_one", ([together["wall"]], [walls]), "s"))
    same["regions"] = options.memory_regions or regions
    small = equal_models(folder / "equal", options.count)
    peaks = {
        n: child(**same, models=small[:n], output=folder / f"peak{n}")["peak"] / 1e6 for n in (1, 5, options.count)
    }
    for n in (5, options.count):
        rows.append(make_row(f"predict_many_peak_{n}_vs_1", ([peaks[n]], [peaks[1]]), "MB"))
    return rows


def random_models(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Write models with random weights: small ones of a factor each, and a multi-task one."""
    made = []
    for i in range(options.count - len(options.models)):
        is_last = i == options.count - len(options.models) - 1
        tasks = tuple(f"TASK{k}" for k in range(1, N_TASKS + 1)) if is_last else (f"RANDOM{i + 1}",)
        sizes = (MULTI_TASK if options.store else SMALL_MULTI_TASK) if is_last else SMALL
        config = NetworkConfig(tasks=tasks, tracks=TRACKS[-1:] if is_last else TRACKS, **sizes)
        path = folder / ("multiTask" if is_last else tasks[0])
        if not path.exists():
            path.mkdir(parents=True)
            write_card(path, ModelCard(config=config))
            save_weights(path, FactorNet(config, seed=i).state_dict(), "best")
        made.append(path)
    return made


def equal_models(folder: Path, count: int) -> list[Path]:
    """Write small models of one kind: the peak of several kinds is about that of the kind which takes most."""
    for i in range(count):
        if not (folder / f"EQUAL{i}").exists():
            config = NetworkConfig(tasks=(f"EQUAL{i}",), tracks=TRACKS, **SMALL)
            (folder / f"EQUAL{i}").mkdir(parents=True)
            write_card(folder / f"EQUAL{i}", ModelCard(config=config))
            save_weights(folder / f"EQUAL{i}", FactorNet(config, seed=i).state_dict(), "best")
    return [folder / f"EQUAL{i}" for i in range(count)]


def child(**settings: Any) -> dict[str, Any]:
    """Run `run_once` in a process of its own."""
    text = json.dumps({k: [str(p) for p in v] if isinstance(v, list) else str(v) for k, v in settings.items()})
    command = [sys.executable, __file__, "--child", text]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_once(*, store: str, cell: str, regions: Sequence[str], models: Sequence[str], output: str) -> dict[str, Any]:
    """Predict all factors of the models; return seconds, bytes read of the store, peak memory and digests."""
    read = count_reads()
    begin = perf_counter()
    opened = open_store(store)
    predictors = make_predictors(open_models(models), store=opened, cell=cell, device=torch.device("cpu"))
    folder = Path(output)
    folder.parent.mkdir(exist_ok=True)
    outputs = plan_outputs(predictors, folder, suffix=".bw")
    bins = RegionBins(regions=tuple(parse_region(r, opened.coordinates) for r in regions), stride=STRIDE)
    report = predict_folder(folder, outputs, bins, overwrite=True)
    wall = perf_counter() - begin  # the models are opened in it, and the files read back
    paths = [path for o in outputs for path in (o.path, Path(f"{o.path}.json"))]
    return {
        "wall": wall,
        "scoring": report.scoring_seconds,
        "bytes": read[0],
        "peak": peak_memory(),
        "digests": {path.name: file_digest(path) for path in paths},
    }


def count_reads() -> list[int]:
    """Count the bytes that are read of objects of stores from now on."""
    count, plain = [0], OpenObject.read

    def counting(self: OpenObject, offset: int, size: int) -> bytes:
        data = plain(self, offset, size)
        count[0] += len(data)
        return data

    OpenObject.read = counting  # type: ignore[method-assign]
    return count


if __name__ == "__main__":
    main()
