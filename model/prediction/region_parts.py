"""Finished parts of a long prediction, kept beside its output until all are there: what makes it resumable."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...store.errors import InputError, UsageError
from ...store.genome.regions import Region
from ...store.storage.files import write_atomic

_log = logging.getLogger("factornet-predict")
_SETTINGS = "settings.json"


@dataclass(frozen=True)
class Parts:
    """A folder ``.<output name>.parts``: settings.json, and a file a finished region, which appears by rename."""

    folder: Path
    regions: tuple[Region, ...]

    @classmethod
    def begin(cls, output: Path, regions: list[Region], settings: Mapping[str, Any], *, resume: bool) -> Self:
        """The folder for an output, new or as an interrupted run left it.

        Args:
            output: file to be made of the parts.
            regions: a part each.
            settings: all that the bytes of a part depend on, as JSON values.
            resume: keep what is finished.

        Raises:
            UsageError: the interrupted run had other settings; each that differs is named with both values.
            InputError: its settings cannot be read.
        """
        parts = cls(output.with_name(f".{output.name}.parts"), tuple(regions))
        if resume and (parts.folder / _SETTINGS).exists():
            parts._check(settings)
            _log.info(f"{parts.folder}: {parts.finished} of {len(regions)} regions are finished")
            return parts
        if parts.folder.exists():
            _log.warning(
                f"{parts.folder}: {parts.finished} finished regions of an interrupted run are replaced; "
                "--resume would have kept them"
            )
            shutil.rmtree(parts.folder)
        parts.folder.mkdir()
        write_atomic(parts.folder / _SETTINGS, json.dumps(dict(settings), indent=1).encode())
        return parts

    def _check(self, settings: Mapping[str, Any]) -> None:
        path = self.folder / _SETTINGS
        hint = f"give the same, or leave --resume out to begin anew (this replaces {self.finished} finished regions)"
        try:
            old = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as e:
            raise InputError(path, f"cannot be read ({e})", hint=hint) from e
        names = [n for n in {**old, **settings} if old.get(n) != settings.get(n)]
        if names:
            differ = "; ".join(f"{n} was {old.get(n)}, is {settings.get(n)}" for n in names)
            raise UsageError(f"--resume: {self.folder} is of a run with other settings: {differ}; {hint}")

    def path(self, i: int) -> Path:
        """Where the i-th region's scores are, or will be."""
        return self.folder / f"{i:05d}-{self.regions[i].chrom}"

    @property
    def finished(self) -> int:
        """Number of parts there are, of this run's regions or of another's."""
        return sum(path.name[:5].isdigit() for path in self.folder.iterdir()) if self.folder.is_dir() else 0

    def remove(self) -> None:
        """Delete the folder; the output has all of it."""
        shutil.rmtree(self.folder)
