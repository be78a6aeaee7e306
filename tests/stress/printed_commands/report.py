"""Write the table of what was run as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from .pages import Printed
from .prepared import COMMANDS
from .run import Outcome
from .substitutions import PAGES, STAND_INS, SUBSTITUTIONS, substitute

_SHOWN = {"folder": "WORK", "web": "http://127.0.0.1:WEB", "scheduler": "tcp://127.0.0.1:SCHEDULER", "port": "PORT"}
"""What addresses and folders of a run are called in the table, which is the same after each run."""
_TITLE = """# Every printed command, run

Written by `make printed-commands`, which takes each command, script and Python program that README and docs print, in the order
of its page, in a folder of the page's own, and compares its exit status with what the page says. A new command has to have its
place here (`tests/system/test_printed_commands.py`). Of the scripts next to the pages, `docs/demo.sh` has the commands of the
tutorial, `docs/dream.sh` is run by a page, and `docs/real.sh` needs real data (`make real`). Examples of `--help` are parsed by
`tests/system/test_docs.py`, not run.
"""


def report(outcomes: Sequence[Outcome]) -> str:
    """Return the page."""
    return "\n".join(
        [_TITLE, _counts(outcomes), *_stand_ins(), *_substitutions(outcomes), *_prepared(), *_by_page(outcomes)]
    )


def _counts(outcomes: Sequence[Outcome]) -> str:
    ran = [o for o in outcomes if o.status is not None]
    changed = [o for o in ran if o.substitutions]
    faults = [o for o in ran if o.is_fault]
    rows = [
        ("found", len(outcomes)),
        ("run as printed", len(ran) - len(changed)),
        ("run with a substitution", len(changed)),
        ("not run, for the reason given", len(outcomes) - len(ran)),
        ("ended otherwise than the page says", len(faults)),
    ]
    return _table(("commands, scripts and programs", "number"), rows)


def _stand_ins() -> list[str]:
    return ["\n## What stands in\n", _table(("printed", "stands for it here"), list(STAND_INS.items()))]


def _substitutions(outcomes: Sequence[Outcome]) -> list[str]:
    rows = []
    for s in SUBSTITUTIONS:
        n = sum(s in o.substitutions for o in outcomes)
        rows.append((_code(s.pattern), _code(s.by), s.why, n))
    columns = ("replaced (regular expression)", "by", "why", "commands")
    return ["\n## Substitutions\n\nOf the text of commands; below, both texts are shown.\n", _table(columns, rows)]


def _prepared() -> list[str]:
    rows = [
        (
            page,
            ", ".join(_need(name, source) for name, source in what.needs.items()),
            "; ".join(_code(step) for step in what.steps.values()),
        )
        for page, what in PAGES.items()
    ]
    columns = ("page", "begins with", "done between its commands")
    text = (
        "\n## What pages begin with\n\nFiles that a reader has, and what earlier pages made; in parentheses what stands for it, "
        "where that has\nanother name.\n"
    )
    made = "\nThe stores, models and predictions among them are made by\n\n```text\n" + "\n".join(COMMANDS) + "\n```"
    return [text, _table(columns, rows), made]


def _need(name: str, source: str) -> str:
    same = name.rpartition("/")[2] == source.rpartition("/")[2]
    return _code(name) if same else f"{_code(name)} ({_code(source)})"


def _by_page(outcomes: Sequence[Outcome]) -> list[str]:
    parts = ["\n## Commands"]
    for page, items in groupby(outcomes, key=lambda o: o.item.page):
        rows = [(published_text(o.item), _how(o)) for o in items]
        parts += [f"\n### {page}\n", _table(("printed", "outcome"), rows)]
    return parts


def published_text(item: Printed) -> str:
    """Return a command as the table has it; of scripts and programs the first line."""
    if item.kind == "command":
        return _code(item.text)
    lines = item.text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), lines[0])
    names = {"script": "script", "python": "program"}
    return f"{names.get(item.kind, 'block')} of {len(lines)} lines: {_code(first)} ..."


def _how(outcome: Outcome) -> str:
    if outcome.status is None:
        return f"not run: {outcome.why_not}"
    status = f"status {outcome.status}" + (f", not {outcome.expected}" if outcome.is_fault else "")
    if not outcome.substitutions:
        return f"as printed: {status}"
    if outcome.item.kind == "command":
        return f"as {_code(substitute(outcome.item, _SHOWN)[0])}: {status}"
    return f"with substitutions ({'; '.join(s.why for s in outcome.substitutions)}): {status}"


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
