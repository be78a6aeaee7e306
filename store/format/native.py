"""What unpacks and copies many small pieces without the interpreter's lock, so that threads do not wait for each other.

The library that numcodecs brings has ``blosc_getitem``, which unpacks a stretch of a chunk, but no Python face for it
any more. Called from Python, piece by piece, two threads take turns at the lock and are no faster than one; and numpy
copies windows twice, once under the lock (docs/performance.md). So both loops are compiled, by numba, once a process
and in the background: until they are ready, and where there is no numba or another build of numcodecs, Python and
numpy do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numcodecs import blosc, zstd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

blosc.use_threads = False  # its own threads would compete with the stream's, and do not survive a fork

_MANY = 32
"""Pieces in one call from which on a process is taken to be a stream, worth the second that compiling takes."""

Loop = Callable[..., int]
"""``loop(source, out, chunk, offset, first, count, place, unit, whole)`` unpacks piece i, ``count[i]`` bytes from
``first[i]`` on of the chunk at the address ``source + offset[i]``, to the address ``out + place[i]``; it returns which
piece failed, or -1."""


def decompress_blosc(packed: bytes) -> bytes:
    """Decompress a blosc chunk.

    Raises:
        RuntimeError: it is damaged.
    """
    content: bytes = blosc.decompress(packed)
    return content


def decompress_zstd(packed: memoryview, out: NDArray[np.uint8]) -> None:
    """Decompress a zstd frame into `out`, which has its exact size.

    Raises:
        ValueError, RuntimeError: it is damaged, or of another size.
    """
    zstd.decompress(packed, out)


@cache
def python_loop() -> Loop | None:
    """The loop, not compiled: quicker with lists than with arrays. None where c-blosc's functions cannot be found."""
    try:
        library = ctypes.CDLL(blosc.__file__)
        decompress, stretch = library.blosc_decompress_ctx, library.blosc_getitem
    except (OSError, AttributeError):
        return None
    decompress.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    stretch.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    decompress.restype = stretch.restype = ctypes.c_int

    def loop(  # noqa: PLR0917
        source: int, out: int, chunk: int, offset: Any, first: Any, count: Any, location: Any, unit: Any, whole: Any
    ) -> int:
        for i in range(len(offset)):
            if whole[i]:
                done = decompress(source + offset[i], out + location[i], chunk, 1)
            else:
                done = stretch(source + offset[i], first[i] // unit[i], count[i] // unit[i], out + location[i])
            if done != count[i]:
                return i
        return -1

    return loop


def compiled_loop(pieces: int) -> Loop | None:
    """The loop over so many pieces, for arrays; None where it is not worth it, not ready, or cannot be had."""
    compiled = _compiled() if pieces >= _MANY else None
    return compiled.unpack if compiled else None


def copy_windows(
    source: NDArray[Any],
    starts: NDArray[np.int64],
    length: int,
    out: NDArray[Any],
    location: NDArray[np.int64],
    *,
    valid: tuple[float, float],
) -> bool:
    """Copy ``source[starts[i] : starts[i] + length]`` to ``out[place[i] :]`` for each i.

    Args:
        source: values, (n,), uint8 or float32.
        starts: first of each window; all windows lie inside `source`.
        length: of a window.
        out: of the same type, (m,).
        place: where each window belongs; none overlaps another.
        valid: the smallest and the largest value that valid data have.

    Returns:
        Whether all values are valid.
    """
    low, high = source.dtype.type(valid[0]), source.dtype.type(valid[1])
    compiled = _compiled()
    if compiled:
        return bool(compiled.copy(source, starts, length, out, location, low, high))
    lines = np.dtype((np.void, length * source.itemsize))  # numpy copies these whole, and without the lock
    windows = sliding_window_view(source, length).view(lines)[starts, 0]
    sliding_window_view(out, length, writeable=True).view(lines)[location, 0] = windows
    values = windows.view(source.dtype)
    return bool(low <= values.min(initial=0) and values.max(initial=0) <= high)  # the minimum is NaN where there is one


@dataclass(frozen=True)
class _Compiled:
    unpack: Loop | None
    copy: Callable[..., bool]


def _compiled() -> _Compiled | None:
    """What was compiled, None until it is, or where there is no numba."""
    compiling = _compiling()
    return compiling.result() if compiling.done() and compiling.exception() is None else None


@cache
def _compiling() -> Future[_Compiled]:
    executor = ThreadPoolExecutor(1, thread_name_prefix="compile")
    future = executor.submit(_compile)
    executor.shutdown(wait=False)
    return future


def _compile() -> _Compiled:
    """Compile both loops.

    Raises:
        ImportError: there is no numba.
    """
    import numba

    loop = python_loop()
    fields = ", ".join(["int64[::1]"] * 5)
    unpack = loop and numba.njit(f"int64(int64, int64, int64, {fields}, boolean[::1])", nogil=True)(loop)
    signature = "boolean({0}[::1], int64[::1], int64, {0}[::1], int64[::1], {0}, {0})"
    return _Compiled(unpack, numba.njit([signature.format(t) for t in ("uint8", "float32")], nogil=True)(_copy))


def _copy(source: Any, starts: Any, length: int, out: Any, location: Any, low: Any, high: Any) -> bool:  # noqa: PLR0917
    """`copy_windows`, to be compiled."""
    fine = True
    for i in range(len(starts)):
        window, there = source[starts[i] : starts[i] + length], out[location[i] : location[i] + length]
        for k in range(length):
            value = window[k]
            there[k] = value
            fine &= (low <= value) & (value <= high)
    return fine
