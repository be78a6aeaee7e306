"""Find the blocks of a page that a reader would run: commands, scripts, Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["command", "script", "python", "other"]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INDENTED = re.compile(r"(?<=\n\n)((?: {4}.*\n)(?:(?: {4}.*)?\n)*)")
_INLINE = re.compile(r"`(factornet[- ][^`]*\.(?:zarr|toml|factornet)\b[^`]*)`")  # with a file: a whole command
_LANGUAGES: dict[str, Kind] = {"sh": "command", "bash": "script", "python": "python"}
_FIRST_WORDS = ("factornet", "make", "bash", "torchrun", "cd", "git", "packaging/", "mkdir", "pip")
_PYTHON = re.compile(r" *(from \S+ import|import) ")


@dataclass(frozen=True)
class Printed:
    """What a page prints to be run.

    Attributes:
        page: path in the repository.
        line: number of the line where it begins.
        kind: a command of a shell, a whole script, Python, or something else.
        text: as printed, lines that are continued joined, without comment at the end.
    """

    page: str
    line: int
    kind: Kind
    text: str


def pages(root: Path) -> list[str]:
    """Return the pages with commands: README, CONTRIBUTING and docs."""
    published = "docs/printed-commands.md"  # the report itself
    found = [
        "README.md",
        "CONTRIBUTING.md",
        "data/README.md",
        *(f"docs/{p.name}" for p in sorted(root.glob("docs/*.md"))),
    ]
    return [page for page in found if page != published]


def read_page(root: Path, page: str) -> list[Printed]:
    """Return what a page prints, in its order."""
    return find_printed(page, (root / page).read_text())


def find_printed(page: str, text: str) -> list[Printed]:
    """Return blocks of Markdown, one of commands as an item a command, and whole commands within the text."""
    found = []
    without_fences = _FENCE.sub(lambda m: re.sub(r"[^\n]", "x", m[0]), text)
    for match in _FENCE.finditer(text):
        kind = _LANGUAGES.get(match[1], "other")
        found += _items(page, text, match.start(2), match[2], kind)
    for match in _INDENTED.finditer(without_fences):
        block = re.sub(r"^ {4}", "", match[1], flags=re.M)
        found += _items(page, text, match.start(1), block, _kind(block))
    prose = _INDENTED.sub(lambda m: re.sub(r"[^\n]", "x", m[0]), without_fences)
    for match in _INLINE.finditer(prose):
        found.append(Printed(page, text.count("\n", 0, match.start()) + 1, "command", " ".join(match[1].split())))
    return sorted(found, key=lambda item: item.line)


def _kind(block: str) -> Kind:
    if _PYTHON.match(block):
        return "python"
    return "command" if block.startswith(_FIRST_WORDS) else "other"


def _items(page: str, text: str, start: int, block: str, kind: Kind) -> list[Printed]:
    first = text.count("\n", 0, start) + 1
    if kind != "command":
        return [Printed(page, first, kind, block.rstrip("\n"))]
    found, waiting, began = [], "", 0
    for number, line in enumerate(block.splitlines()):
        began = began if waiting else number
        waiting += line.strip()
        if waiting.endswith("\\"):
            waiting = waiting[:-1].rstrip() + " "
            continue
        command = re.sub(r"\s+# .*$", "", waiting)
        if command and not command.startswith("#"):
            found.append(Printed(page, first + began, kind, command))
        waiting = ""
    return found
