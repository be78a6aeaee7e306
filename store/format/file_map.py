"""Map files into memory without keeping a file descriptor for each.

`mmap.mmap` duplicates the descriptor it is given and holds the duplicate until the map is closed (Python 3.13 can be
told not to), so a store of some thousand arrays would exceed the usual limit of 1,024 open files. The system call needs
the descriptor only during the call.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import weakref
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FAILED = ctypes.c_void_p(-1).value


class MappedArray(np.ndarray):
    """Read-only array that is the content of a file; a view of it has the same `filename`.

    Attributes:
        filename: path of the file, for messages.
    """

    filename = ""

    def __array_finalize__(self, source: object) -> None:
        self.filename = getattr(source, "filename", "")


def map_file(handle: int, dtype: DTypeLike, shape: tuple[int, ...], *, filename: str) -> NDArray[Any]:
    """Map the beginning of a file as an array; the file may be closed afterwards.

    A forked process has the same map. It is released with the last array that uses it.

    Args:
        handle: descriptor of the file, which must have all bytes of the array.
        dtype: of the array.
        shape: of the array, in C order; not empty.
        filename: path of the file, for messages.

    Raises:
        OSError: the file cannot be mapped.
    """
    values = np.asarray(_FileMap(handle, np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))))
    array = values.view(dtype).reshape(shape).view(MappedArray)
    array.filename = filename
    return array


def array_in_memory(content: bytes, dtype: DTypeLike, shape: tuple[int, ...], *, filename: str) -> NDArray[Any]:
    """Return an array of the same kind with values that were read from a file.

    Raises:
        ValueError: the values are not as many as the array has.
    """
    array = np.frombuffer(content, dtype).reshape(shape).view(MappedArray)
    array.filename = filename
    return array


class _FileMap:
    """Bytes of a file in memory, for `numpy.asarray`, which keeps a reference to it."""

    def __init__(self, handle: int, size: int) -> None:
        library = _c_library()
        self._size, self._address = size, library.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, handle, 0)
        if self._address == _FAILED:
            code = ctypes.get_errno()
            raise OSError(code, "too many memory maps" if code == errno.ENOMEM else os.strerror(code))
        weakref.finalize(self, library.munmap, self._address, size).atexit = False

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"version": 3, "data": (self._address, True), "shape": (self._size,), "typestr": "|u1"}


@cache
def _c_library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    offset = ctypes.c_int64  # off_t
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, offset)
    library.mmap.restype = ctypes.c_void_p
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library
