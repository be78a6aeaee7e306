"""The one command: its sub-commands are the programs, errors name them, letters and completion of all options."""

import argparse
import json
import os
import pty
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from factornet.cli.entry_points import PROGRAMS
from factornet.cli.main import main, program_parser, whole_parser
from factornet.cli.run.parser import EXIT_STATUS

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).parent / "factornet"


def run(*words, **more):
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False, timeout=60, **more)


def parsers(parser):
    yield parser
    for action in parser._actions:
        for below in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from parsers(below)


def test_every_program_is_a_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"factornet"} | {f"factornet-{name}" for name in PROGRAMS}


def test_commands_are_those_of_the_programs(demo_store):
    both = [run("etl", "info", demo_store, "--json"), subprocess.run(
        [f"{PROGRAM}-etl", "info", demo_store, "--json"], capture_output=True, text=True, check=True
    )]  # fmt: skip
    assert both[0].stdout == both[1].stdout
    help_text = run("train", "--help").stdout
    assert help_text.startswith("usage: factornet train ")
    assert EXIT_STATUS.split()[-1] in help_text


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("etl", "info", "/none"), "factornet etl info"),
        (("model", "info", "/none"), "factornet model info"),
        (("evaluate", "/none.bw", "--store", "/none"), "factornet evaluate"),
    ],
)
def test_errors_name_the_sub_command(words, name):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{name}: error: /none")
    with_json = run(*words, "--json")
    error = json.loads(with_json.stdout)["error"]
    assert with_json.stderr == done.stderr
    assert (error["command"], error["status"]) == (name.replace(" ", "-", 1), 2)
    assert done.stderr == f"{name}: error: {error['message']}\n"
    assert error["kind"] in ("StoreError", "InputError", "UsageError")


def test_mistakes_in_options_are_json_too():
    done = run("etl", "verify", "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2
    assert error == {
        "command": "factornet etl verify",
        "kind": "UsageError",
        "message": "the following arguments are required: store",
        "status": 2,
    }


def test_unknown_command_is_named():
    done = run("trian")
    assert done.returncode == 2
    assert "'trian'" in done.stderr
    assert run().returncode == 2


def test_default_of_store_comes_from_the_environment(demo_store):
    environment = {**os.environ, "FACTORNET_STORE": str(demo_store)}
    done = run("train", "-f", "NONE", "-i", "K562", "-o", "/tmp/none", env=environment)
    assert (done.returncode, "has no factor" in done.stderr or "NONE" in done.stderr) == (2, True)
    missing = run("train", "-i", "K562", "-o", "x", env={**os.environ, "FACTORNET_STORE": ""})
    assert (missing.returncode, "required: --store" in missing.stderr) == (2, True)


def test_every_option_has_a_long_name():
    for parser in parsers(whole_parser()):
        for action in parser._actions:
            names = action.option_strings
            assert not names or any(name.startswith("--") for name in names), (parser.prog, names)


def test_letters_that_mean_several_things_say_so():
    """And docs/commands.md lists each of them with its long names."""
    meanings = defaultdict(lambda: defaultdict(list))
    for parser in parsers(whole_parser()):
        for action in parser._actions:
            long = next((n for n in action.option_strings if n.startswith("--")), "")
            for name in action.option_strings:
                if not name.startswith("--"):
                    meanings[name][long.rstrip("s")].append((parser.prog, action.help))
    several = {letter: by_name for letter, by_name in meanings.items() if len(by_name) > 1}
    page = (ROOT / "docs/commands.md").read_text()
    for letter, by_name in several.items():
        others = {"--processe", "--parallel"}  # both say how many at a time
        if set(by_name) == others:
            continue
        texts = [help_text for uses in by_name.values() for prog, help_text in uses if prog == "factornet train"]
        assert any(f"elsewhere {letter} is --" in text for text in texts), letter
        row = next(line for line in page.splitlines() if line.startswith(f"| `{letter}` |"))
        assert all(f"`{name}" in row for name in by_name), (letter, row)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "--valid-cells" in script
    assert main(["completion", shell, "--program", "factornet-predict"]) == 0
    assert "factornet-predict" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_and_options(tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    ask = (
        f". {tmp_path}/script; COMP_WORDS=(factornet {{}}); COMP_CWORD=$((${{{{#COMP_WORDS[@]}}}}-1)); "
        '_shtab_factornet; echo "${{COMPREPLY[@]}}"'
    )

    def complete(words):
        done = subprocess.run(["bash", "-c", ask.format(words)], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert complete("cr") == ["crossval"]
    assert "--learning-rate" in complete("train --le")
    assert "unpack" in complete("etl un")


def test_completion_without_shtab_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'factornet[completion]'" in capsys.readouterr().err


@pytest.mark.parametrize("no_color", [False, True])
def test_no_color_is_honoured_on_a_terminal(demo_store, no_color):
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color"}
    environment |= {"NO_COLOR": "1"} if no_color else {}
    read, write = pty.openpty()
    started = subprocess.Popen([PROGRAM, "etl", "verify", demo_store], stdout=write, stderr=write, env=environment)
    os.close(write)
    shown = b""
    try:
        while block := os.read(read, 4096):
            shown += block
    except OSError:  # Linux says so at the end of a terminal
        pass
    os.close(read)
    assert started.wait(timeout=60) == 0
    coloured = re.search(rb"\x1b\[[0-9;]*(3[0-9]|4[0-9]|9[0-7])[;m]", shown)
    assert (coloured is None) or not no_color, shown


def test_every_program_makes_its_parser():
    assert [program_parser(name).prog for name in PROGRAMS] == [f"factornet-{name}" for name in PROGRAMS]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("module", ["factornet", *(f"factornet.cli.{name}" for name in ("main", *PROGRAMS))])
def test_modules_of_commands_run(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: factornet")


def test_cell_lines_may_stand_behind_options():
    parser = program_parser("etl")
    before, behind = (
        parser.parse_args(["build", "s.zarr", *words])
        for words in (["data/A", "data/B", "-p", "3"], ["-p", "3", "data/A", "data/B"])
    )
    assert before.folders == behind.folders == [Path("data/A"), Path("data/B")]
    assert before.processes == behind.processes
    with pytest.raises(SystemExit):
        parser.parse_args(["build", "s.zarr", "data/A", "-p", "3", "data/B"])
