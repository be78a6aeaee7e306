"""Runs commands' main functions, each in a process of its own: one that crashes or hangs is seen, and ends nothing.

A server imports the commands once and forks for every request, which takes milliseconds where a new interpreter takes
seconds. It must not have started threads: it imports, and nothing more.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

COMMANDS = (
    "factornet.cli.etl",
    "factornet.cli.predict",
    "factornet.cli.train",
    "factornet.model.training.trainer",
    *("dask.array", "distributed", "zarr.storage", "zarrs"),  # what those import when first used
)


@dataclass(frozen=True)
class Ended:
    """How a command ended: `status` is None where it was killed by the signal, or hung and was killed for that."""

    status: int | None
    signal: str
    hung: bool
    out: str
    err: str


class Forked:
    """A server of processes; a context.

    Args:
        modules: imported before the first fork; those that are not there are left out.
        python: the interpreter, this one by default.
    """

    def __init__(self, modules: Sequence[str] = COMMANDS, python: str | Path = sys.executable) -> None:
        self._command = [str(python), __file__, *modules]

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def run(
        self, module: str, arguments: Sequence[str], folder: Path, *, limit: float = 20, tracer: Sequence[str] = ()
    ) -> Ended:
        """Call `main(arguments)` of a module in a folder; it is killed after `limit` seconds.

        `tracer` is the command of a tracer without its last argument, the process; the call waits until it is attached.
        """
        request = {"module": module, "arguments": list(arguments), "folder": str(folder), "limit": limit}
        request["tracer"] = list(tracer)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return Ended(**json.loads(self._server.stdout.readline()))


def _serve() -> None:
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_fork(**json.loads(line))), flush=True)


def _fork(module: str, arguments: list[str], folder: str, limit: float, tracer: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        gate, opened = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(opened)
            os.read(gate, 1)
            os.close(gate)
            if tracer:
                _count_ahead()
            _call(module, arguments, folder, (out.fileno(), err.fileno()))
        os.close(gate)
        attached = _attach(tracer, child) if tracer else None
        os.close(opened)  # which ends the child's wait
        deadline, ended, hung = time.monotonic() + limit, (0, 0), False
        while ended[0] == 0:
            ended = os.waitpid(child, os.WNOHANG)
            if not hung and time.monotonic() > deadline:
                hung = True
                os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
        if attached is not None:
            attached.wait()
        texts = [os.pread(file.fileno(), 1 << 20, 0).decode("utf-8", "replace") for file in (out, err)]
    code = os.waitstatus_to_exitcode(ended[1])
    name = signal.Signals(-code).name if code < 0 else ""
    return {"status": None if name else code, "signal": name, "hung": hung, "out": texts[0], "err": texts[1]}


def _count_ahead() -> None:
    """Fail to close and open so often that no other thread's calls of the same name have as high a number."""
    for _ in range(500):
        with contextlib.suppress(OSError):
            os.close(-1)
        with contextlib.suppress(OSError):
            os.open("", os.O_RDONLY)


def _attach(tracer: list[str], process: int) -> subprocess.Popen[bytes]:
    """Start a tracer of a process that waits; return once all its calls are seen."""
    started = subprocess.Popen([*tracer, str(process)], stdin=subprocess.DEVNULL)
    while "TracerPid:\t0\n" in Path(f"/proc/{process}/status").read_text() and started.poll() is None:
        time.sleep(0.002)
    time.sleep(0.02)  # from attached to stopped and continued, which nothing shows
    return started


def _call(module: str, arguments: list[str], folder: str, files: tuple[int, int]) -> None:
    """In the child: never returns."""
    status = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(files, 1):
            os.dup2(file, number)
        os.chdir(folder)
        sys.path.append(folder)
        status = importlib.import_module(module).main(arguments)
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
