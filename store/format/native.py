"""Decode and copy many small slices without the GIL, so that threads run in parallel; the only user of numcodecs.

The C library in numcodecs has ``blosc_getitem``, which decodes a slice of a chunk, but numcodecs no longer exposes it
to Python. Called from Python slice by slice, two threads contend for the GIL and are no faster than one; and numpy
copies windows twice, once holding the GIL (docs/performance.md). So numba compiles both loops, once per process, in the
background. Python and numpy are used until they are ready, and without numba or with another build of numcodecs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numcodecs import blosc, zstd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

blosc.use_threads = False  # its own threads would compete with the stream's, and do not survive a fork

_MIN_SLICES_TO_COMPILE = 32
"""A call with this many slices is taken as the start of a stream, worth the second that compiling takes."""

_Loops = TypeVar("_Loops")
Loop = Callable[..., int]
"""``loop(source, out, chunk, offset, first, count, out_offset, typesize, whole)`` decodes slice i: ``count[i]`` bytes
from ``first[i]`` on of the chunk at the address ``source + offset[i]``, to the address ``out + out_offset[i]``. It
returns the index of the first slice that failed, or -1."""


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
    """Return the loop in plain Python, faster with lists than arrays; None if c-blosc's functions are not found."""
    try:
        library = ctypes.CDLL(blosc.__file__)
        decompress, getitem = library.blosc_decompress_ctx, library.blosc_getitem
    except (OSError, AttributeError):
        return None
    decompress.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    getitem.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    decompress.restype = getitem.restype = ctypes.c_int

    def loop(  # noqa: PLR0917
        source: int,
        out: int,
        chunk: int,
        offset: Any,
        first: Any,
        count: Any,
        out_offset: Any,
        typesize: Any,
        whole: Any,
    ) -> int:
        for i in range(len(offset)):
            if whole[i]:
                done = decompress(source + offset[i], out + out_offset[i], chunk, 1)
            else:
                item, n_items = first[i] // typesize[i], count[i] // typesize[i]
                done = getitem(source + offset[i], item, n_items, out + out_offset[i])
            if done != count[i]:
                return i
        return -1

    return loop


def compiled_loop(n_slices: int) -> Loop | None:
    """Return the compiled loop, which takes arrays; None if not worthwhile for `n_slices`, not ready or unavailable."""
    compiled = _compiled() if n_slices >= _MIN_SLICES_TO_COMPILE else None
    return compiled.decode if compiled else None


def copy_windows(
    source: NDArray[Any],
    starts: NDArray[np.int64],
    length: int,
    out: NDArray[Any],
    out_starts: NDArray[np.int64],
    *,
    valid: tuple[float, float],
) -> bool:
    """Copy ``source[starts[i] : starts[i] + length]`` to ``out[out_starts[i] :]`` for each i.

    Args:
        source: values, uint8 or float32 (n,).
        starts: of the windows in `source`, int64 (windows,); all windows are inside `source`.
        length: of a window.
        out: array to fill, of the same dtype, (m,).
        out_starts: of the windows in `out`, int64 (windows,); windows do not overlap there.
        valid: smallest and largest valid value.

    Returns:
        Whether all copied values are valid.
    """
    low, high = source.dtype.type(valid[0]), source.dtype.type(valid[1])
    compiled = _compiled()
    if compiled:
        return bool(compiled.copy(source, starts, length, out, out_starts, low, high))
    window_type = np.dtype((np.void, length * source.itemsize))  # numpy copies these whole, without the GIL
    windows = sliding_window_view(source, length).view(window_type)[starts, 0]
    sliding_window_view(out, length, writeable=True).view(window_type)[out_starts, 0] = windows
    values = windows.view(source.dtype)
    return bool(low <= values.min(initial=0) and values.max(initial=0) <= high)  # the minimum is NaN where there is one


@dataclass(frozen=True)
class _Compiled:
    decode: Loop | None
    copy: Callable[..., bool]


def _compiled() -> _Compiled | None:
    """Return the compiled loops; None until they are ready, or without numba."""
    return when_compiled(_compile)


def when_compiled(compile_loops: Callable[[], _Loops]) -> _Loops | None:
    """Return what a function compiles, which a thread calls once per process; None until it is done, or has failed."""
    compiling: Future[_Loops] = in_background(compile_loops)
    return compiling.result() if compiling.done() and compiling.exception() is None else None


@cache
def in_background(compile_loops: Callable[[], Any]) -> Future[Any]:
    """Call a function in a thread, the first time that it is given."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="compile")
    try:
        future = executor.submit(compile_loops)
    except RuntimeError as error:  # no thread can be started: as where compiling fails
        future = Future()
        future.set_exception(error)
    executor.shutdown(wait=False)
    return future


def _compile() -> _Compiled:
    """Compile both loops.

    Raises:
        ImportError: numba is not installed.
    """
    import numba

    loop = python_loop()
    fields = ", ".join(["int64[::1]"] * 5)
    decode = loop and numba.njit(f"int64(int64, int64, int64, {fields}, boolean[::1])", nogil=True)(loop)
    signature = "boolean({0}[::1], int64[::1], int64, {0}[::1], int64[::1], {0}, {0})"
    return _Compiled(decode, numba.njit([signature.format(t) for t in ("uint8", "float32")], nogil=True)(_copy))


def _copy(source: Any, starts: Any, length: int, out: Any, out_starts: Any, low: Any, high: Any) -> bool:  # noqa: PLR0917
    """Body of `copy_windows`, to be compiled."""
    valid = True
    for i in range(len(starts)):
        window, copied = source[starts[i] : starts[i] + length], out[out_starts[i] : out_starts[i] + length]
        for k in range(length):
            value = window[k]
            copied[k] = value
            valid &= (low <= value) & (value <= high)
    return valid
