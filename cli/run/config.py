"""Take options from a file of ``--config``: the record of a run, or TOML written by hand.

    [options]
    store = "hg19.zarr"
    cells = ["GM12878", "K562"]
    meta = true

Names are the long names of options, without dashes. What the command line says counts before it.
"""

from __future__ import annotations

import argparse
import copy
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...store.errors import InputError
from ...store.files.sealed_json import check_format
from ...store.files.sealed_toml import RUN_FORMAT, read_toml
from ...store.text import is_number
from .options import option_name, own_actions
from .record import NOT_RECORDED

_SHORTEST = "--co"
"""As argparse takes beginnings of names: what begins so may be ``--config``."""
_DASH_HINT = "write a path as ./-name; names that begin with - cannot be given in a list"
_HINT = "give the record of a run (run.toml), or a file with a table [options] of long names of options"


def with_config(parser: argparse.ArgumentParser, command: str, words: Sequence[str]) -> list[str]:
    """Return the words of a command line, completed by those that its ``--config`` file gives.

    Args:
        parser: that has the options: of the sub-command, where there is one.
        command: name of the command.
        words: of the command line that this parser parses.

    Raises:
        InputError: the file cannot be read, is the record of another command, or has an unknown option or a value
            that cannot be one.
    """
    before, after = _split(words)
    # Without a file, help and mistakes are of the whole parser alone.
    if {"-h", "--help"} & set(before) or not any(word.startswith(_SHORTEST) for word in before):
        return list(words)
    given = _given(parser, words)
    if getattr(given, "config", None) is None:
        return list(words)
    values = _read_options(Path(given.config), command, parser)
    taken = set(vars(given)) | _excluded(parser, given)
    arguments, options, last = list[str](), list[str](), list[str]()
    for action in own_actions(parser):
        name = option_name(action)
        if name not in values or action.dest in taken | NOT_RECORDED:
            continue
        if action.option_strings:
            options += _option_words(Path(given.config), parser, action, values[name])
        else:
            texts = _texts(Path(given.config), name, values[name])
            (last if any(text.startswith("-") for text in texts) else arguments).extend(texts)
    # Arguments first: an option with several values would take them for its own.
    tail = ["--", *after, *last] if after or last else []
    return [*arguments, *before, *options, *tail]


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words before and after ``--``."""
    at = list(words).index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def _given(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the values of those options only that a command line gives."""
    relaxed = copy.deepcopy(parser)
    relaxed._defaults.clear()
    for action in relaxed._actions:
        action.required, action.default = False, argparse.SUPPRESS
        if not action.option_strings and action.nargs in (None, "+"):
            action.nargs = "?" if action.nargs is None else "*"
    for group in relaxed._mutually_exclusive_groups:
        group.required = False
    relaxed.format_usage = parser.format_usage  # type: ignore[method-assign]  # shown with a mistake
    return relaxed.parse_args(words)


def _excluded(parser: argparse.ArgumentParser, given: argparse.Namespace) -> set[str]:
    """Return the options that exclude one of those given."""
    groups = [{action.dest for action in group._group_actions} for group in parser._mutually_exclusive_groups]
    return {dest for group in groups if group & set(vars(given)) for dest in group}


def _read_options(path: Path, command: str, parser: argparse.ArgumentParser) -> Mapping[str, Any]:
    content = read_toml(path, hint=_HINT)
    if "format" in content:
        check_format(path, content, RUN_FORMAT)
    recorded = content.get("command", command)
    if recorded != command:
        raise InputError(path, f"is of {recorded}, not of {command}", hint=f"give it to {recorded}")
    values = content.get("options")
    if not isinstance(values, dict):
        raise InputError(path, "has no table [options]", hint=_HINT)
    known = [option_name(action) for action in own_actions(parser) if action.dest not in NOT_RECORDED]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, 3) or ["--help has all"]
            raise InputError(path, f"{command} has no option {name!r}", hint=f"close names: {', '.join(close)}")
    return values


def _texts(path: Path, name: str, value: Any) -> list[str]:
    """Return the values of an option as words."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list | bool) for item in items):
        raise InputError(path, f"{name} = {value!r} is no value of an option", hint="give text, a number, or a list")
    texts = [str(item) for item in items]
    if any("\0" in text for text in texts):  # no command line has one, so nothing checks for it
        raise InputError(path, f"{name} = {value!r} has a NUL character", hint="remove it")
    return texts


def _option_words(path: Path, parser: argparse.ArgumentParser, action: argparse.Action, value: Any) -> list[str]:
    """Return an option with a value as words of a command line."""
    name = option_name(action)
    long = next(text for text in action.option_strings if text.startswith("--"))
    if isinstance(action, argparse.BooleanOptionalAction) and isinstance(value, bool):
        return [long if value else f"--no-{long[2:]}"]
    if action.nargs == 0 and action.const is True:
        if not isinstance(value, bool):
            raise InputError(path, f"{name} = {value!r} is not true or false", hint="write true, or leave it out")
        return [long] if value else []
    if isinstance(action, argparse._StoreConstAction):
        by_value = {str(a.const): a for a in parser._actions if a.dest == action.dest and a.option_strings}
        if str(value) not in by_value:
            raise InputError(path, f"{name} is {value!r}", hint=f"choose {' or '.join(by_value)}")
        return [by_value[str(value)].option_strings[0]]
    texts = _texts(path, name, value)
    if action.nargs is None:
        if len(texts) != 1:
            raise InputError(path, f"{name} = {value!r} is not one value", hint="write one")
        return [f"{long}={texts[0]}"]
    # Among several values such a word would be an option of its own, --force say.
    if options := [text for text in texts if text.startswith("-") and not is_number(text)]:
        raise InputError(path, f"{name} has the value {options[0]!r}, which begins as an option does", hint=_DASH_HINT)
    return [long, *texts]
