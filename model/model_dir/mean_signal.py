"""Write and read mean_signal.safetensors: the mean signal of cell lines, which a network over blocks sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...store.errors import InputError
from ...store.files.digest import sha256_of
from ..network.block_config import BlockConfig
from ..network.mean_signal import MeanSignal
from .card import DAMAGED_HINT, ModelCard, write_model_file
from .tensor_file import MAX_HEADER, pack_tensors, unpack_tensors

FILE = "mean_signal.safetensors"
RECORD = "mean_signal"
"""Key in the training record of model.json, which says what was averaged, and the digest of its values."""


def mean_signal_record(means: MeanSignal, cells: tuple[str, ...]) -> dict[str, Any]:
    """Return what model.json says of a mean signal: cell lines, blocks of each chromosome, SHA-256 of its values.

    Where they are known, digests of the chromosomes, too: earlier versions did not record them.
    """
    blocks = {chrom: codes.shape[1] for chrom, codes in means.codes.items()}
    sequences = {"sequences": dict(means.sequences)} if means.sequences else {}
    return {"cells": list(cells), "blocks": blocks, **sequences, "sha256": mean_signal_digest(means)}


def mean_signal_digest(means: MeanSignal) -> str:
    """Return the SHA-256 of the values of a mean signal."""
    return sha256_of([means.scale.tobytes(), *(codes.tobytes() for codes in means.codes.values())])


def write_mean_signal(folder: Path, means: MeanSignal, *, model: str) -> None:
    """Write the mean signal of a model folder.

    Args:
        folder: the model folder.
        means: what to write.
        model: digest of model.json.

    Raises:
        InputError: the file cannot be written, or the folder has another model.json by now.
    """
    tensors = {"scale": torch.from_numpy(means.scale)}
    tensors |= {f"codes.{chrom}": torch.from_numpy(codes) for chrom, codes in means.codes.items()}
    write_model_file(folder / FILE, pack_tensors(tensors, model), model)


def read_mean_signal(folder: Path, card: ModelCard) -> MeanSignal:
    """Read the mean signal of a model folder.

    Raises:
        InputError: it is missing, damaged, or not the one that model.json describes.
    """
    assert isinstance(card.config, BlockConfig), "other networks see none"
    path, n_tracks = folder / FILE, len(card.config.mean_tracks)
    try:
        record = card.training[RECORD]
        blocks = {str(chrom): int(n) for chrom, n in record["blocks"].items()}
        cells, digest = tuple(record["cells"]), record["sha256"]
        sequences = {str(chrom): str(sequence) for chrom, sequence in record.get("sequences", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(folder / "model.json", f"does not describe {FILE} ({error})", hint=DAMAGED_HINT) from error
    size = n_tracks * (4 + sum(blocks.values()))
    tensors = unpack_tensors(path, card.digest, sizes=(size, size + MAX_HEADER))
    _check_shapes(path, tensors, blocks, n_tracks)
    codes = {chrom: tensors[f"codes.{chrom}"].numpy() for chrom in blocks}
    means = MeanSignal(scale=tensors["scale"].numpy(), codes=codes, sequences=sequences)
    if not np.isfinite(means.scale).all() or mean_signal_record(means, cells)["sha256"] != digest:
        raise InputError(path, "is not the mean signal that model.json describes", hint=DAMAGED_HINT)
    return means


def _check_shapes(path: Path, tensors: Mapping[str, Tensor], blocks: Mapping[str, int], n_tracks: int) -> None:
    expected = {f"codes.{chrom}": (torch.uint8, [n_tracks, n]) for chrom, n in blocks.items()}
    expected["scale"] = (torch.float32, [n_tracks])
    if {name: (t.dtype, list(t.shape)) for name, t in tensors.items()} != expected:
        raise InputError(path, "its arrays are not those that model.json describes", hint=DAMAGED_HINT)
