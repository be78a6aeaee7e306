"""Copies of a folder as it is before each change of it."""

import shutil
from pathlib import Path

import pytest


class Snapshots:
    """Copies of a model folder before each rename and removal in it: what a kill there would leave."""

    def __init__(self, folder: Path, copies: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.copies = folder, copies
        self.taken: list[Path] = []
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, self._before(getattr(Path, name)))

    def _before(self, change):
        def changed(path, *args, **options):
            if path.parent == self.folder and (change.__name__ == "replace" or path.exists()):
                self.taken.append(self.copies / f"{len(self.taken):03d}" / "m")
                shutil.copytree(self.folder, self.taken[-1])
            return change(path, *args, **options)

        return changed
