"""Stores on servers with transient and with permanent faults."""

import json
import re
import shutil
import zipfile
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from support.remote_reading import NETWORK, sequence
from support.servers import Proxy, serving, web_server

from factornet.cli import etl, train
from factornet.etl import CellOptions, Resources, build_cell
from factornet.etl.verify.objects import verify_store
from factornet.store import RemoteError, Store, StoreError, open_store
from factornet.store.format.cell_index import format_cell_index, parse_cell_index
from factornet.store.format.manifest import with_self_digest


def failing(proxy, *faults, part="/sequence/", method="GET"):
    """Let the first requests for some objects fail by the given faults in turn, the next succeed."""
    proxy.fault = lambda m, path, nth: faults[nth - 1] if m == method and part in path and nth <= len(faults) else None


def always(proxy, fault, part="/sequence/"):
    """Let every request for some objects fail."""
    proxy.fault = lambda m, path, nth: fault if part in path else None


@pytest.mark.parametrize("fault", ["500", "503", "half", "reset", "flip", "silent"])
def test_transient_faults_of_object_storage_are_retried(s3_demo_store, demo_store, fault, monkeypatch):
    monkeypatch.setenv("FACTORNET_TIMEOUT", "0.5")
    failing(s3_demo_store.proxy, fault)
    assert np.array_equal(sequence(s3_demo_store.url), sequence(demo_store))


@pytest.mark.parametrize("fault", ["500", "503", "half", "reset", "flip"])
def test_transient_faults_of_web_servers_are_retried(website, demo_store, fault):
    with serving(Proxy(website)) as proxy:
        failing(proxy, fault, part="/genome/")
        assert np.array_equal(sequence(f"{proxy.url}/demo.zarr"), sequence(demo_store))


@pytest.mark.parametrize("part", ["demo.zarr/zarr.json", "manifest/zarr.json", "/sequence/"])
def test_web_page_in_place_of_an_object_is_named(website, demo_store, part):
    """That of a network that asks to log in was called damage, to be mended by whoever keeps the store."""
    with serving(Proxy(website)) as proxy:
        always(proxy, "page", part=part)
        with pytest.raises(StoreError, match=r"answers with a web page in place of the object; open it in a browser"):
            sequence(f"{proxy.url}/demo.zarr")
        always(proxy, "called a page", part="/")  # some servers call all so that they do not know
        assert np.array_equal(sequence(f"{proxy.url}/demo.zarr"), sequence(demo_store))


def test_web_page_in_place_of_a_catalogue_is_named(website, capsys):
    with serving(Proxy(website)) as proxy:
        always(proxy, "page", part="/")
        assert etl.main(["list", f"{proxy.url}/"]) == 2
    assert "catalogue.json: the server answers with a web page" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["500", "silent", "half"])
def test_build_export_import_and_training_survive_sporadic_faults(  # noqa: PLR0917
    demo_files, demo_store, s3, tmp_path, monkeypatch, fault
):
    """Digests and weights are those of a local store."""
    monkeypatch.setenv("FACTORNET_TIMEOUT", "2")
    failed = []

    def sporadic(method, path, nth):
        hit = nth == 1 and crc32(f"{method} {path}".encode()) % 9 == 0
        failed.extend([method] * hit)
        return fault if hit else None

    s3.proxy.fault = sporadic
    genome = ["--fasta", demo_files / "genome.fa", "--gtf", demo_files / "annotation/genes.gtf.gz"]
    genome += ["--cpg", demo_files / "annotation/cpgIslandExt.txt.gz", "--assembly", "demo", "-p", 1]
    genome += ["--blacklist", demo_files / "annotation/blacklist.bed.gz"]
    genome += ["--track", f"Unique35={demo_files / 'tracks/Unique35.bw'}"]
    back = tmp_path / "back.zarr"
    for arguments in (
        ["genome", s3.url, *genome],
        ["build", s3.url, demo_files / "cells/K562", "-p", 1],
        ["export", demo_store, f"{s3.url}.export"],
        ["import", f"{s3.url}.export", back],
    ):
        assert etl.main([str(a) for a in arguments]) == 0
    local = open_store(demo_store)
    for location in (s3.url, f"{s3.url}.export", back):
        store = open_store(location)
        assert store.info.genome_manifest == local.info.genome_manifest
        assert {c: store.cell(c).manifest for c in store.cells} == {c: local.cell(c).manifest for c in store.cells}
        assert not verify_store(location).findings
    models = [tmp_path / "local", tmp_path / "remote"]
    for location, model in zip((str(demo_store), s3.url), models, strict=True):
        assert train.main(["--store", location, "-i", "K562", "-f", "CTCF", "-o", str(model), *NETWORK]) == 0
    assert (models[0] / "best.safetensors").read_bytes() == (models[1] / "best.safetensors").read_bytes()
    assert {"GET", "PUT"} <= set(failed)
    assert len(failed) > 20


PERMANENT = {
    "500": "HTTP 500.*3 tries",
    "503": "HTTP 503.*3 tries",
    "404": "HTTP 404.*the manifest lists it",
    "403": "HTTP 403.*access denied",
    "half": "3 tries",
    "reset": "3 tries",
    "silent": "3 tries",
    "flip": "its digest is not the one in the manifest.*2 tries",
}


@pytest.mark.parametrize("fault", PERMANENT)
@pytest.mark.parametrize("kind", ["s3", "http"])
def test_permanent_faults_are_errors_naming_the_object(s3_demo_store, website, monkeypatch, kind, fault):
    monkeypatch.setenv("FACTORNET_TIMEOUT", "0.5")
    with serving(Proxy(website)) as proxy:
        url, faulty = (s3_demo_store.url, s3_demo_store.proxy) if kind == "s3" else (f"{proxy.url}/demo.zarr", proxy)
        always(faulty, fault, "/sequence/chr21/c/0")
        with pytest.raises(StoreError, match=PERMANENT[fault]) as caught:
            sequence(url)
        if (kind, fault) == ("http", "half"):
            assert re.search(r"c/0: the answer ended after [\d,]+ of [\d,]+ bytes \(3 tries", str(caught.value))
        assert f"{url}/genome/sequence/chr21/c/0" in str(caught.value)
        tries = faulty.seen["GET", next(p for m, p in faulty.seen if p.endswith("/sequence/chr21/c/0"))]
        assert tries == (1 if fault in ("403", "404") else 2 if fault == "flip" else 3)
        assert sequence(url, "chr1").size == 5000, "other objects can be read"


def test_commands_report_server_faults_in_one_line(s3_demo_store, capsys, monkeypatch):
    always(s3_demo_store.proxy, "403", "")
    for arguments in (
        ["info", s3_demo_store.url],
        ["verify", s3_demo_store.url],
        ["import", s3_demo_store.url, "x.zarr"],
    ):
        assert etl.main(arguments) == 2
        shown = capsys.readouterr().err.strip()
        assert len(shown.splitlines()) == 1
        assert s3_demo_store.url in shown
        assert "HTTP 403" in shown
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert etl.main(["info", s3_demo_store.url]) == 2
    assert "EndpointConnectionError" in capsys.readouterr().err
    s3_demo_store.proxy.fault = lambda *_: None
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_demo_store.proxy.url)
    assert etl.main(["info", "s3://no-such-bucket-here/x.zarr"]) == 2
    assert "no such bucket" in capsys.readouterr().err
    assert etl.main(["info", f"s3://{s3_demo_store.bucket}/other.zarr"]) == 2
    assert "not a FactorNet store" in capsys.readouterr().err


def test_verify_finds_added_damaged_and_missing_objects_in_object_storage(s3_demo_store, demo_store, capsys):
    def damage(name, content):
        s3_demo_store.client.put_object(**s3_demo_store.key(name), Body=content)

    track = "cells/K562/tracks/DGF/chr21"
    size = (demo_store / f"{track}/c/0").stat().st_size
    damage("cells/K562/more", b"x")
    damage("stray", b"x")
    damage(f"{track}/c/0", bytes(size))
    s3_demo_store.client.delete_object(**s3_demo_store.key("genome/sequence/chr21/c/0"))
    found = {(f.kind, f.path) for f in verify_store(s3_demo_store.url).findings}
    assert found == {
        ("added", "cells/K562/more"),
        ("added", "stray"),
        ("damaged", f"{track}/c/0"),
        ("missing", "genome/sequence/chr21/c/0"),
    }


@pytest.mark.parametrize("fault", ["flip", "500"])
def test_verify_gives_one_hint_for_an_object_on_a_server(s3_demo_store, fault):
    name = "cells/K562/tracks/DGF/chr21/c/0"
    always(s3_demo_store.proxy, fault, name)
    (finding,) = verify_store(s3_demo_store.url, cells=["K562"]).findings
    assert (finding.path, finding.kind) == (name, "damaged")
    problem, hint = {
        "flip": (
            r"damaged: its digest is not the one in the manifest \(2 tries in \d+ s\)",
            f"export it again: factornet-etl export STORE {s3_demo_store.url} --force --cells K562",
        ),
        "500": (r"HTTP 500.* \(3 tries in \d+ s\)", "try again later, or check the server"),
    }[fault]
    assert re.fullmatch(problem, finding.problem)
    assert finding.remedy == hint


def test_verify_stops_where_the_server_fails_for_every_object(s3_demo_store):
    """Not before all of them were tried in vain: a store may have 100,000."""
    s3_demo_store.proxy.fault = lambda method, path, nth: "500" if "/c/0" in path and "/manifest/" not in path else None
    with pytest.raises(RemoteError, match=r"HTTP 500.*3 tries.*; the server failed for 10 objects, no more"):
        verify_store(s3_demo_store.url)
    failed = {path for method, path in s3_demo_store.proxy.seen if "/c/0" in path and "/manifest/" not in path}
    assert len(failed) < 20


def test_verify_goes_on_where_every_object_is_damaged(s3_demo_store):
    name = "cells/K562/tracks/DGF"
    always(s3_demo_store.proxy, "flip", name)
    findings = verify_store(s3_demo_store.url, cells=["K562"]).findings
    assert {f.path.removeprefix(name)[:4] for f in findings} == {"/chr"}
    assert len(findings) >= 5


@pytest.mark.slow
def test_verify_compares_the_cell_index_with_object_storage(s3_demo_store, demo_store):
    sound = parse_cell_index(
        s3_demo_store.client.get_object(**s3_demo_store.key("cells/zarr.json"))["Body"].read(), location="list"
    )
    hint = f"export it again: factornet-etl export STORE {s3_demo_store.url} --force --cells"
    gone = f"{hint} HepG2; or remove it from the list: factornet-etl export STORE {s3_demo_store.url} --force --cells"
    for content, kind, path, problem, repair in (
        (format_cell_index({}), "differs", "cells/zarr.json", "is out of date for K562", hint),
        (None, "missing", "cells/zarr.json", "is missing, or lists no cell lines: web servers list no folders", hint),
        (b"{", "attributes", "cells/zarr.json", "not a list of cell lines, or damaged", hint),
        (
            format_cell_index({**sound, "HepG2": "0" * 64}),
            "missing",
            "cells/HepG2",
            "but has no folder",
            gone,
        ),
    ):
        if content is None:
            s3_demo_store.client.delete_object(**s3_demo_store.key(path))
        else:
            s3_demo_store.client.put_object(**s3_demo_store.key("cells/zarr.json"), Body=content)
        report = verify_store(s3_demo_store.url, quick=True)
        (finding,) = report.findings
        assert (finding.path, finding.kind, finding.remedy) == (path, kind, repair)
        assert problem in finding.problem
        assert report.groups == ("genome", "cells/K562")
    command = finding.remedy.rpartition(": ")[2].replace("STORE", str(demo_store))  # the same for all of them
    assert etl.main(command.split()[1:]) == 0
    assert verify_store(s3_demo_store.url, quick=True).findings == ()


@pytest.mark.slow
def test_cell_line_replaced_on_the_server_is_refused(s3_demo_store, demo_files, demo_store, tmp_path):
    before = open_store(s3_demo_store.url)
    before.cell("K562")
    unpickled = Store(before.path, before.info, dict(before.pins), before.cache)  # as a spawned process gets it
    changed = Path(shutil.copytree(demo_store, tmp_path / "changed.zarr"))
    shutil.copytree(demo_files / "tracks", tmp_path / "tracks")
    cell = Path(shutil.copytree(demo_files / "cells/K562", tmp_path / "cells/K562"))
    shutil.copy(demo_files / "cells/HepG2/meta.txt", cell / "meta.txt")
    build_cell(changed, cell, CellOptions(), Resources(1), force=True)
    assert etl.main(["export", str(changed), s3_demo_store.url, "--cells", "K562", "--force"]) == 0
    with pytest.raises(StoreError, match="replaced while it was in use"):
        before.meta("K562")
    with pytest.raises(StoreError, match="was replaced while it was in use"):
        unpickled.cell("K562")
    assert np.array_equal(open_store(s3_demo_store.url).meta("K562"), open_store(changed).meta("K562"))


@pytest.mark.parametrize("kind", ["zip", "s3", "http"])
def test_newer_schema_version_is_refused(exported, s3, tmp_path, kind):
    text = (exported / "zarr.json").read_text()
    node = json.loads(text)
    node["attributes"]["schema_version"] = 7
    (tmp_path / "web").mkdir()
    store = Path(shutil.copytree(exported, tmp_path / "web/new.zarr"))
    (store / "zarr.json").write_bytes(with_self_digest(node))
    location = tmp_path / "new.zip"
    if kind == "zip":
        with zipfile.ZipFile(location, "w") as archive:
            for path in store.rglob("*"):
                if path.is_file():
                    archive.write(path, path.relative_to(store))
    elif kind == "s3":
        s3.client.put_object(**s3.key("zarr.json"), Body=with_self_digest(node))
        location = s3.url
    with (
        web_server(tmp_path / "web") as url,
        pytest.raises(StoreError, match="schema version 7, this factornet reads versions 1 and 2"),
    ):
        open_store(f"{url}/new.zarr" if kind == "http" else location)


@pytest.mark.slow
def test_leftovers_of_an_interrupted_upload_are_removed(s3_demo_store, demo_store):
    s3_demo_store.client.put_object(**s3_demo_store.key("cells/K562/old/c/0"), Body=b"x")
    s3_demo_store.client.delete_object(**s3_demo_store.key("cells/K562/zarr.json"))
    s3_demo_store.client.delete_object(**s3_demo_store.key("cells/zarr.json"))
    assert open_store(s3_demo_store.url).cells == ()
    assert etl.main(["export", str(demo_store), s3_demo_store.url, "--cells", "K562"]) == 0
    assert "cells/K562/old/c/0" not in s3_demo_store.names()
    assert not verify_store(s3_demo_store.url).findings
