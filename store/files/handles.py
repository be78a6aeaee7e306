"""Close file descriptors that were only read from."""

from __future__ import annotations

import errno
import os


def close_read(handle: int) -> None:
    """Close a descriptor that was only read from, or flushed.

    An error of it (EIO of a network file system) says nothing about what was read and names no file, and the descriptor
    is free all the same.
    """
    try:
        os.close(handle)
    except OSError as error:
        if error.errno == errno.EBADF:  # a fault of ours: it was not open
            raise
