"""Look up signal that is kept as codes, on the device that uses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_tensor(codes: NDArray[Any]) -> Tensor:
    """Return codes as a tensor of the same memory; of uint16 the bits as int16, which torch supports fully."""
    return torch.from_numpy(codes.view(np.int16) if codes.dtype == np.uint16 else codes)


def look_up(codes: Tensor, table_starts: Tensor, tables: Tensor) -> Tensor:
    """Return the values of codes by one gather, float32 of their shape.

    Args:
        codes: as `as_tensor` returns them, (..., n).
        table_starts: first value of the table of each row in `tables`, int32 (...).
        tables: values, float32 (m,).
    """
    index = codes.to(torch.int32)
    if codes.dtype == torch.int16:
        index = index & 0xFFFF
    index = index + table_starts.unsqueeze(-1)
    return tables.index_select(0, index.reshape(-1)).reshape(codes.shape)
