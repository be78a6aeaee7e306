"""The commands that write outputs, on a tiny experiment: how each is called and repeated, what may be seen of it.

Used by system_calls.py.
"""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.forked import Forked
from support.keras_folder import SPECS, write_folder
from support.tiny_experiment import LENGTHS, build, write_cell

from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome
from factornet.store.files.sealed_toml import RUN_FILE

MODULES = (
    *(f"factornet.cli.{name}" for name in ("train", "predict", "evaluate", "visualize", "model")),
    *(f"factornet.model.training.{name}" for name in ("trainer", "setup", "plots")),
    *(f"factornet.model.{name}" for name in ("prediction", "evaluation", "motifs", "keras")),
    *("matplotlib.backends.backend_agg", "matplotlib.figure", "sklearn.metrics", "zarr.storage", "zarrs"),
    *("torch._dynamo", "numba", "sympy", "resvg_py", "PIL.PngImagePlugin"),  # what those import when first used
)
_MEASURED = {"seconds", "windows_per_second", "data_wait", "self_digest", "tables_sha256"}  # differ by run
_MEASURED |= {
    "wall_seconds",
    "scoring_seconds",
    "scored",
    "kept",
    "model_seconds",
    "status",
}  # of predictions in a folder

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Command:
    """A command whose outputs are in a folder.

    Attributes:
        name: in the table.
        module: its ``main`` is called.
        before: puts into the folder what is there before; arguments as for `arguments`.
        arguments: from the folder of the experiment and the folder of outputs.
        again: arguments with which a user repeats it after it died, from what stands in the folder.
        steps: whether its files may be seen one by one, as a training's are; else all appear in one step.
        last: with `steps`, the file that is seen only where all others are of the same run.
        record: with `last`, the file that may be the new one before that: it holds the digest of what it belongs to.
    """

    name: str
    module: str
    before: Callable[[Path, Path], Any]
    arguments: Callable[[Path, Path], list[str]]
    again: Callable[[Path, Path], list[str]]
    steps: bool = False
    last: str = ""
    record: str = ""


def prepare(server: Forked, work: Path) -> None:
    """Write the files of the experiment and build its store, a model, predictions, and a model of Keras."""
    rng = random.Random(1)
    (work / "genome.fa").write_text(
        "".join(f">{name}\n{''.join(rng.choices('ACGT', k=size))}\n" for name, size in LENGTHS.items())
    )
    build_genome(work / "s.zarr", GenomeInputs(work / "genome.fa"), GenomeOptions(assembly="tiny"), Resources(1))
    (work / "A").mkdir()
    write_cell(work / "A", 2.0)
    peaks = [(name, at) for name, size in LENGTHS.items() for at in range(1000, size - 2000, 1500)]
    (work / "A/p.bed").write_text("".join(f"{name}\t{at}\t{at + 200}\n" for name, at in peaks))
    build(work)
    starts = sorted(rng.choices(range(600, 18_000), k=6000))
    (work / "in.bed").write_text("".join(f"chrA\t{a}\t{a + 200}\n" for a in starts))
    (work / "spaced.bed").write_text("".join(f"chrA\t{a}\t{a + 200}\n" for a in range(600, 18_000, 7)))
    write_folder(work / "keras", SPECS["LSTM, one track"])
    for module, arguments in (
        ("train", [*_train(work), "-o", "model"]),
        ("predict", [*_predict(work), "--regions", "chrA", "-o", "chrA.bed.gz"]),
    ):
        ended = server.run(f"factornet.cli.{module}", arguments, work, limit=120)
        assert ended.status == 0, ended
    shutil.copytree(work / "model", work / "second")
    shutil.copytree(work / "model", work / "calibrated")
    words = ["calibrate", "calibrated", "--store", f"{work}/s.zarr", "--device", "cpu"]
    ended = server.run("factornet.cli.model", words, work, limit=120)
    assert ended.status == 0, ended


def _train(work: Path, seed: int = 1) -> list[str]:
    network = "-L 200 -k 4 -w 8 -r 2 -d 4"
    return f"--store {work}/s.zarr -f TF -i A -v chrB -t chrA:0-500 -e 2 -s {seed} --device cpu {network}".split()


def _predict(work: Path) -> list[str]:
    return f"--store {work}/s.zarr -f TF -i A --device cpu -m {work}/model".split()


def _visualize(work: Path) -> list[str]:
    return f"{' '.join(_predict(work)).replace('-f TF ', '')} -b {work}/A/p.bed -c chrA --pictures png svg".split()


def _nothing(work: Path, folder: Path) -> None:
    """Leave the folder empty."""


def _old_file(name: str) -> Callable[[Path, Path], Any]:
    return lambda work, folder: (folder / name).write_bytes(b"of an earlier run")


def _old_model(work: Path, folder: Path) -> None:
    shutil.copytree(work / "model", folder / "model")
    (folder / "model/notes.md").write_text("the user's")


def _old_page(work: Path, folder: Path) -> None:
    (folder / "page/logos").mkdir(parents=True)
    for name in ("index.html", "kernels.csv", "motifs.txt", "logos/old.png", "notes.md"):
        (folder / "page" / name).write_text("of an earlier run")


def _train_again(work: Path, folder: Path) -> list[str]:
    model = folder / "model"
    return [*_train(work, 2), "-o", str(model), *(["--resume"] if model.exists() else [])]


def _replace_again(work: Path, folder: Path) -> list[str]:
    model = folder / "model"
    old = (model / "model.json").exists() and (model / "model.json").read_bytes() == (
        work / "model/model.json"
    ).read_bytes()
    return [*_train(work, 2), *(["-oc", str(model)] if old or not model.exists() else ["-o", str(model), "--resume"])]


def _regions(name: str) -> Callable[[Path, Path], list[str]]:
    regions = "chrA:0-5000 chrA:5000-10000 chrB".split()
    return lambda work, folder: [*_predict(work), "--regions", *regions, "-o", str(folder / name)]


def _regions_again(name: str) -> Callable[[Path, Path], list[str]]:
    first = _regions(name)
    return lambda work, folder: [*first(work, folder), "--resume", *(["--force"] if (folder / name).exists() else [])]


def _called(work: Path, folder: Path) -> list[str]:
    model = [*_predict(work)[:-1], f"{work}/calibrated"]
    return [*model, "--regions", "chrA:0-5000", "chrA:5000-10000", "-o", f"{folder}/c.bw", "--fdr", "0.99"]


def _called_again(work: Path, folder: Path) -> list[str]:
    """Call the sites of finished predictions, or resume these."""
    words = _called(work, folder)
    if (folder / "c.narrowPeak").exists():
        return [*words, "--force"]
    return words if (folder / "c.bw").exists() else [*words, "--resume"]


def _intervals(bed: str, name: str) -> Callable[[Path, Path], list[str]]:
    return lambda work, folder: [*_predict(work), "-b", f"{work}/{bed}", "-o", str(folder / name), "--force"]


def _folder(work: Path, folder: Path) -> list[str]:
    regions = "chrA:0-5000 chrA:5000-10000 chrB".split()
    return [*_predict(work), f"{work}/second", "--regions", *regions, "-o", f"{folder}/out/"]


def _folder_again(work: Path, folder: Path) -> list[str]:
    return [*_folder(work, folder), "--resume"]


def _page(option: str) -> Callable[[Path, Path], list[str]]:
    return lambda work, folder: [*_visualize(work), option, str(folder / "page")]


def _page_again(work: Path, folder: Path) -> list[str]:
    return _page("-oc")(work, folder)


def _evaluate(work: Path, folder: Path) -> list[str]:
    return (
        f"{work}/chrA.bed.gz --store {work}/s.zarr -i A -f TF --picture {folder}/p.png --region chrA:2000-6000 "
        "--allow-seen".split()
    )


def _import(work: Path, folder: Path) -> list[str]:
    return ["import", f"{work}/keras", "-o", f"{folder}/imported"]


def _pack(work: Path, folder: Path) -> list[str]:
    return ["pack", f"{work}/model", "-o", f"{folder}/m.factornet", "--force"]


def _first_training(work: Path, folder: Path) -> list[str]:
    return [*_train(work, 2), "-o", str(folder / "model")]


def _replacing_training(work: Path, folder: Path) -> list[str]:
    return [*_train(work, 2), "-oc", str(folder / "model")]


def _predicts(kind: str, bed: str, name: str) -> Command:
    arguments = _intervals(bed, name)
    return _recorded(Command(f"predict-{kind}", "factornet.cli.predict", _old_file(name), arguments, arguments), name)


def _predicts_regions(kind: str, name: str) -> Command:
    again = _regions_again(name)
    return _recorded(Command(f"predict-regions-{kind}", "factornet.cli.predict", _nothing, _regions(name), again), name)


def _recorded(command: Command, name: str) -> Command:
    return replace(command, steps=True, last=name, record=f"{name}.json")


COMMANDS = (
    Command("train", "factornet.cli.train", _nothing, _first_training, _train_again, steps=True),
    Command("train-replace", "factornet.cli.train", _old_model, _replacing_training, _replace_again, steps=True),
    _predicts("bedgraph", "in.bed", "p.bed.gz"),
    _predicts("bigwig", "spaced.bed", "p.bw"),
    _predicts_regions("bedgraph", "r.bed.gz"),
    _predicts_regions("bigwig", "r.bw"),
    replace(
        _recorded(Command("predict-fdr", "factornet.cli.predict", _nothing, _called, _called_again), "c.narrowPeak"),
        record="c.narrowPeak.json",
    ),
    Command("predict-folder", "factornet.cli.predict", _nothing, _folder, _folder_again, steps=True),
    Command("visualize", "factornet.cli.visualize", _nothing, _page("-o"), _page_again),
    Command(
        "visualize-replace",
        "factornet.cli.visualize",
        _old_page,
        _page("-oc"),
        _page_again,
        steps=True,
        last="page/index.html",
    ),
    Command("evaluate", "factornet.cli.evaluate", _old_file("p.png"), _evaluate, _evaluate),
    Command("model-pack", "factornet.cli.model", _old_file("m.factornet"), _pack, _pack),
    Command("model-import", "factornet.cli.model", _nothing, _import, _import),
)


def seen(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder that a user sees: none whose name, or folder's name, begins with a dot.

    Records of runs are left out: they say when and where a run was, and are written after it.
    """
    files = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and not p.name.endswith(RUN_FILE))
    return {str(p): (folder / p).read_bytes() for p in files if not any(part[0] == "." for part in p.parts)}


def unfinished(folder: Path) -> list[str]:
    """Return what else is below a folder: temporary files, locks, empty folders."""
    hidden = [p for p in folder.rglob("*") if p.name[0] == "." or (p.is_dir() and not any(p.iterdir()))]
    return sorted(str(p.relative_to(folder)) for p in hidden)


def normal(files: Files) -> dict[str, Any]:
    """Return the content of files without times, which differ from run to run."""
    return {name: _normal(name, content) for name, content in files.items()}


def _normal(name: str, content: bytes) -> Any:
    if name.endswith("training.json"):
        history = json.loads(content)
        return [*_unmeasured(history["epochs"]), *([history["ended"]] if history["ended"] else [])]
    if name.endswith(".json"):
        return _unmeasured(json.loads(content))
    if name.endswith(("history.csv", "predictions.tsv")):
        rows = csv.DictReader(io.StringIO(content.decode()), delimiter="," if name.endswith("csv") else "\t")
        return [_unmeasured(row) for row in rows]
    return content


def _unmeasured(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmeasured(v) for key, v in value.items() if key not in _MEASURED}
    return [_unmeasured(v) for v in value] if isinstance(value, list) else value


def problems_with(command: Command, folder: Path, old: Files, new: Files) -> list[str]:
    """Compare what is seen with what was there before and what an undisturbed run writes.

    Each file is one of the two, whole; and all are of one of them unless the command's files appear in steps. While a
    model is replaced it is whole at its place, or in the backup beside it.
    """
    try:
        found, before, after = normal(now := seen(folder)), normal(old), normal(new)
    except ValueError as error:
        return [f"half a file: {error}"]
    if not command.steps:
        return [] if found in (before, after) else [f"neither what was before nor what is new: {sorted(now)}"]
    weights = [new[name] for name in new if name.endswith(".safetensors")]
    wrong = []
    for name, content in found.items():
        is_history = Path(name).name in ("training.json", "history.json", "history.csv")
        if (
            content not in (before.get(name), after.get(name))
            and not (is_history and content and content == after[name][: len(content)])
            and not (name.endswith("best.safetensors") and content in weights)
        ):
            wrong.append(f"{name} is neither the old nor the new one")
    earlier = before | ({command.record: after[command.record]} if command.record in found else {})
    if command.last in found and found not in (before, after, earlier):
        wrong.append(f"{command.last} is seen, but not all others are of the same run")
    if "model/model.json" in before:
        backup = {f"model/{k}": v for k, v in seen_below(folder / ".model.replaced").items()}
        kept = any(all(normal(files).get(k) == v for k, v in before.items()) for files in (now, backup))
        # The picture is drawn once the model is complete; what is missing then is drawn by a resumed run.
        if not kept and any(found.get(k) != v for k, v in after.items() if k != "model/training.png"):
            wrong.append("the model to be replaced is gone, and the new one is not complete")
    return wrong


def seen_below(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, which may be missing and whose name may begin with a dot."""
    return seen(folder) if folder.is_dir() else {}
