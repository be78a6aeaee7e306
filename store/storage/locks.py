"""Advisory locks on open files and directories (flock)."""

from __future__ import annotations

import fcntl


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file or directory until its handle is closed.

    Args:
        handle: file descriptor.
        shared: whether others may hold a shared lock at the same time; else the lock is exclusive.
        wait: whether to wait for other holders.

    Returns:
        Whether the lock was acquired; False where another process holds it (never with `wait`).

    Raises:
        OSError: the file system does not support locks.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
