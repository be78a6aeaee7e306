"""Choose a device; report its free memory."""

from __future__ import annotations

import torch

from ...store.errors import UsageError
from ...store.machine import available_memory


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is CUDA if available, else the CPU.

    Raises:
        UsageError: the name is unknown, or CUDA was asked for by name and is not available. It never falls back.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise UsageError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:1") from e
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {name!r}: this machine, or this build of torch {torch.__version__}, has no CUDA")
    return device


def free_memory(device: torch.device) -> int:
    """Return the free memory of a GPU, or the available memory of this machine, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_memory()
