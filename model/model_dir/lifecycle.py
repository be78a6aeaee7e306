"""Create a model folder, and remove the model that it replaces once it is complete.

A model to be replaced is moved to ``.<name>.replaced`` next to it and removed when the new one is complete, so that a
training that dies destroys no model.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import TEMPORARY_NAME
from ...store.files.outputs import remove, resolve_output, staged_folder
from .card import ModelCard, has_model, write_card

_MODEL_FILES = re.compile(
    r"model\.json|calibration\.json|run\.toml|training\.(json|png)|history\.(csv|json)|(chip|bigwig|feature|meta)\.txt|tensorboard"
    r"|mean_signal\.safetensors|(best|last|last-[0-9]{6}(\.optimizer)?)\.safetensors|last-[0-9]{6}\.json"
    r"|paused-[0-9]{9}(\.optimizer)?\.safetensors|paused-[0-9]{9}\.json"
)
"""Files that a training writes; all other files in a model folder belong to the user and are kept."""


def create_model(folder: str | Path, card: ModelCard, *, overwrite: bool = False) -> None:
    """Create a model folder without weights: model.json and the lists of names.

    Args:
        folder: must not exist; with `overwrite` it may be empty, or hold a model, which is kept as a backup.
        card: content of model.json.
        overwrite: replace an existing model, once the new one is complete (`complete_model`).

    Raises:
        UsageError: the folder exists and `overwrite` is false, or it holds something other than a model.
        InputError: model.json is of another kind, or the folder cannot be written.
    """
    folder = resolve_output(Path(folder))
    _check_free(folder, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, f"cannot create the model folder ({error.strerror})") from error
    aside = False
    try:
        # Written next to its final path and renamed: a model.json without its lists would be resumed without them.
        with staged_folder(folder) as staged:
            write_card(staged, card)
            aside = _set_aside(folder)
    except InputError:
        if aside:
            with contextlib.suppress(OSError):  # where the new folder is there already, both stay
                backup_path(folder).rename(folder)
        raise


def complete_model(folder: str | Path) -> None:
    """Remove the model that a complete one replaces; the user's own files in it are moved to the new folder."""
    backup = backup_path(folder)
    if backup.is_dir():
        _keep_foreign(backup, resolve_output(Path(folder)))


def backup_path(folder: str | Path) -> Path:
    """Return the path that keeps the replaced model until the new one is complete."""
    folder = resolve_output(Path(folder))
    return folder.with_name(f".{folder.name}.replaced")


def is_model_file(name: str) -> bool:
    """Return whether a training writes files, or a folder, of this name in a model folder."""
    return _MODEL_FILES.fullmatch(name) is not None


def is_event_file(name: str) -> bool:
    """Return whether TensorBoard writes files of this name in the folder ``tensorboard``."""
    return ".tfevents." in name


def _set_aside(folder: Path) -> bool:
    """Move the model to be replaced to its backup, if it is in the folder; return whether it was moved."""
    if not (folder.exists() and any(folder.iterdir())):
        return False
    backup = backup_path(folder)
    if backup.exists():  # the folder holds an unfinished replacement of it
        _keep_foreign(folder, backup)
        return False
    folder.rename(backup)
    return True


def _keep_foreign(old: Path, new: Path) -> None:
    """Remove a model folder, but move the user's own files in it to another."""
    _move_foreign(old, new, is_model_file)
    if (old / "tensorboard").is_dir():
        _move_foreign(old / "tensorboard", new / "tensorboard", is_event_file)
    remove(old)


def _move_foreign(old: Path, new: Path, is_ours: Callable[[str], bool]) -> None:
    for path in sorted(old.iterdir()):
        ours = is_ours(path.name) or re.fullmatch(TEMPORARY_NAME, path.name)
        if not ours and not (new / path.name).exists():
            new.mkdir(exist_ok=True)
            path.rename(new / path.name)


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    if not overwrite:
        what = "already holds a model" if (folder / "model.json").exists() else "already exists"
        raise UsageError(f"{folder} {what}; name another folder, or replace the model with overwrite=True")
    if not has_model(folder) and any(folder.iterdir()):
        content = ", ".join(sorted(p.name for p in folder.iterdir())[:5])
        raise UsageError(f"{folder} holds {content}, but no model, so it is not replaced; choose another folder")
