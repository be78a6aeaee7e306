"""Trace the system calls with which a command writes, and have one of them kill the command or fail (strace)."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .forked import Ended, Forked

CREATES = ("openat",)
WRITES = ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "sendfile", "copy_file_range")
FLUSHES = ("fsync", "fdatasync", "close")
MOVES = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat")
_TRACED = ",".join((*CREATES, *WRITES, *FLUSHES, *MOVES))
_LINE = re.compile(r"(?P<name>\w+)\((?P<rest>.*)")
_RANDOM = re.compile(r"\.[0-9a-f]{8}\.part")


@dataclass(frozen=True)
class Call:
    """A system call that changes something below a folder, or closes a file there.

    Attributes:
        name: of the call.
        number: it is the so-many-th of this name in its thread, from 1.
        path: what it is called with, without the folder and the random part of temporary names.
        injected: whether it was made to fail.
    """

    name: str
    number: int
    path: str
    injected: bool

    @property
    def of_lock(self) -> bool:
        """Whether it is of a lock file, not of an output."""
        return self.path.endswith(".lock")


@dataclass(frozen=True)
class Injection:
    """What happens at a call: a signal (`SIGKILL`) or an error (`EIO`)."""

    call: Call
    effect: str

    @property
    def option(self) -> str:
        """The option of strace."""
        kind = "signal" if self.effect.startswith("SIG") else "error"
        return f"inject={self.call.name}:{kind}={self.effect}:when={self.call.number}"


def has_strace() -> bool:
    """Return whether there is an strace."""
    return shutil.which("strace") is not None


def run_traced(
    server: Forked, module: str, arguments: Sequence[str], folder: Path, injection: Injection | None = None
) -> tuple[Ended, list[Call]]:
    """Run a command in a folder; return how it ended, and its calls that change something in the folder.

    A call that killed the command is the last one.
    """
    with tempfile.TemporaryDirectory() as logs:
        tracer = ["strace", "-f", "-ff", "-qq", "-y", "-s", "0", "-o", f"{logs}/log", "-e", f"trace={_TRACED}"]
        tracer += ["-e", "signal=none", *(["-e", injection.option] if injection else []), "-p"]
        ended = server.run(module, arguments, folder, limit=120, tracer=tracer)
        files = sorted(Path(logs).iterdir(), key=lambda p: int(p.suffix[1:]))
        return ended, [call for file in files for call in _calls(file.read_text("utf-8", "replace"), folder)]


def hit(ended: Ended, calls: Sequence[Call], injection: Injection) -> bool:
    """Return whether the injection took place at the call that it was meant for."""
    if injection.effect.startswith("SIG"):
        return ended.signal == injection.effect and any(_same(call, injection.call) for call in calls)
    return any(call.injected and _same(call, injection.call) for call in calls)


def _same(a: Call, b: Call) -> bool:
    return (a.name, a.number, a.path) == (b.name, b.number, b.path)


def _calls(log: str, folder: Path) -> list[Call]:
    """Return the calls of one thread that change something in a folder."""
    found, counts = [], dict[str, int]()
    for line in log.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name = match["name"]
        counts[name] = counts.get(name, 0) + 1
        if name == "openat" and not re.search(r"O_CREAT|O_TRUNC", match["rest"]):
            continue
        paths = dict.fromkeys(re.findall(rf'(?<=[<"]){re.escape(str(folder))}/([^">]*)(?=[>"])', match["rest"]))
        if paths:
            path = " -> ".join(_RANDOM.sub(".#.part", p) for p in paths)
            found.append(Call(name, counts[name], path, "(INJECTED)" in line))
    return found
