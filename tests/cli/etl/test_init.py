"""``factornet-etl init``: what it prints and writes, and that it keeps what people wrote."""

import json

import pytest

from factornet.cli.etl.parser import main

PEAK = "chr1\t100\t300\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "K562"
    path.mkdir()
    (path / "DNase.bw").write_bytes(b"\x26\xfc\x8f\x88")
    for name in ("CTCF.conservative.bed", "CTCF.relaxed.bed"):
        (path / name).write_text(PEAK)
    return path


def test_sheets_are_written_once_and_kept(folder, capsys):
    assert main(["init", str(folder), "--dry-run"]) == 0
    assert "chip.txt: not written\n    CTCF.conservative.bed  CTCF  CTCF.relaxed.bed\n" in capsys.readouterr().out
    assert not (folder / "chip.txt").exists()
    assert main(["init", str(folder)]) == 0
    assert (folder / "chip.txt").read_text() == "CTCF.conservative.bed\tCTCF\tCTCF.relaxed.bed\n"
    assert (folder / "bigwig.txt").read_text() == "DNase.bw\tDNase\tassay=DNase-seq\n"
    (folder / "chip.txt").write_text("mine\n")
    capsys.readouterr()
    assert main(["init", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "bigwig.txt: unchanged" in out
    assert "chip.txt: kept as it was; --force would write" in out
    assert (folder / "chip.txt").read_text() == "mine\n"
    assert main(["init", str(folder), "--force"]) == 0
    assert (folder / "chip.txt").read_text().startswith("CTCF.conservative.bed")


def test_file_that_cannot_be_placed_is_named_with_status_1(folder, capsys):
    (folder / "peaks\x1b[31m.bed").write_text(PEAK)
    assert main(["init", str(folder)]) == 1
    err = capsys.readouterr().err
    assert "K562/peaks\\x1b[31m.bed: not placed: 'peaks\\x1b[31m' cannot be the name of a factor; rename it" in err
    assert "\x1b" not in err
    assert main(["init", str(folder), "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert report["sheets"] == {"bigwig.txt": "unchanged", "chip.txt": "unchanged"}
    assert [f["name"] for f in report["files"] if f["open"]] == ["peaks\x1b[31m.bed"]


def test_no_folder_is_written_where_one_is_missing(folder, capsys):
    assert main(["init", str(folder), str(folder.parent / "gone")]) == 2
    assert "gone: no such folder" in capsys.readouterr().err
    assert not (folder / "chip.txt").exists()


def test_folder_of_which_nothing_is_known_gets_no_sheet(tmp_path, capsys):
    (tmp_path / "K562").mkdir()
    assert main(["init", str(tmp_path / "K562")]) == 2
    assert "K562: has no file that a sheet could name" in capsys.readouterr().err
