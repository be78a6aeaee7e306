"""Load the Jinja2 templates of the pictures and of the page, from resources/."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from ...store.text import printable


def load_template(name: str) -> Template:
    """Return a template of resources/ by file name; what it is given is escaped for HTML and XML.

    Control characters, which XML cannot have, and characters that reorder others are shown as on a terminal.
    """
    return _environment().get_template(name)


def _finalize(value: Any) -> Any:
    return printable(value) if type(value) is str else value


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        finalize=_finalize,
        loader=FunctionLoader(lambda name: (files("factornet") / "resources" / name).read_text("utf-8")),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
