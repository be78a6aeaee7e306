"""bigWigs on a failing disk: whichever system call fails, one line names the file, and nothing is published."""

import errno
import os
from pathlib import Path

import pytest
from support.forked import Forked
from support.system_calls import Injection, has_strace, hit, run_traced

WRITER = "support.write_bigwig"


@pytest.mark.skipif(not has_strace(), reason="needs strace")
def test_whichever_system_call_fails_the_error_names_the_file(tmp_path, monkeypatch):
    """Opening the temporary file, too, which crashed the process while pyBigWig did it."""
    output = tmp_path / "o.bw"
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with Forked((WRITER,)) as server:
        ended, calls = run_traced(server, WRITER, [str(output)], tmp_path)
        assert ended.status == 0, ended
        whole = output.read_bytes()
        assert {"openat", "write", "close", "fsync", "rename"} <= {call.name for call in calls}
        output.unlink()
        effects = ("EIO", "ENOSPC", "EACCES")
        for i, call in enumerate(calls):
            effect = effects[i % 3]
            injection = Injection(call, effect)
            ended, done = run_traced(server, WRITER, [str(output)], tmp_path, injection)
            assert hit(ended, done, injection), (injection, ended)
            if output.exists():
                # What fails once the file has its name, or is only read.
                assert output.read_bytes() == whole, injection
                assert ended.status == 0 or call.name in ("fsync", "close"), injection
                output.unlink()
            else:
                text = os.strerror(getattr(errno, effect))
                full = effect == "ENOSPC"
                cure = "check free space, or choose another place" if full else "check free space and permissions"
                expected = f"{output}: cannot be written ({text}); {cure}\n"
                assert (ended.status, ended.err) == (2, expected), injection
            assert list(tmp_path.iterdir()) == [], injection
