"""Options that name a picture: check the file before hours of computing, not when it is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...store.errors import UsageError
from ...store.files.outputs import check_output_file, output_lock


@contextmanager
def picture_lock(option: str, path: Path, inputs: Sequence[Path]) -> Iterator[None]:
    """Hold the lock of a picture that a command will draw; a picture that exists is replaced.

    Args:
        option: that names it, for messages.
        path: of the picture.
        inputs: files of the command, none of which it may be.

    Raises:
        UsageError: its name is not that of a picture, its folder does not exist, or what is there cannot be replaced,
            or is an input.
        InputError: its folder cannot be written, or another process writes it.
    """
    from ...model.figures import FIGURE_SUFFIXES  # loads torch

    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(f"{option} {path}: a picture is named {', '.join(f'*{s}' for s in FIGURE_SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: its folder does not exist; create it first")
    with output_lock(path):
        check_output_file(path, overwrite=True)
        if path.exists() and any(given.exists() and path.samefile(given) for given in inputs):
            raise UsageError(f"{option} {path}: is a file that the command reads; give another name")
        yield
