"""The help texts: every argument described, defaults readable, lines that fit a terminal."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from factornet.cli import crossval, etl, evaluate, model, predict, train, visualize
from factornet.cli.common.arguments import (
    finite_number,
    natural_number,
    parse_size,
    positive_int,
    positive_number,
    seed_number,
    whole_number,
)
from factornet.store.storage.cache import DEFAULT_LIMIT


def parsers(parser):
    """A parser, and those of its sub-commands."""
    yield parser
    for action in parser._actions:
        for below in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from parsers(below)


@pytest.mark.parametrize("command", [etl, train, predict, evaluate, visualize, model, crossval])
def test_help_describes_each_argument(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    for parser in parsers(command.make_parser()):
        for action in parser._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction), (parser.prog, action.dest)
        for default in re.findall(r"default: ([^)]*)\)", parser.format_help()):
            assert not re.search(r"\d{5}|^/", default), f"{parser.prog}: {default} is not readable"
            assert default, f"{parser.prog}: an empty default is shown"


@pytest.mark.parametrize("command", [etl, train, predict, evaluate, visualize, model, crossval])
def test_help_fits_a_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for parser in parsers(command.make_parser()):
        text = parser.format_help().partition("\nexample")[0]
        assert max(map(len, text.splitlines())) <= 100


NUMBERS = {positive_int, natural_number, whole_number, seed_number, finite_number, positive_number, parse_size}


@pytest.mark.parametrize("command", [etl, train, predict, evaluate, visualize, model, crossval])
def test_numbers_of_options_are_finite_and_of_a_size_to_compute_with(command):
    """A seed of 26 digits and an infinite learning rate ended in tracebacks, a batch of 22 in an unreadable record."""
    for parser in parsers(command.make_parser()):
        for action in parser._actions:
            assert action.type not in (int, float, complex), (parser.prog, action.dest)
            for text in ("9" * 26, "9" * 5000, "1e400", "nan", "inf", "²") if action.type in NUMBERS else ():
                if not (action.type in (finite_number, positive_number) and text == "9" * 26):
                    with pytest.raises(argparse.ArgumentError):
                        parser._get_values(action, [text] * (action.nargs or 1) if action.nargs != "+" else [text])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("-b", "9" * 22, f"'{'9' * 22}' is more than 2147483647"),
        ("-s", "9" * 26, "is more than 9223372036854775807"),
        ("-s", "-1", "'-1' is not a whole number of at least 0"),
        ("-lr", "inf", "'inf' is not a finite number"),
        ("-lr", "0", "'0' is not above 0"),
        ("-p", "nan", "'nan' is not a finite number"),
        ("--cache-size", "9" * 400, "is more than any machine has"),
    ],
)
def test_numbers_that_cannot_be_computed_with_are_refused(capsys, option, value, message):
    with pytest.raises(SystemExit, match="2"):
        train.make_parser().parse_args(["--store", "s", "-i", "K562", "-o", "m", option, value])
    assert message in capsys.readouterr().err


def test_default_of_a_size_is_parsed():
    options = evaluate.make_parser().parse_args(["x.bed", "--store", "s", "-i", "K562", "-f", "CTCF"])
    assert options.cache_size == DEFAULT_LIMIT


def test_defaults_of_networks_over_blocks_are_those_that_the_help_names(demo_store, monkeypatch):
    plans = []
    monkeypatch.setattr(train, "_dry_run", lambda plan, *_: plans.append(plan) or 0)
    words = ["--store", str(demo_store), "-f", "CTCF", "-i", "K562", "--preset", "blocks", "--no-motif", "--dry-run"]
    assert train.main(words) == 0
    config, options, segments = plans[0].config, plans[0].options, plans[0].segment_options
    help_of = {name: action.help for action in train.make_parser()._actions for name in action.option_strings}
    expected = {
        "--members": f"default: {len(config.members)}",
        "--trees": f"default: {config.trees} if",
        "--labels": f"default: {segments.mode}",
        "--kernels": f"{config.kernels} with --preset blocks",
        "--motifwidth": f"{config.kernel_width} with --preset blocks",
        "--epochs": f"{options.epochs} with --preset blocks",
        "--patience": f"{options.patience} with --preset blocks",
        "--learning-rate": f"{options.learning_rate:g} with --preset blocks",
        "--batch": f"{options.batch_size} with --preset blocks",
        "--select": f"{options.select} with --preset blocks",
    }
    for option, default in expected.items():
        assert default in help_of[option], option


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("info", "--help")])
def test_help_that_cannot_be_written_is_no_success(arguments):
    program = "import sys; from factornet.cli.etl import main; sys.exit(main(sys.argv[1:]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    own = " ".join(("factornet-etl", *arguments[:-1]))
    assert (done.returncode, done.stderr) == (2, f"{own}: error: standard output: No space left on device\n")
