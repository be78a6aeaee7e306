"""Folders of a cart, from servers on loopback that fail: downloaded, verified, resumed, and never half written."""

import csv
import json
import re

import pytest
from support.encode_cart import TAKEN, write_cart
from support.servers import Proxy, serving, web_server

from factornet.cli.etl.parser import main
from factornet.etl.encode import cart
from factornet.etl.encode.cart import TABLE, download_cart, plan_cart
from factornet.etl.encode.eligible import CartOptions
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.store import InputError, StoreError, UsageError
from factornet.store.files.outputs import output_lock
from factornet.store.storage.retry import RetryPolicy

QUICK = RetryPolicy(tries=4, wait=0.01, timeout=5)
HG38 = CartOptions(assembly="GRCh38")


@pytest.fixture(scope="module")
def served(tmp_path_factory, demo_files):
    return write_cart(tmp_path_factory.mktemp("cart"), demo_files)


@pytest.fixture
def server(served):
    """The cart on a web server, behind a proxy that can be told to fail."""
    with web_server(served.folder) as url, serving(Proxy(url)) as proxy:
        yield proxy


@pytest.fixture
def table(served, server, tmp_path):
    path = tmp_path / "metadata.tsv"
    path.write_text(served.table(server.url))
    return path


def fetch(table, directory, *, options=HG38, **more):
    return download_cart(plan_cart(table, options, retry_policy=QUICK), directory, retry_policy=QUICK, **more)


def kept(directory):
    """Files of a folder, but hidden ones and the record of downloads."""
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file() and p.name != "fetched.json"}


def test_cart_becomes_folders_from_a_server_that_fails(table, server, tmp_path, demo_files):
    faults = ("503", "half", "reset")
    server.fault = lambda method, path, nth: faults[len(server.seen) % 3] if nth == 1 else "500" if nth == 2 else None
    done = fetch(table, tmp_path / "cells").files
    assert len(done) == len(TAKEN)
    assert all(f.new for f in done)
    assert {path.split("/")[2] for _, path in server.seen} == {*TAKEN}
    for cell in ("HepG2", "K562"):
        demo, found = (read_cell_folder(f / cell) for f in (demo_files / "cells", tmp_path / "cells"))
        assert [(t.name, t.assay, t.units) for t in found.tracks] == [("DNase", "DNase-seq", "read-depth-normalized")]
        assert found.tracks[0].path.read_bytes() == demo.tracks[1].path.read_bytes()
        expected = {c.factor: c for c in demo.chip}
        assert [c.factor for c in found.chip] == ["CTCF", "MAX"]
        for c in found.chip:
            assert c.conservative.read_bytes() == expected[c.factor].conservative.read_bytes()
            assert (c.relaxed is None) == (expected[c.factor].relaxed is None)
        assert found.sources[found.chip[0].conservative.name]["lab"] == "Richard Myers, HAIB"


def test_table_says_what_became_of_each_file(table, tmp_path):
    fetch(table, tmp_path / "cells")
    with (tmp_path / "cells" / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 30
    assert all(bool(r["path"]) != bool(r["reason"]) for r in rows)
    assert {r["file"] for r in rows if (tmp_path / "cells" / r["path"]).is_file()} == {*TAKEN}
    assert rows[13]["reason"] == "another output type"


def test_table_keeps_the_files_of_carts_that_were_fetched_before(table, tmp_path):
    titles, *lines = table.read_text().splitlines()
    for cell in ("K562", "HepG2"):
        part = tmp_path / f"{cell}.tsv"
        part.write_text("\n".join([titles, *(line for line in lines if f"\t{cell}\t" in line)]) + "\n")
        fetch(part, tmp_path / "cells")
    fetch(part, tmp_path / "cells")  # again: no row twice
    rows = [line.split("\t") for line in (tmp_path / "cells" / TABLE).read_text().splitlines()]
    accessions = [row[0] for row in rows]
    assert len(accessions) == len({*accessions})
    assert {row[4] for row in rows[1:]} == {"K562", "HepG2"}
    (tmp_path / "cells" / TABLE).write_text("mine\n")
    with pytest.raises(UsageError, match="is no table of the files of a cart; move it away"):
        fetch(part, tmp_path / "cells", force=True)
    assert (tmp_path / "cells" / TABLE).read_text() == "mine\n"


def test_second_run_downloads_nothing_and_an_interrupted_one_is_resumed(table, server, tmp_path):
    server.fault = lambda method, path, nth: "404" if "ENCFF020CTC" in path else None
    with pytest.raises(StoreError, match=r"ENCFF020CTC.narrowPeak.gz: cannot be downloaded: .*HTTP 404"):
        fetch(table, tmp_path / "cells")
    assert (tmp_path / "cells/HepG2/chip.txt").exists()
    assert not (tmp_path / "cells/K562/chip.txt").exists()
    server.fault = lambda method, path, nth: None
    done = {f.download.name for f in fetch(table, tmp_path / "cells").files if f.new}
    assert done == {"K562/ENCFF020CTC.narrowPeak.gz", "K562/ENCFF022MAX.narrowPeak.gz"}
    before = kept(tmp_path / "cells")
    assert not any(f.new for f in fetch(table, tmp_path / "cells").files)
    assert kept(tmp_path / "cells") == before
    assert not any(re.search(r"part$|lock$|version$", name) for name in before)


def test_file_with_another_digest_is_refused_and_taken_from_its_copy(served, table, server, tmp_path):
    server.fault = lambda method, path, nth: "flip" if "ENCFF009CTC" in path else None
    with pytest.raises(StoreError, match=r"ENCFF009CTC.narrowPeak.gz: cannot be downloaded: .*hash"):
        fetch(table, tmp_path / "cells")
    assert not (tmp_path / "cells/HepG2/ENCFF009CTC.narrowPeak.gz").exists()
    with web_server(served.folder) as mirror:
        table.write_text(served.table(server.url, mirror=mirror))
        assert len(fetch(table, tmp_path / "cells").files) == len(TAKEN)


def test_sheets_that_were_edited_are_refused_before_any_download(table, server, tmp_path):
    fetch(table, tmp_path / "cells")
    chip = tmp_path / "cells/K562/chip.txt"
    before = chip.read_text()
    chip.write_text("# mine\n" + before)
    seen = server.seen.total()
    with pytest.raises(UsageError, match=r"K562/chip.txt: already exists with other rows"):
        fetch(table, tmp_path / "cells")
    assert server.seen.total() == seen
    fetch(table, tmp_path / "cells", force=True)
    assert chip.read_text() == before


def test_sheets_of_ones_own_that_the_cart_has_no_rows_of_are_kept(table, tmp_path):
    folder = tmp_path / "cells/K562"
    folder.mkdir(parents=True)
    (folder / "bigwig.txt").write_text("my.bw\tDGF\n")
    (folder / "sources.json").write_text('{"my.bw": {"lab": "ours"}}')
    options = CartOptions("GRCh38", excluded=frozenset({"ENCSR002DNA"}))
    report = fetch(table, tmp_path / "cells", options=options, force=True)
    assert report.kept == (folder / "bigwig.txt",)
    assert (folder / "bigwig.txt").read_text() == "my.bw\tDGF\n"
    sources = json.loads((folder / "sources.json").read_text())
    assert sources["my.bw"] == {"lab": "ours"}
    assert sources["ENCFF022MAX.narrowPeak.gz"]["experiment"] == "ENCSR022MAX"


def test_interrupted_command_says_how_to_resume(table, tmp_path, settings, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cart, "download_files", interrupt)
    assert main(["fetch", "--encode", str(table), str(tmp_path / "c"), "--assembly", "hg38"]) == 130
    assert "factornet-etl: interrupted; run the same command again to resume" in capsys.readouterr().err


def test_second_process_is_refused(table, tmp_path):
    with output_lock(tmp_path / "cells"), pytest.raises(InputError, match=r"cells: is being written by process"):
        fetch(table, tmp_path / "cells")


def test_full_disk_is_reported_before_the_first_download(table, server, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda location: type("Usage", (), {"free": 1000}))
    with pytest.raises(StoreError, match=r"the cart takes 916 kB"):
        fetch(table, tmp_path / "cells")
    assert not server.seen


def test_list_of_files_brings_the_table_and_limits_it(served, server, tmp_path):
    listed = [f"{server.url}/files/{a}/@@download/{a}.bed.gz" for a in ("ENCFF009CTC", "ENCFF010CTC")]
    (served.folder / "table").write_text(served.table(server.url))
    path = tmp_path / "files.txt"
    path.write_text("\n".join((f'"{server.url}/table"', *listed)))
    server.fault = lambda method, path, nth: "half" if nth == 1 else None
    plan = plan_cart(path, HG38, retry_policy=QUICK)
    assert [f.name for f in plan.folders] == ["HepG2"]
    assert plan.folders[0].sheets["bigwig.txt"] == ""
    assert plan.left_out["not in files.txt"] == 28
    assert not plan.selection.warnings
    path.write_text(f"{path.read_text()}\n{server.url}/files/x.bed.gz\n{server.url}/files/y.bed.gz")
    (served.folder / "table").write_text(
        "\ufeff" + served.table(server.url).replace("HAIB", "HA\u2028IB").replace("\n", "\r\n")
    )
    plan = plan_cart(path, HG38, retry_policy=QUICK)
    assert plan.left_out["not in files.txt"] == 28
    assert plan.selection.warnings == (f"2 files of files.txt are not in the table: {server.url}/files/x.bed.gz, ...",)
    (served.folder / "table").write_text("<html>")
    with pytest.raises(InputError, match=r"/table:1: has no column 'File accession'"):
        plan_cart(path, HG38, retry_policy=QUICK)


def test_reads_become_rows_of_one_track(table, server, tmp_path):
    plan = plan_cart(table, CartOptions("GRCh38", signal="reads"), retry_policy=QUICK)
    assert [f.sheets["bigwig.txt"] for f in plan.folders] == ["ENCFF003DNA.bam\tDGF\tassay=DNase-seq\n", ""]
    download_cart(plan, tmp_path / "cells", retry_policy=QUICK)
    (track,) = read_cell_folder(tmp_path / "cells/HepG2").tracks
    assert (track.name, track.has_reads, [p.name for p in track.paths]) == ("DGF", True, ["ENCFF003DNA.bam"])
    assert not (tmp_path / "cells/K562/bigwig.txt").exists()
    with pytest.raises(UsageError, match=r"HepG2/bigwig.txt: already exists with other rows"):
        fetch(table, tmp_path / "cells")


def test_cart_of_which_nothing_can_be_used_is_refused(table, tmp_path):
    text = table.read_text()
    titles, first = (line.split("\t") for line in text.splitlines()[:2])
    table.write_text(text.replace(first[titles.index("md5sum")], "none"))
    experiments = "ENCSR002DNA ENCSR009CTC ENCSR015CTC ENCSR017MAX ENCSR019CTC ENCSR022MAX".split()
    options = CartOptions("GRCh38", excluded=frozenset({*experiments, "ENCFF002DNA", "ENCFF003DNA"}))
    with pytest.raises(UsageError, match=r"no file can be used \(.*1 no MD5 to verify it by"):
        plan_cart(table, options, retry_policy=QUICK)


def test_command_plans_downloads_and_prints_the_next_one(table, server, tmp_path, settings, capsys):
    words = ["fetch", "--encode", str(table), str(tmp_path / "my cells")]
    assert main(words) == 2
    assert (
        "--encode: the table has files of 2 assemblies (GRCh38, hg19); choose one; see --assembly"
        in capsys.readouterr().err
    )
    words += ["--assembly", "hg38"]
    assert main([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "30 files, GRCh38: 9 taken, 916 kB" in out
    assert "K562: tracks DNase (read-depth normalized signal); factors CTCF, MAX (without relaxed peaks)" in out
    assert "left out, another assembly: 2" in out
    assert "ENCFF029YY1" in out
    assert not server.seen
    assert not (tmp_path / "my cells").exists()
    assert main(words) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "my cells"
    assert f"next, with a store of hg38: factornet-etl build hg38.zarr '{folder}/HepG2' '{folder}/K562'" in out
    assert main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (len(content["files"]), content["left_out"]["control"]) == (30, 1)
    assert sum(f["taken"] and not f["new"] for f in content["files"]) == 9
    assert main(["fetch", str(tmp_path / "x"), "--dry-run"]) == 2
    assert "--dry-run needs --encode TABLE" in capsys.readouterr().err
