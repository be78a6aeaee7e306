"""c-blosc's own functions, and a loop over them that runs without the interpreter's lock.

The library that numcodecs brings has ``blosc_getitem``, which unpacks a stretch of a chunk, but no Python face for it
any more. Called from Python, piece by piece, two threads take turns at the lock and are no faster than one
(docs/performance.md). So the loop over many pieces is compiled, by numba, once a process and in the background: until
it is ready, and where there is no numba or another build of numcodecs, Python calls do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from numcodecs import blosc

_MANY = 32
"""Pieces in one call from which on a process is taken to be a stream, worth the second that compiling takes."""

Loop = Callable[..., int]
"""``loop(source, out, chunk, offset, first, count, place, unit, whole)`` unpacks piece i, ``count[i]`` bytes from
``first[i]`` on of the chunk at the address ``source + offset[i]``, to the address ``out + place[i]``; it returns which
piece failed, or -1."""


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
        source: int, out: int, chunk: int, offset: Any, first: Any, count: Any, place: Any, unit: Any, whole: Any
    ) -> int:
        for i in range(len(offset)):
            if whole[i]:
                done = decompress(source + offset[i], out + place[i], chunk, 1)
            else:
                done = stretch(source + offset[i], first[i] // unit[i], count[i] // unit[i], out + place[i])
            if done != count[i]:
                return i
        return -1

    return loop


def compiled_loop(pieces: int) -> Loop | None:
    """The loop over so many pieces, for arrays; None where it is not worth it, not ready, or cannot be had."""
    if pieces < _MANY:
        return None
    compiling = _compiling()
    return compiling.result() if compiling.done() and compiling.exception() is None else None


@cache
def _compiling() -> Future[Loop]:
    executor = ThreadPoolExecutor(1, thread_name_prefix="compile")
    future = executor.submit(_compile)
    executor.shutdown(wait=False)
    return future


def _compile() -> Loop:
    """Compile the loop.

    Raises:
        ImportError: there is no numba.
        LookupError: there is nothing to compile.
    """
    import numba

    loop = python_loop()
    if loop is None:
        raise LookupError("c-blosc's functions cannot be found")
    fields = ", ".join(["int64[::1]"] * 5)
    compiled: Loop = numba.njit(f"int64(int64, int64, int64, {fields}, boolean[::1])", nogil=True)(loop)
    return compiled
