"""Lock files: one holder at a time, with flock and without, taken over from processes that died."""

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from factornet.store.files import locks
from factornet.store.files.locks import LockFile, LockHeldError

_HOLD = """
import sys, time
from pathlib import Path
from factornet.store.files import locks
if sys.argv[2] == "without":
    locks.lock = lambda *a, **k: (_ for _ in ()).throw(OSError(95, "Operation not supported"))
held = locks.LockFile.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


def no_flock(*_, **__):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.fixture(params=["with", "without"])
def flock(request, monkeypatch):
    """Whether the file system has flock."""
    if request.param == "without":
        monkeypatch.setattr(locks, "lock", no_flock)
    return request.param


def holder(path, flock):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path), flock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_second_holder_is_refused_naming_the_first(tmp_path, flock):
    path = tmp_path / "new/x.lock"
    with holder(path, flock) as first:
        with pytest.raises(LockHeldError) as caught:
            LockFile.acquire(path)
        assert caught.value.holder.startswith(f"process {first.pid} on {socket.gethostname()} since 20")
        first.communicate("\n")
    assert path.exists()  # that process did not release it
    with LockFile.acquire(path) as held:
        assert json.loads(path.read_text())["token"] == held.token
    assert list(path.parent.iterdir()) == []


def test_holder_is_named_in_the_moment_before_it_has_described_itself(tmp_path):
    path = tmp_path / "x.lock"
    with path.open("w") as file:
        assert locks.lock(file.fileno())
        text = json.dumps({"process": 7, "host": "h", "since": "2024-01-01 00:00:00 UTC", "started": 1.0})
        timer = threading.Timer(0.2, path.write_text, [text])
        timer.start()
        with pytest.raises(LockHeldError, match="held by process 7 on h since 2024"):
            LockFile.acquire(path)
        timer.join()


def test_lock_of_a_killed_process_is_taken_over(tmp_path, flock):
    path = tmp_path / "x.lock"
    with holder(path, flock) as first:
        first.kill()
    LockFile.acquire(path).release()
    assert list(tmp_path.iterdir()) == []


def test_process_that_waits_gets_the_lock_once_it_is_released(tmp_path, flock):
    path, order = tmp_path / "x.lock", []
    held = LockFile.acquire(path)

    def wait():
        with LockFile.acquire(path, wait=True):
            order.append("second")

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    order.append("first")
    held.release()
    thread.join()
    assert order == ["first", "second"]


def test_lock_without_flock_of_another_host_is_never_taken_over(tmp_path, flock):
    path = tmp_path / "x.lock"
    content = {"process": 1, "host": "elsewhere", "since": "2026", "started": 0.0, "exclusive": True, "token": "t"}
    path.write_text(json.dumps(content))
    with pytest.raises(LockHeldError) as caught:
        LockFile.acquire(path)
    assert caught.value.holder == "process 1 on elsewhere since 2026"
    assert caught.value.hint.endswith(f"if it runs no more, remove {path}")
    path.write_text(json.dumps({**content, "exclusive": False}))
    if flock == "with":  # the file system frees the locks of a host that is gone
        LockFile.acquire(path).release()


def test_lock_of_a_process_number_used_again_is_taken_over(tmp_path, flock):
    path = tmp_path / "x.lock"
    content = {"process": os.getpid(), "host": socket.gethostname(), "since": "2026", "exclusive": True, "token": "t"}
    path.write_text(json.dumps({**content, "started": psutil.Process().create_time()}))
    with pytest.raises(LockHeldError):
        LockFile.acquire(path)
    path.write_text(json.dumps({**content, "started": psutil.Process().create_time() - 1000}))
    LockFile.acquire(path).release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"process": "x"}'])
def test_lock_file_without_a_holder_is_taken_over_after_a_moment(tmp_path, flock, content, monkeypatch):
    path = tmp_path / "x.lock"
    monkeypatch.setattr(locks, "_UNWRITTEN", 0.4)
    path.write_bytes(content)
    begin = time.monotonic()
    LockFile.acquire(path).release()
    assert time.monotonic() - begin > 0.3
    path.write_bytes(content)
    os.utime(path, (0, 0))
    LockFile.acquire(path).release()
    assert list(tmp_path.iterdir()) == []


def test_lock_has_one_holder_however_often_it_is_left_behind(tmp_path, flock):
    path, inside, most, n = tmp_path / "x.lock", [], [], []

    def work(seed):
        for i in range(30):
            with LockFile.acquire(path, wait=True) as held:
                inside.append(seed)
                most.append(len(inside))
                n.append(seed)
                inside.remove(seed)
                if i % 3 == 0:  # die: what it left names a process that runs no more
                    content = json.loads(path.read_text())
                    content["started"] -= 1000
                    path.write_text(json.dumps(content))
                    os.close(held.handle)
                    object.__setattr__(held, "handle", os.open(os.devnull, os.O_RDONLY))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (max(most), len(n)) == (1, 120)
    with LockFile.acquire(path, wait=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_an_os_error_naming_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        LockFile.acquire(tmp_path / "file/x.lock")


def test_lock_file_whose_close_fails_is_released(tmp_path, monkeypatch):
    """What was written is of no use any more; the error of a network file system would hide the command's result."""
    close = os.close

    def failing(handle):
        close(handle)
        raise OSError(errno.EIO, "Input/output error")

    with LockFile.acquire(tmp_path / "x.lock"):
        monkeypatch.setattr(os, "close", failing)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        "[" * 4000, "[]", "null", '{"process": 1e999, "started": 1}', '{"process": -5, "started": 1, "exclusive": true}',
        '{"process": 1, "started": NaN, "exclusive": true}', '{"process": 1, "started": 1e999, "exclusive": true}',
        '{"process": 1' + "0" * 4000, "\0" * 100,
    ],
)  # fmt: skip
def test_lock_file_of_another_form_has_no_holder(tmp_path, content, flock):
    """It is taken over, like one whose writer died before it described itself."""
    path = tmp_path / "x.lock"
    path.write_text(content)
    os.utime(path, (1, 1))
    state = locks.read_lock(path)
    assert (state.holder, state.held) == ("another process", False)
    with LockFile.acquire(path) as held:
        assert json.loads(path.read_text())["token"] == held.token
