"""The life of a model folder: made, perhaps in the place of another, and complete.

A model that is to be replaced is moved aside, to ``.<name>.replaced`` beside it, and goes when the new one is
complete: a training that dies takes no model with it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ...store.errors import InputError, UsageError
from .checkpoint import ModelCard, has_model, write_card

_OURS = (
    "model.json",
    "*.safetensors",
    "last-*.json",
    "history.*",
    "training.png",
    "chip.txt",
    "bigwig.txt",
    "feature.txt",
    "meta.txt",
    "tensorboard",
)
"""What a training writes; other files in a model folder are the user's, and stay."""


def create_model(folder: str | Path, card: ModelCard, *, overwrite: bool = False) -> None:
    """Make a model folder, still without weights: model.json and the lists of names.

    Args:
        folder: must not be there; with `overwrite` it may be empty, or hold a model, which is moved aside.
        card: what goes into model.json.
        overwrite: replace a model that is there, once the new one is complete (`complete_model`).

    Raises:
        UsageError: the folder is there and `overwrite` is false, or it holds something else than a model.
        InputError: model.json is of another kind, or the folder cannot be written.
    """
    folder = Path(folder)
    _check_free(folder, overwrite=overwrite)
    aside = backup_path(folder)
    try:
        if folder.exists() and any(folder.iterdir()):
            if aside.exists():  # what is in place is an unfinished replacement of it
                _keep_foreign(folder, aside)
            else:
                folder.rename(aside)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, f"cannot be made a model folder ({error.strerror})") from error
    write_card(folder, card)


def complete_model(folder: str | Path) -> None:
    """Say that a model is whole: the one that it replaces goes, less the files in it that no training wrote."""
    aside = backup_path(folder)
    if aside.is_dir():
        _keep_foreign(aside, Path(folder))


def backup_path(folder: str | Path) -> Path:
    """Where the model that `folder` replaces is kept until the new one is complete."""
    folder = Path(folder).absolute()
    return folder.with_name(f".{folder.name}.replaced")


def _keep_foreign(old: Path, new: Path) -> None:
    """Remove a model folder, but move the user's own files in it to another."""
    ours = {path for pattern in _OURS for path in old.glob(pattern)}
    for path in sorted(old.iterdir()):
        if path not in ours and not path.name.startswith(".") and not (new / path.name).exists():
            path.rename(new / path.name)
    shutil.rmtree(old)


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the name of a folder")
    if not overwrite:
        what = "already holds a model" if (folder / "model.json").exists() else "is there already"
        raise UsageError(f"{folder} {what}; give another folder (-o), or replace the model in it (-oc)")
    if not has_model(folder) and any(folder.iterdir()):
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:5])
        raise UsageError(f"{folder} holds {there}, but no model, so it is not replaced; choose another folder")
