"""Hide from this process, and from all that it starts, what FACTORNET_TEST_MASK lists; put first on PYTHONPATH.

``packages:torch,dask`` makes these impossible to import. ``linux`` takes away what Linux has and macOS has not: it is
no run on a Mac, only a search for code that assumes Linux.
"""

import importlib.abc
import os
import sys


class _Absent(importlib.abc.MetaPathFinder):
    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} (masked)", name=name)


def _mask_linux():
    import ctypes

    for name in (
        "sched_getaffinity", "sched_setaffinity", "O_PATH", "O_TMPFILE", "posix_fadvise", "posix_fallocate",
        "copy_file_range", "memfd_create", "pidfd_open", "eventfd", "splice",
    ):  # fmt: skip
        if hasattr(os, name):
            delattr(os, name)

    class CDLL(ctypes.CDLL):
        def __getattr__(self, name):
            if name in ("renameat2", "prctl", "openat2", "malloc_trim", "syscall"):
                raise AttributeError(f"{name}: masked")
            return super().__getattr__(name)

    ctypes.CDLL = CDLL

    def no_proc(event, arguments):
        path = arguments[0] if event == "open" and arguments else ""
        if isinstance(path, str) and path.startswith(("/proc", "/sys")):
            caller = sys._getframe(1)
            while caller and caller.f_globals.get("__name__", "").partition(".")[0] in ("pathlib", "io", "_io"):
                caller = caller.f_back  # Path.open is asked by somebody
            if caller and caller.f_globals.get("__name__", "").startswith("factornet"):
                raise FileNotFoundError(2, "No such file or directory (masked)", path)

    sys.addaudithook(no_proc)


for mask in filter(None, os.environ.get("FACTORNET_TEST_MASK", "").split(";")):
    if mask == "linux":
        _mask_linux()
    elif mask.startswith("packages:"):
        sys.meta_path.insert(0, _Absent(set(mask.removeprefix("packages:").split(","))))
