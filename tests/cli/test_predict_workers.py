"""factornet-predict on workers, as users run it: commands that are killed or interrupted and resumed, and refusals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from support.processes import descendants
from support.schedulers import running_scheduler

from factornet.cli import predict
from factornet.cli.prediction import many_files, one_file
from factornet.cli.prediction.progress import Rate
from factornet.model import FactorNet, ModelCard, NetworkConfig, save_weights
from factornet.model.model_dir.card import write_card

CONFIG = NetworkConfig(tasks=("CTCF",), tracks=("DGF",), kernels=4, recurrent=3, dense=4)
REGIONS = [f"chr21:{start}-{start + 40_000}" for start in range(0, 800_000, 40_000)]


@pytest.fixture
def words(demo_store, tmp_path):
    """Arguments that predict with one model."""
    (tmp_path / "one").mkdir()
    write_card(tmp_path / "one", ModelCard(config=CONFIG))
    save_weights(tmp_path / "one", FactorNet(CONFIG, seed=1).state_dict(), "best")
    return list(map(str, ["--store", demo_store, "-i", "K562", "-m", tmp_path / "one", "-f", "CTCF"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", "2", "-b", "x.bed"), "--workers needs --regions, which are divided among workers"),
        (("--scheduler", "tcp://127.0.0.1:9", "-b", "x.bed"), "--scheduler needs --regions"),
        (("--worker-threads", "2", "--regions", "chr21"), "--worker-threads needs --workers or --scheduler"),
        (("--scheduler", "tcp://127.0.0.1:9", "--regions", "chr21"), "no dask scheduler answers at tcp://127.0.0.1:9 "),
        (("--scheduler", "not an address", "--regions", "chr21"), "no dask scheduler answers at not an address "),
    ],
)
@pytest.mark.parametrize("output", ["x.bw", "x/"])
def test_refused_in_one_line(words, tmp_path, capsys, monkeypatch, *, arguments, message, output):
    monkeypatch.setattr("factornet.store.workers.cluster._TIMEOUT", 1)
    assert predict.main([*words, *arguments, "-o", f"{tmp_path}/{output}"]) == 2
    shown = capsys.readouterr().err.replace("factornet-predict: error: ", "")
    assert (message in shown, shown.count("\n")) == (True, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


@pytest.mark.slow
@pytest.mark.parametrize("output", ["x.bw", "x/"])
def test_workers_of_a_scheduler_give_the_same_bytes_and_one_may_die(words, tmp_path, monkeypatch, capsys, output):
    """Workers run in another folder: paths of the command are relative."""
    log, folder = tmp_path / "scheduler.log", Path(__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    words[1], words[5] = os.path.relpath(words[1], tmp_path), "one"
    arguments = [*words, "--regions", *REGIONS]
    with running_scheduler(log, workers=2, folder=folder) as (address, workers):
        add = Rate.add

        def kill_one(rate, n):
            workers[0].kill()
            add(rate, n)

        with monkeypatch.context() as patched:
            patched.setattr(Rate, "add", kill_one)
            assert predict.main([*arguments, "--scheduler", address, "-o", output]) == 0
        assert workers[0].wait(10)
        assert " per worker" in capsys.readouterr().out
        shutil.copytree("one", "two")
        # What a worker does not see is named; here, a model that is removed once it was opened.
        for module in (one_file, many_files):
            plain = module.workers_from_args

            def removing(*given, plain=plain):
                shutil.rmtree("two", ignore_errors=True)
                return plain(*given)

            monkeypatch.setattr(module, "workers_from_args", removing)
        arguments[5] = "two"
        assert predict.main([*arguments, "--scheduler", address, "-o", f"other-{output}"]) == 2
    shown = capsys.readouterr().err.splitlines()[-1]
    assert f"does not see {tmp_path}/two; use a file system that all workers share" in shown
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as workers have
    try:
        arguments[5] = "one"
        assert predict.main([*arguments, "-o", f"alone-{output}"]) == 0
    finally:
        torch.set_num_threads(threads)
    found, alone = (
        (tmp_path / o / "CTCF.bw" if o.endswith("/") else tmp_path / o) for o in (output, f"alone-{output}")
    )
    assert found.read_bytes() == alone.read_bytes()


def finished(digests):
    """Names of the regions that a run has recorded."""
    return json.loads(digests.read_text())["sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ended_command_leaves_no_process_and_is_resumed(words, tmp_path, capsys, number):
    """A terminal sends its signals to the workers too; only the command itself handles them."""
    output, digests = tmp_path / "x.bw", tmp_path / ".x.bw.parts/digests.json"
    arguments = [*words, "--regions", *REGIONS, "-o", str(output)]
    program = (
        "import signal, sys; from factornet.cli.predict import main; signal.signal(signal.SIGINT, "
        f"signal.default_int_handler); sys.exit(main({[*arguments, '--workers', '2']!r}))"
    )
    started = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 120
    while not digests.exists() or len(finished(digests)) < 2:
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes = descendants(started.pid)
    (os.killpg if number == signal.SIGINT else os.kill)(started.pid, number)
    _, errors = started.communicate(timeout=60)  # until the last process that holds standard error has ended
    assert not psutil.wait_procs(processes, timeout=30)[1], "processes are left behind"
    if number != signal.SIGKILL:
        hint = "repeat the command with --resume to resume after the last finished part"
        assert (started.returncode, errors.splitlines()[-1]) == (
            128 + number,
            f"factornet-predict: interrupted; {hint}",
        )
    assert len(finished(digests)) < len(REGIONS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as workers have
    try:
        assert predict.main([*arguments, "--resume", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert 0 < said["predicted"] < said["intervals"]
        arguments[-1] = str(tmp_path / "alone.bw")
        assert predict.main(arguments) == 0
    finally:
        torch.set_num_threads(threads)
    assert output.read_bytes() == (tmp_path / "alone.bw").read_bytes()
