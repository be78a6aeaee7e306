"""Mount a folder at a second path, where the system allows it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, at: Path) -> Iterator[Path]:
    """Mount a folder at an empty one, as a container does; skip the test where that is not permitted."""
    at.mkdir()
    command = ["mount", "--bind", str(folder), str(at)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no command mount")
    if done.returncode:
        pytest.skip(f"bind mounts are not permitted ({done.stderr.strip()})")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)
