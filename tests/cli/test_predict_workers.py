"""factornet-predict on workers, as users run it: commands that are killed or interrupted and resumed, and refusals."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from support.processes import descendants

from factornet.cli import predict
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
        hint = "repeat the command with --resume to resume after the last finished region"
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
