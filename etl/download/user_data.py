"""Folder of the user for downloads that belong to no store: the motifs from which training starts, and models."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

MOTIFS = "HOCOMOCOv9.meme"
"""Name of HOCOMOCO's release 9 in the registry and in the folder: the motifs that FactorNet was trained with."""


def user_data_folder() -> Path:
    """Return $FACTORNET_DATA, or the system's folder for data of the user."""
    return Path(os.environ.get("FACTORNET_DATA") or platformdirs.user_data_dir("factornet"))


def find_motifs_file() -> Path | None:
    """Return the downloaded motifs of HOCOMOCO; None if they were not downloaded."""
    path = user_data_folder() / MOTIFS
    return path if path.is_file() else None
