"""What mkdocs does beyond `docs`: pages of files that lie elsewhere in the repository, and the help of each command."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from factornet.cli.entry_points import PROGRAMS
from factornet.cli.main import program_parser

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "data/README.md": "data.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "resources/dream_pairs.tsv": "dream_pairs.tsv",
}
HELP = "help.md"
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_startup(**_: Any) -> None:
    """Give mkdocstrings the package under its name and without the repository's other folders, which it would read."""
    package = ROOT / "build/site_source/factornet"
    package.mkdir(parents=True, exist_ok=True)
    for name in ("__init__.py", "etl", "model", "store"):
        if not (package / name).exists():
            (package / name).symlink_to(ROOT / name)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that do not lie in `docs`."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=_with_links(text, folder=Path(source).parent)))
    files.append(File.generated(config, HELP, content=_help_of_commands()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Have links of `docs` lead to the pages that were added."""
    return markdown if page.file.src_uri in PAGES.values() else _with_links(markdown, folder=Path("docs"))


def _with_links(text: str, *, folder: Path) -> str:
    """Return Markdown of a file in `folder` of the repository with its links as the site has them."""

    def of_site(match: re.Match[str]) -> str:
        target = Path(ROOT, folder, match[1]).resolve()
        if not target.is_relative_to(ROOT):
            return match[1]
        inside = target.relative_to(ROOT).as_posix()
        return PAGES.get(inside, inside.removeprefix("docs/"))

    return _LINK.sub(of_site, text)


def _help_of_commands() -> str:
    parts = ["# Help of every command\n\nAs `--help` prints it.\n"]
    for program in PROGRAMS:
        for depth, parser in _with_sub_commands(program_parser(program), depth=2):
            parts.append(f"{'#' * depth} {parser.prog}\n\n```text\n{parser.format_help()}```\n")
    return "\n".join(parts)


def _with_sub_commands(parser: argparse.ArgumentParser, *, depth: int) -> Iterator[tuple[int, argparse.ArgumentParser]]:
    yield depth, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from _with_sub_commands(below, depth=depth + 1)
