"""Choose the format of a file of scores by its name: the file is what its name says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...store.errors import UsageError

ScoreFormat = Literal["bedgraph", "gzipped bedgraph", "bigWig"]

_BEDGRAPH = (".bed", ".bedgraph", ".bg", ".bdg", ".tsv", ".tab", ".txt")
_BIGWIG = (".bw", ".bigWig")


def names_scores(path: Path) -> bool:
    """Return whether a path has the name of a file of scores."""
    try:
        score_format(path)
    except UsageError:
        return False
    return True


def score_format(path: Path) -> ScoreFormat:
    """Return the format that the name of a file of scores says, in upper or lower case.

    Raises:
        UsageError: the name says none, or another one; the message lists the names.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes[-1:] and suffixes[-1] in map(str.lower, _BIGWIG):
        return "bigWig"
    if suffixes[-1:] and suffixes[-1] in _BEDGRAPH:
        return "bedgraph"
    if suffixes[-1:] == [".gz"] and suffixes[0] in _BEDGRAPH:
        return "gzipped bedgraph"
    raise UsageError(
        f"{path}: a file of scores cannot have this name; end it in {', '.join(_BEDGRAPH)} (bedgraph, as text), one of "
        f"these and .gz (gzipped), or {' or '.join(_BIGWIG)}"
    )
