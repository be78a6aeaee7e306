"""Collect what is to be printed of an evaluation: it may be computed in another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..common.output import print_line, print_warning


@dataclass(frozen=True)
class Notes:
    """Lines and warnings in their order."""

    _texts: list[tuple[Literal["line", "warning"], str]] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a line."""
        self._texts.append(("line", text))

    def warn(self, text: str) -> None:
        """Add a warning."""
        self._texts.append(("warning", text))

    def print(self, *, warnings_only: bool) -> None:
        """Print them, the warnings on standard error."""
        for kind, text in self._texts:
            if kind == "warning":
                print_warning(text)
            elif not warnings_only:
                print_line(text)
