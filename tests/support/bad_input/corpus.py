"""Write the corpus of bad and odd input files, derived from the demo experiment, with the expected outcomes.

    PYTHONPATH=tests python -m support.bad_input.corpus FOLDER

writes the clean experiment, one folder per case with the files that differ from it, and ``cases.json``: name, command,
file, and whether the file must be accepted (with equal digests, or a pattern of the report) or refused (with patterns
of the message). `tests/system/test_bad_input.py` runs all cases; `benchmarks/bad_input.py` also compares other tools.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from support.bad_input.case import Case
from support.bad_input.cases import CASES
from support.bad_input.experiment import GENOME, write_small

from factornet.etl import write_demo

MAIN = {"genome": "etl", "build": "etl", "predict": "predict", "train": "train"}
"""Module of `factornet.cli` by command."""

ARGUMENTS = {
    "genome": f"genome s.zarr {' '.join(GENOME)} --force --json",
    "build": "build s.zarr CELL -p 1 --json",
    "predict": "--store s.zarr -i OTHER -f CTCF -m model -b regions.bed -o out.bed.gz --device cpu",
    "train": "--store s.zarr -i OTHER -f CTCF -v chr21 -t chr7:0-9000 -mo --motifs motifs.meme -o new --device cpu -e 1",
}
"""Arguments by command, for the folder of a case, which holds the store ``s.zarr``."""


def arguments_of(case: Case) -> list[str]:
    """Return the arguments of the command of a case."""
    return [*ARGUMENTS[case.command].split(), *case.options]


def write_experiment(folder: Path) -> Path:
    """Write the clean experiment with a model to a new folder."""
    from factornet.model import FactorNet, NetworkConfig
    from factornet.model.model_dir.card import ModelCard
    from factornet.model.model_dir.lifecycle import create_model
    from factornet.model.model_dir.weights import save_weights

    with tempfile.TemporaryDirectory() as demo:
        write_demo(Path(demo, "demo"))
        write_small(Path(demo, "demo"), folder)
    config = NetworkConfig(tasks=("CTCF",), tracks=("Unique35", "DGF"), kernels=4, recurrent=2, dense=2)
    create_model(folder / "model", ModelCard(config=config))
    save_weights(folder / "model", FactorNet(config, seed=1).state_dict(), "best")
    return folder


def write_case(case: Case, clean: Path, folder: Path) -> Path:
    """Write the experiment with the changed file of a case to a new folder."""
    shutil.copytree(clean, folder, symlinks=True)
    case.change(folder / case.file)
    return folder


def describe(case: Case) -> dict[str, object]:
    """Return a row of cases.json."""
    if case.refused:
        expected: dict[str, object] = {"outcome": "refused", "problem": case.problem, "hint": case.hint}
    else:
        expected = {"outcome": "accepted", "same digests": case.same, "report": case.notes}
    row = {"name": case.name, "command": case.command, "file": case.file, "options": list(case.options)}
    return {**row, **expected}


def write_corpus(folder: Path, cases: Sequence[Case] = CASES) -> None:
    """Write for each case the files that differ from the clean ones, and cases.json."""
    clean = write_experiment(folder / "clean")
    rows = []
    for number, case in enumerate(cases):
        case_folder = write_case(case, clean, folder / f"{number:03d}")
        _remove_equal_files(case_folder, clean)
        rows.append({"folder": case_folder.name, **describe(case)})
    (folder / "cases.json").write_text(json.dumps(rows, indent=1))


def _remove_equal_files(folder: Path, clean: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        original = clean / path.relative_to(folder)
        if path.is_file() and original.is_file() and filecmp.cmp(path, original, shallow=False):
            path.unlink()
        elif path.is_dir() and not path.is_symlink() and not any(path.iterdir()) and original.is_dir():
            path.rmdir()


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="folder to create")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True)
    write_corpus(folder)
    refused = sum(c.refused for c in CASES)
    print(f"{folder}: {len(CASES)} cases, {refused} to be refused, {len(CASES) - refused} to be accepted")


if __name__ == "__main__":
    main()
