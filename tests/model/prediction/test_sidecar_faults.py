"""The record next to predictions, where the last steps of writing them fail."""

from pathlib import Path

import pytest

from factornet.model.prediction.sidecar import PredictionRecord, read_record, replacing_with_sidecar
from factornet.store import InputError
from factornet.store.files import atomic_write

EMPTY = {"model": {}, "trainings": (), "chromosomes": {}, "manifests": {}, "intervals": {}, "options": {}}


def write(path, content, *, factor):
    def record(*, file_sha256):
        return PredictionRecord(factor=factor, cell="A", assembly="tiny", file_sha256=file_sha256, **EMPTY)

    with replacing_with_sidecar(path, record) as part:
        part.write_bytes(content)


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("is_renamed", [False, True])
def test_the_record_stays_that_of_the_file_that_is_there(tmp_path, monkeypatch, *, earlier, is_renamed):
    """The folder cannot be flushed once the file is renamed, or the file cannot be renamed."""
    path = tmp_path / "x.bed"
    if earlier:
        write(path, b"old", factor="OLD")
    rename, fsync = Path.replace, atomic_write.fsync_path

    def failing_rename(source, target):
        if target == path:
            raise OSError(5, "Input/output error")
        return rename(source, target)

    def failing_fsync(flushed):
        if flushed == tmp_path and path.exists() and path.read_bytes() == b"new":
            raise OSError(5, "Input/output error")
        fsync(flushed)

    with monkeypatch.context() as patched:
        if is_renamed:
            patched.setattr(atomic_write, "fsync_path", failing_fsync)
        else:
            patched.setattr(Path, "replace", failing_rename)
        with pytest.raises(OSError, match="Input/output"):
            write(path, b"new", factor="NEW")
    if is_renamed or earlier:
        assert read_record(path).factor == ("NEW" if is_renamed else "OLD")
        assert path.read_bytes() == (b"new" if is_renamed else b"old")
    else:
        assert list(tmp_path.iterdir()) == []
    write(path, b"newer", factor="NEWER")
    assert read_record(path).factor == "NEWER"
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="other bytes"):
        read_record(path)
