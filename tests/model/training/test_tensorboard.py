"""Event files for TensorBoard, and the error where tensorboardX is not installed."""

import sys

import pytest

from factornet.cli.train import main
from factornet.model.training.history import EpochRecord
from factornet.model.training.tensorboard import TensorBoardLog, check_tensorboard
from factornet.store import UsageError

RECORD = EpochRecord(
    epoch=1, loss=0.5, val_loss=0.25, val_average_precision=0.75, windows=8, windows_per_second=4.0, data_wait=0.1,
    seconds=2.0,
)  # fmt: skip


@pytest.fixture
def without_tensorboard(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)


def test_every_field_of_an_epoch_is_written(tmp_path):
    check_tensorboard()
    log = TensorBoardLog(tmp_path)
    log.add(RECORD)
    log.close()
    (path,) = (tmp_path / "tensorboard").glob("events*")
    fields = ("loss", "val_loss", "val_average_precision", "windows", "windows_per_second", "data_wait", "seconds")
    assert [name for name in fields if name.encode() not in path.read_bytes()] == []
    assert b"epoch" not in path.read_bytes()


def test_missing_package_is_refused_with_the_command_that_installs_it(tmp_path, without_tensorboard):
    for use in (check_tensorboard, lambda: TensorBoardLog(tmp_path)):
        with pytest.raises(
            UsageError, match=r"need the package tensorboardX; .*pip install 'factornet\[tensorboard\]'$"
        ):
            use()
    assert list(tmp_path.iterdir()) == []


def test_missing_package_ends_the_command_before_training(demo_store, tmp_path, capsys, without_tensorboard):
    options = ["--store", str(demo_store), *"-i K562 -f MAX -t chr1 --tensorboard --device cpu".split()]
    assert main([*options, "-o", str(tmp_path / "model")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("factornet-train: error: ")
    assert line.endswith("pip install 'factornet[tensorboard]'")
    assert list(tmp_path.iterdir()) == []
