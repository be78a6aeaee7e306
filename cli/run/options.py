"""Names of the options of a parser, in records of runs and in files of --config."""

from __future__ import annotations

import argparse


def own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options and arguments of a parser, one of each destination; help, version, sub-commands left out."""
    found: dict[str, argparse.Action] = {}
    for action in parser._actions:
        if not isinstance(action, (argparse._HelpAction, argparse._VersionAction, argparse._SubParsersAction)):
            found.setdefault(action.dest, action)
    return list(found.values())


def option_name(action: argparse.Action) -> str:
    """Return the first long name of an option without its dashes; of an argument its destination.

    Options that set one value, such as ``--amp`` and ``--double``, are named by the value.
    """
    if isinstance(action, argparse._StoreConstAction) and not isinstance(action.const, bool):
        return action.dest
    return next((name[2:] for name in action.option_strings if name.startswith("--")), action.dest)
