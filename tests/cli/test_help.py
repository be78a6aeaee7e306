"""The help texts: every argument described, defaults readable, lines that fit a terminal."""

import argparse
import re

import pytest

from factornet.cli import etl, evaluate, model, predict, train, visualize
from factornet.store.storage.cache import DEFAULT_LIMIT


def parsers(parser):
    """A parser, and those of its sub-commands."""
    yield parser
    for action in parser._actions:
        for below in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from parsers(below)


@pytest.mark.parametrize("command", [etl, train, predict, evaluate, visualize, model])
def test_help_describes_each_argument(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    for parser in parsers(command.make_parser()):
        for action in parser._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction), (parser.prog, action.dest)
        for default in re.findall(r"default: ([^)]*)\)", parser.format_help()):
            assert not re.search(r"\d{5}|^/", default), f"{parser.prog}: {default} is not readable"


@pytest.mark.parametrize("command", [etl, train, predict, evaluate, visualize, model])
def test_help_fits_a_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for parser in parsers(command.make_parser()):
        text = parser.format_help().partition("\nexample")[0]
        assert max(map(len, text.splitlines())) <= 100


def test_default_of_a_size_is_parsed():
    options = evaluate.make_parser().parse_args(["x.bed", "--store", "s", "-i", "K562", "-f", "CTCF"])
    assert options.cache_size == DEFAULT_LIMIT
