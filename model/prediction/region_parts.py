"""Keep the scores of finished regions next to the output, so that an interrupted prediction can be resumed."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import write_atomic
from ...store.genome.regions import Region

_log = logging.getLogger("factornet-predict")
_SETTINGS = "settings.json"


@dataclass(frozen=True)
class RegionParts:
    """A folder ``.<output name>.parts``: settings.json, and one file per finished region, which appears by rename."""

    folder: Path
    regions: tuple[Region, ...]

    @classmethod
    def begin(cls, output: Path, regions: list[Region], settings: Mapping[str, Any], *, resume: bool) -> Self:
        """Create the folder for an output, or resume that of an interrupted run.

        Args:
            output: file that the parts are joined to.
            regions: one part each.
            settings: all that the bytes of a part depend on, as JSON values.
            resume: keep finished parts.

        Raises:
            UsageError: the interrupted run had other settings; each that differs is named with both values.
            InputError: its settings cannot be read, or those of this run cannot be written.
        """
        parts = cls(output.with_name(f".{output.name}.parts"), tuple(regions))
        if resume and (parts.folder / _SETTINGS).exists():
            parts._check_settings(settings)
            _log.info(f"{parts.folder}: {parts.finished} of {len(regions)} regions are finished")
            return parts
        if parts.folder.exists():
            _log.warning(
                f"{parts.folder}: {parts.finished} finished regions of an interrupted run are replaced; "
                "resuming would have kept them"
            )
            shutil.rmtree(parts.folder)
        parts.folder.mkdir()
        write_atomic(parts.folder / _SETTINGS, json.dumps(dict(settings), indent=1).encode())
        return parts

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        path = self.folder / _SETTINGS
        hint = f"use the same, or do not resume (this replaces {self.finished} finished regions)"
        try:
            old = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as e:
            raise InputError(path, f"cannot be read ({e})", hint=hint) from e
        names = [n for n in {**old, **settings} if old.get(n) != settings.get(n)]
        if names:
            differ = "; ".join(f"{n} was {old.get(n)}, is {settings.get(n)}" for n in names)
            raise UsageError(f"{self.folder}: cannot resume with other settings: {differ}; {hint}")

    def path(self, i: int) -> Path:
        """Return the path of the i-th region's scores."""
        return self.folder / f"{i:05d}-{self.regions[i].chrom}"

    @property
    def finished(self) -> int:
        """Number of finished parts, of this run's regions or of another run's."""
        return sum(path.name[:5].isdigit() for path in self.folder.iterdir()) if self.folder.is_dir() else 0

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)
