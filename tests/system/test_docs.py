"""What README and docs print must be true: commands parse, code runs, links lead somewhere, the wheel is complete."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
import torch

from factornet.cli import crossval, etl, evaluate, main, model, predict, train, visualize
from factornet.cli.run.config import with_config
from factornet.etl import Resources, unpack_store
from factornet.model import one_hot
from factornet.store import open_store

ROOT = Path(__file__).parents[2]
COMMANDS = "etl|train|predict|evaluate|crossval|visualize|model"
PARSERS = {
    "factornet": main.make_parser,
    "factornet-etl": etl.make_parser,
    "factornet-train": train.make_parser,
    "factornet-predict": predict.make_parser,
    "factornet-evaluate": evaluate.make_parser,
    "factornet-crossval": crossval.make_parser,
    "factornet-visualize": visualize.make_parser,
    "factornet-model": model.make_parser,
}


def printed_commands():
    """Every factornet command in README, docs and the examples of --help."""
    texts = {p.name: p.read_text() for p in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.sh")]}
    texts |= {f"{name} --help": make().format_help() for name, make in PARSERS.items()}
    found = []
    for place, text in texts.items():
        joined = re.sub(r"\\\n\s*", " ", text)
        for line in joined.splitlines():
            named = re.sub(rf"^(\s*)factornet ({COMMANDS}) (?!--help)", r"\1factornet-\2 ", line)
            if re.match(r"\s*factornet-\w+ (?!\[)", named) and "usage" not in named:
                found.append((place, without_shell(named.partition("  #")[0])))
    return found


def without_shell(line):
    """A command without redirections and ``&``, a word in place of each variable, nothing in place of lists of words."""
    line = re.sub(r"\s[<>|&].*$", "", line)
    line = re.sub(r'\$\{\w+\[@\]\+"\$\{\w+\[@\]\}"\}|"?\$(\{\w+\[@\]\}|@)"?', "", line)
    return re.sub(r"\$\{?\w+\}?", "X", line).strip()


@pytest.mark.parametrize(("place", "line"), printed_commands())
def test_printed_command_parses(place, line, tmp_path):
    program, *arguments = shlex.split(line)
    if "--config" in arguments:  # the record of a run, which has the required options
        arguments[arguments.index("--config") + 1] = str(tmp_path / "run.toml")
        (tmp_path / "run.toml").write_text('[options]\nstore = "X"\ncells = ["X"]\n')
        arguments = with_config(PARSERS[program](), program, arguments)
    PARSERS[program]().parse_args(arguments)


def test_enough_commands_were_found():
    assert len(printed_commands()) > 15


def test_readme_code_runs(demo_store):
    text = (ROOT / "README.md").read_text()
    block = re.search(r"\n((?:    from factornet\.store.*\n)(?:(?:    .*)?\n)+?)\n`WindowDataset` of", text)[1]
    code = re.sub(r"^ {4}", "", block, flags=re.M).replace("build/demo/demo.zarr", str(demo_store))
    names: dict = {}
    exec(code, names)
    assert names["batch"].codes.shape[1] == 1000


def test_networks_of_the_docs_learn(demo_store, tmp_path):
    """In one process: a script of a user's guards workers that are spawned, and forks from a process with threads warn."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/own-networks.md").read_text(), re.S)
    (tmp_path / "peaks.bed").write_text("chr2\t1000\t9000\n")
    code = "\n".join(blocks).replace("build/demo/demo.zarr", str(demo_store)).replace("num_workers=2", "num_workers=0")
    names: dict = {}
    exec(code.replace("peaks.bed", str(tmp_path / "peaks.bed")).replace("own.bw", str(tmp_path / "own.bw")), names)
    losses = names["losses"]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert names["labelled"].label.sum() == 40
    assert 0 < names["precision"] < 1
    assert (tmp_path / "own.bw").stat().st_size > 1000
    assert names["batch"].targets.shape[1:] == (1, 4)
    check_strands(names["either_strand"], next(iter(names["dataset"])))


def check_strands(either_strand, batch):
    """The other strand is read from its other end, and pairs A with T, C with G."""
    found = [either_strand(replace(batch, index=batch.index + i)) for i in range(20)]
    others = [other for other in found if not torch.equal(other.codes, batch.codes)]
    assert 0 < len(others) < 20
    for other in others:
        assert torch.equal(one_hot(other.codes), one_hot(batch.codes).flip(1, 2))
        assert torch.equal(other.tracks.flip(2), batch.tracks)
        assert torch.equal(other.labels, batch.labels)


@pytest.mark.parametrize("form", ["compressed", "raw"])
def test_reader_of_the_docs_reads_what_the_library_reads(demo_store, tmp_path, form):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/store.md").read_text(), re.S)
    assert len([line for line in code.partition("\ngenome = ")[0].splitlines() if line]) <= 40
    path = demo_store if form == "compressed" else tmp_path / "raw.zarr"
    if form == "raw":
        unpack_store(demo_store, path, Resources(), cells=["K562"])
    names: dict = {}
    exec(code.replace("build/demo/demo.zarr", str(path)), names)
    store, region = open_store(demo_store), slice(20_000, 21_000)
    assert np.array_equal(names["sequence"].argmax(1), store.array("genome/sequence/chr2")[region])
    assert np.array_equal(names["signal"], store.track("K562", "DGF", "chr2")[region])
    assert np.array_equal(
        names["labels"], store.labels("K562", "chr2")[400:420, store.cell("K562").factor_index("CTCF")]
    )
    damaged = next((Path(path) / "cells/K562/tracks/DGF/chr2").rglob("c/0*"))
    copy = tmp_path / "copy.zarr"
    shutil.copytree(path, copy)
    (copy / damaged.relative_to(path)).write_bytes(b"x" + damaged.read_bytes()[1:])
    with pytest.raises(ValueError, match="damaged"):
        names["CheckedGroup"](copy, "cells/K562").read("tracks/DGF/chr2", 0, 10)


def test_tracker_of_the_docs_runs(demo_store, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/training.md").read_text(), re.S)
    code = code.replace("build/demo/demo.zarr", str(demo_store)).replace("build/tracked", str(tmp_path / "tracked"))
    names: dict = {}
    exec(code, names)
    assert [step for step, _ in names["tracker"].rows] == [1, 2]
    assert names["result"].reason == "all 2 epochs done"


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")), "data/README.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("program", PARSERS)
def test_help_is_quick_and_has_an_example(program):
    command = [str(Path(sys.executable).parent / program), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "example" in shown


def test_wheel_is_complete(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("etl", "store", "model", "cli"):
        for path in (ROOT / folder).glob("*.py"):
            assert f"factornet/{folder}/{path.name}" in inside
    assert {"factornet/__init__.py", "factornet/py.typed", "factornet/resources/hg19.chrom.sizes"} <= inside
    assert not any("tests/" in name for name in inside)


def test_tests_that_the_makefile_selects_by_name_exist():
    selections = re.findall(r"pytest -q (tests/\S+\.py) -k (\w+)", (ROOT / "Makefile").read_text())
    assert selections
    for file, word in selections:
        assert re.search(rf"^def test_\w*{word}", (ROOT / file).read_text(), re.M), f"{file} has no test {word}"


def test_messages_of_the_troubleshooting_page_are_those_of_the_code():
    """Each literal part of a message in the first column occurs in one of the strings of the source."""
    page = (ROOT / "docs/troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    assert len(messages) > 25
    sources = "".join(
        p.read_text() for folder in ("store", "model", "etl", "cli") for p in (ROOT / folder).rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", sources).replace("{SELF_DIGEST}", "self_digest").lower()
    for message in messages:
        assert message.lower() in joined, message


def test_notebook_runs(demo_files, demo_store, tmp_path):
    text = (ROOT / "docs/notebook.ipynb").read_text()
    text = text.replace("build/demo/demo.zarr", str(demo_store)).replace("build/demo/files", str(demo_files))
    notebook = nbformat.reads(text, nbformat.current_nbformat)
    kernel = {"env": {**os.environ, "OMP_NUM_THREADS": "1"}, "cwd": str(tmp_path)}
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3")
    with client.setup_kernel(**kernel):
        client.nb.cells = [client.execute_cell(cell, i) for i, cell in enumerate(notebook.cells)]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert any("epoch 8  loss" in output.get("text", "") for output in outputs)


def tutorial_commands():
    """The commands of the tutorial, as printed."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), re.S)
    return [re.sub(r"\s*\\\n\s*", " ", block).strip() for block in blocks]


def test_tutorial_has_the_commands_of_the_demo():
    demo = re.sub(r"\s*\\\n\s*", " ", (ROOT / "docs/demo.sh").read_text()).splitlines()
    assert tutorial_commands() == [line for line in demo if line.startswith("factornet")]


@pytest.mark.slow
def test_tutorial_runs(tmp_path):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in tutorial_commands():
        subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True, timeout=900)
    for picture in ("model/training.png", "locus.png", "measures.png"):
        assert (tmp_path / picture).stat().st_size > 10_000
