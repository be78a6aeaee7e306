"""Look up the values of codes, each written once, by a loop that numba compiles in the background.

numpy is used until it is ready, and without numba. Plain readers of raw stores need no other compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..native import when_compiled

Loop = Callable[..., None]


def look_up(codes: NDArray[Any], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``table[codes]``, float32 of the shape of `codes`.

    Args:
        codes: uint8 or uint16, any shape.
        table: float32 (256,) or (65536,): a value for every code.
    """
    out = np.empty(codes.shape, np.float32)
    zero = np.zeros(1, np.int64)
    look_up_rows(codes.reshape(1, -1), table, zero, out.reshape(1, -1), out_rows=zero)
    return out


def look_up_rows(
    codes: NDArray[Any],
    tables: NDArray[np.float32],
    table_starts: NDArray[np.int64],
    out: NDArray[np.float32],
    *,
    out_rows: NDArray[np.int64],
) -> None:
    """Write ``tables[table_starts[i] + codes[i]]`` to ``out[out_rows[i]]`` for each row i of codes.

    Args:
        codes: uint8 or uint16 (rows, n).
        tables: float32 (m,); after each start in it, values for every code of the type.
        table_starts: first value of the table of each row, int64 (rows,).
        out: array to fill, float32 (m, n), C-contiguous.
        out_rows: row of `out` for each row of codes, int64 (rows,).
    """
    loop = when_compiled(compile_loop)
    if loop is not None:
        loop(np.ascontiguousarray(codes), tables, table_starts, out, out_rows)
        return
    for start in np.unique(table_starts):
        rows = table_starts == start
        out[out_rows[rows]] = tables[start:].take(codes[rows])


def compile_loop() -> Loop:
    """Compile the loop for both types of codes; codes and tables may be read-only.

    Raises:
        ImportError: numba is not installed.
    """
    import numba

    def read_only(dtype: Any, ndim: int) -> Any:
        return numba.types.Array(dtype, ndim, "C", readonly=True)

    starts = numba.types.int64[::1]
    rest = (read_only(numba.types.float32, 1), starts, numba.types.float32[:, ::1], starts)
    code_types = (numba.types.uint8, numba.types.uint16)
    signatures = [numba.types.void(read_only(code, 2), *rest) for code in code_types]
    loop: Loop = numba.njit(signatures, nogil=True)(_look_up)
    return loop


def _look_up(codes: Any, tables: Any, table_starts: Any, out: Any, out_rows: Any) -> None:
    """Body of `look_up_rows`, to be compiled."""
    for i in range(len(codes)):
        table, row, values = tables[table_starts[i] :], codes[i], out[out_rows[i]]
        for k in range(len(row)):
            values[k] = table[row[k]]
