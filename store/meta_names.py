"""Names of meta values that are expression components: each holds the digest of the loadings it was computed with.

``GEPC3@5f0c12ab90de`` is the third component of the loadings whose file has a digest that begins so. Values of
different loadings are different quantities: since models, stores and sheets compare meta values by name, a model that
was trained on one set refuses the values of another. Names without a digest, ``GEPC3``, are those of the original
FactorNet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_COMPONENT = re.compile(r"GEPC(\d+)(?:@([0-9a-f]{12}))?")
_DIGITS = 12


def component_names(count: int, digest: str) -> tuple[str, ...]:
    """Return the names of the components of loadings with a digest."""
    return tuple(f"GEPC{i}@{digest[:_DIGITS]}" for i in range(1, count + 1))


def is_component(name: str) -> bool:
    """Return whether a meta value is an expression component, of the original FactorNet or of loadings."""
    return _COMPONENT.fullmatch(name) is not None


def loadings_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the digests of loadings in names of components, each once; empty for those of the original FactorNet."""
    matches = (_COMPONENT.fullmatch(name) for name in names)
    return tuple(dict.fromkeys(match[2] or "" for match in matches if match))


def explain_other_meta(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Return what to do where a model was trained on other meta values than a cell line has; empty where unknown.

    Args:
        wanted: names of the model's.
        found: names of the cell line's.
    """
    needed, has = loadings_of(wanted), loadings_of(found)
    if not needed:
        return ""
    if needed == ("",):
        return (
            "if the model is a published one: its components cannot be computed for a new cell line, since no "
            "loadings were published. Only FactorNet's 13 cell lines have them (meta.txt of `factornet-etl fetch data "
            "--only factornet-data`); those of `factornet-etl expression` are others. Choose a model without "
            "expression (onePeak, GENCODE), or train one on components of your own"
        )
    others = f"; those of the cell line are of {', '.join(d or 'no known loadings' for d in has)}" if has else ""
    return (
        f"the model's components are of the loadings {', '.join(needed)}{others}: project the cell line on those of "
        "the model (`factornet-etl expression TABLE --project LOADINGS --folders FOLDER`), and build it again"
    )
