"""Safetensors files that carry their own digest and that of the model.json they belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from ...store.errors import InputError
from ...store.files.digest import sha256_of
from ...store.files.limited_read import read_cure
from ...store.files.sealed_json import BLANK_DIGEST
from .card import DAMAGED_HINT

_KEY = "factornet"  # one key only: safetensors writes several in any order
_DIGESTS = re.compile(r"model=([0-9a-f]{64}) file=([0-9a-f]{64})(?: epoch=([0-9]{1,9}))?")
MAX_HEADER = 1024 * 1024
"""Bytes of a header at most; that of a FactorNet has 2 kB."""


def pack_tensors(tensors: Mapping[str, Tensor], model: str, *, epoch: int = 0) -> bytes:
    """Return tensors as a safetensors file with digests, its own and that of their model.json, and with its epoch."""
    # Copies: safetensors refuses tensors that share memory, as an LSTM's weights do on a GPU.
    plain = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    text = _digests(model, BLANK_DIGEST) + (f" epoch={epoch}" if epoch else "")
    blank = safetensors.save(plain, metadata={_KEY: text})
    return _with_digest(blank, model, BLANK_DIGEST, sha256_of([blank]))


def unpack_tensors(path: Path, model: str, *, sizes: tuple[int, int], sha256: str = "") -> dict[str, Tensor]:
    """Read a file that `pack_tensors` made.

    Args:
        path: of the file.
        model: self-digest of the model.json that the tensors must belong to.
        sizes: smallest and largest number of bytes that the file may have.
        sha256: digest that another file records for this one, if any.

    Raises:
        InputError: it is of another size, damaged, or belongs to another model.
    """
    return parse_tensors(path, read_tensor_file(path, sizes), model, sha256)


def read_epoch(path: Path, *, sizes: tuple[int, int]) -> int:
    """Return the epoch that a file of weights states; 0 where it states none, as those of earlier versions.

    Raises:
        InputError: as for `unpack_tensors`.
    """
    match = read_header(read_tensor_file(path, sizes), path)
    return int(match[3] or 0)


def read_tensor_file(path: Path, sizes: tuple[int, int]) -> bytes:
    """Return the bytes of a file of tensors; arguments and errors as of `unpack_tensors`."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "is not a file", hint=DAMAGED_HINT)
        size = path.stat().st_size
        if not sizes[0] <= size <= sizes[1]:
            problem = f"damaged: has {size:,} bytes, its content needs {sizes[0]:,} to {sizes[1]:,}"
            raise InputError(path, problem, hint=DAMAGED_HINT)
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", hint=read_cure(error, DAMAGED_HINT)) from error


def parse_tensors(path: Path, data: bytes, model: str, sha256: str = "") -> dict[str, Tensor]:
    """Return the tensors in the bytes of a file; other arguments and errors as of `unpack_tensors`."""
    owner, digest, _ = read_header(data, path).groups()
    if sha256 and sha256_of([data]) != sha256:
        raise InputError(path, f"damaged: its {len(data):,} bytes do not match the recorded digest", hint=DAMAGED_HINT)
    if sha256_of([_with_digest(data, owner, digest, BLANK_DIGEST)]) != digest:
        raise InputError(path, f"damaged: its {len(data):,} bytes do not match the digest in it", hint=DAMAGED_HINT)
    if owner != model:
        problem = f"belongs to another model: to the model.json with digest {owner[:16]}, not {model[:16]}"
        raise InputError(path, problem, hint="restore the files that were made together, or train it again")
    try:
        return safetensors.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"damaged ({error})", hint=DAMAGED_HINT) from error


def _digests(model: str, digest: str) -> str:
    return f"model={model} file={digest}"


def _with_digest(data: bytes, model: str, old: str, new: str) -> bytes:
    """Replace the file's digest in its header, which comes first."""
    return data.replace(_digests(model, old).encode(), _digests(model, new).encode(), 1)


def read_header(data: bytes, path: Path) -> re.Match[str]:
    """Return the groups in the header of a safetensors file: digests of its model.json and of itself, and the epoch."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER, len(data) - 8):
        raise InputError(path, f"damaged: {len(data):,} bytes are no safetensors file", hint=DAMAGED_HINT)
    try:
        match = _DIGESTS.fullmatch(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(path, "damaged, or not written by factornet: it has no digests", hint=DAMAGED_HINT) from error
    if match is None:
        raise InputError(path, "damaged: it has no digests", hint=DAMAGED_HINT)
    return match
