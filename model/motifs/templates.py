"""Load the Jinja2 templates of the pictures and of the page, from resources/."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template


def load_template(name: str) -> Template:
    """Return a template of resources/ by file name; what it is given is escaped for HTML and XML."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        loader=FunctionLoader(lambda name: (files("factornet") / "resources" / name).read_text("utf-8")),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
