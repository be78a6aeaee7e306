"""Import by name: equal stores, from a folder, a web server or object storage, over faults and past hostile servers."""

import http.server
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile_servers import drip, hostile_server, once
from support.sealed import change_sealed
from support.servers import Proxy, serving, web_server
from support.transfer_helpers import command, digests, refused, report

from factornet.etl.sharing.catalogue import CATALOGUE, read_catalogue
from factornet.etl.sharing.download import download_file
from factornet.etl.verify.objects import verify_store
from factornet.store import RemoteError, StoreError, open_store
from factornet.store.files.digest import sha256_of
from factornet.store.files.outputs import lock_path, output_lock
from factornet.store.storage.http_server import HttpServer
from factornet.store.storage.remote import skip_bytes
from factornet.store.storage.retry import RetryPolicy
from factornet.store.storage.s3_bucket import ReplacedError, S3Bucket

CONTENT = bytes(range(256)) * 400


def hidden(folder) -> list[str]:
    """Return the names of hidden files in a folder: downloads, locks."""
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("name", ["tiny.zip", "tiny.zarr"])
@pytest.mark.parametrize("served", [False, True])
def test_import_by_name_is_equal(name, served, *, shelf_made, tiny_store, settings, tmp_path, capsys):
    with web_server(shelf_made) as url:
        found = report(capsys, "import", name, tmp_path / "x.zarr", "--from", url if served else shelf_made)
    assert found["copied"] == ["genome", "cells/A"]
    assert digests(tmp_path / "x.zarr") == digests(tiny_store)
    assert not verify_store(tmp_path / "x.zarr").findings
    assert hidden(tmp_path) == []


def test_cell_lines_are_chosen_and_unknown_ones_named(shelf_made, tmp_path, capsys):
    assert command("import", "tiny.zip", tmp_path / "x.zarr", "--from", shelf_made, "--cells") == 0
    assert open_store(tmp_path / "x.zarr").cells == ()
    line = refused(capsys, "import", "tiny.zip", tmp_path / "x.zarr", "--from", shelf_made, "--cells", "B")
    assert "tiny.zip: no cell line 'B'; the catalogue lists A" in line
    assert "may be tiny.zarr, tiny.zip" in refused(capsys, "import", "tiny", tmp_path / "y", "--from", shelf_made)


def test_import_says_what_the_catalogue_states_of_the_store(shelf_made, tmp_path, capsys):
    assert command("import", "tiny.zip", tmp_path / "x.zarr", "--from", shelf_made) == 0
    assert "tiny.zip: licence: CC BY 4.0; contact: ada@x.org (the store does not hold this" in capsys.readouterr().err
    assert command("import", "tiny.zarr", tmp_path / "y.zarr", "--from", shelf_made) == 0
    assert "licence" not in capsys.readouterr().err


def test_store_without_index_is_imported_by_its_catalogue(shelf, settings, tmp_path):
    """Web servers cannot list, and only the catalogue names the cell lines."""
    index = shelf / "tiny.zarr/cells/zarr.json"
    index.unlink()
    with web_server(shelf) as url:
        assert command("import", "tiny.zarr", tmp_path / "x.zarr", "--from", url) == 0
    assert open_store(tmp_path / "x.zarr").cells == ("A",)


@pytest.mark.parametrize("name", ["tiny.zip", "tiny.zarr"])
def test_store_of_other_content_than_listed_is_refused(name, shelf, settings, tmp_path, capsys):
    stores = json.loads((shelf / CATALOGUE).read_text())["stores"]
    for key in ("genome_manifest", "manifest"):
        for store in stores:
            other = {"genome_manifest": "1" * 64} if key == "genome_manifest" else {}
            cells = [{**c, "manifest": "2" * 64} for c in store["cells"]] if key == "manifest" else store["cells"]
            store |= {**other, "cells": cells}
        change_sealed(shelf / CATALOGUE, stores=stores)
        line = refused(capsys, "import", name, tmp_path / "x.zarr", "--from", shelf)
        assert "is not the one in the catalogue (" in line
        assert not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize("fault", ["500", "503", "half", "reset"])
def test_transient_faults_are_survived_and_the_download_resumed(fault, shelf_made, settings, tmp_path, capsys):
    with web_server(shelf_made) as url, serving(Proxy(url)) as proxy:
        proxy.fault = lambda method, path, nth: fault if nth == 1 else None
        assert command("import", "tiny.zip", tmp_path / "x.zarr", "--from", proxy.url) == 0
        assert proxy.seen["GET", "/tiny.zip"] == 2
    assert not verify_store(tmp_path / "x.zarr").findings


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("404", "HTTP 404: no such object; the catalogue lists it"),
        ("403", "HTTP 403: access denied"),
        ("flip", "its SHA-256 is not the one in the catalogue"),
        ("half", r"IncompleteRead"),
    ],
)
def test_lasting_faults_are_one_line_and_nothing_is_published(
    fault, problem, *, shelf_made, settings, tmp_path, capsys
):
    with web_server(shelf_made) as url, serving(Proxy(url)) as proxy:
        proxy.fault = lambda method, path, nth: fault if path == "/tiny.zip" else None
        line = refused(capsys, "import", "tiny.zip", tmp_path / "x.zarr", "--from", proxy.url)
        assert f"{proxy.url}/tiny.zip: " in line
        assert problem in line or fault == "half"
        assert not (tmp_path / "x.zarr").exists()
        proxy.fault = lambda method, path, nth: None
        assert command("import", "tiny.zip", tmp_path / "x.zarr", "--from", proxy.url) == 0
    assert hidden(tmp_path) == []


class Ranges(http.server.BaseHTTPRequestHandler):
    """Server of CONTENT that supports range requests, or lies about them; breaks off after `most` bytes."""

    most, lie, length, seen = 10**9, 0, len(CONTENT), []

    def log_message(self, *arguments) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.seen.append(begin)
        if begin >= self.length:
            self.send_error(416)
            return
        self.send_response_only(206 if begin else 200)
        self.send_header("Content-Range", f"bytes {begin + self.lie}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        self.wfile.write(CONTENT[begin : begin + self.most])


def download(url, path, content=CONTENT, **more):
    server = HttpServer(url, RetryPolicy(tries=4, wait=0.01, timeout=5))
    return download_file(server, "x.zip", path, size=len(content), sha256=sha256_of([content]), **more)


def test_rest_of_a_download_is_requested(settings, tmp_path):
    Ranges.most, Ranges.lie, Ranges.seen = 40_000, 0, []
    sizes: list[int] = []
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert download(url, tmp_path / "x", on_bytes=sizes.append) == 0
        assert (tmp_path / "x").read_bytes() == CONTENT
        assert Ranges.seen[0] == 0
        assert sorted(set(Ranges.seen)) == Ranges.seen
        assert 2 <= len(Ranges.seen) <= 4
        assert sum(sizes) == len(CONTENT)
        Ranges.seen.clear()
        assert download(url, tmp_path / "x") == len(CONTENT)
        assert Ranges.seen == [], "a complete download is not requested again"


def test_server_that_sends_another_range_is_refused(settings, tmp_path):
    Ranges.most, Ranges.lie, Ranges.seen = 10**9, 7, []
    (tmp_path / "x").write_bytes(CONTENT[:1000])
    refusal = pytest.raises(RemoteError, match="sends another range than the one requested, from byte 1000 on")
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)) as server, refusal:
        download(f"http://127.0.0.1:{server.server_address[1]}", tmp_path / "x")


def test_rest_that_is_refused_is_followed_by_a_download_from_the_start(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(Ranges, "length", 1000)
    Ranges.most, Ranges.lie, Ranges.seen = 10**9, 0, []
    (tmp_path / "x").write_bytes(CONTENT[:2000])
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)) as server:
        download(f"http://127.0.0.1:{server.server_address[1]}", tmp_path / "x")
    assert Ranges.seen == [2000, 0]
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_what_is_left_of_replaced_versions_is_removed_and_nothing_else(shelf_made, settings, tmp_path):
    names = (f".x.zarr.{'a' * 16}.zip", f".y.zarr.{'b' * 16}.zip", f".x.zarr.{'c' * 16}.zip")
    older, other, held = (tmp_path / name for name in names)
    users = tmp_path / ".x.zarr.notes.zip"
    for path in (older, other, held, users):
        path.write_bytes(b"x")
    with web_server(shelf_made) as url, output_lock(held):
        assert command("import", "tiny.zip", tmp_path / "x.zarr", "--from", url) == 0
        assert sorted(hidden(tmp_path)) == sorted(p.name for p in (other, held, users, lock_path(held)))


@given(st.lists(st.binary(max_size=5), max_size=8), st.integers(0, 45))
def test_bytes_are_skipped_across_pieces(pieces, n_bytes):
    found = list(skip_bytes(pieces, n_bytes))
    assert b"".join(found) == b"".join(pieces)[n_bytes:]
    assert b"" not in found


@pytest.mark.parametrize("left", [b"", CONTENT[:5000], b"x" * 5000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_what_a_download_left_is_kept_or_replaced(left, settings, tmp_path):
    """By a server without range requests, too."""
    (tmp_path / "x").write_bytes(left)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/x.zip").write_bytes(CONTENT)
    with web_server(tmp_path / "served") as url:
        download(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_file_is_never_read_beyond_its_listed_size(settings, tmp_path):
    endless = drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, wait=0)
    for answer in (once(bytes(200_000)), endless):
        refusal = pytest.raises(StoreError, match="has more than the 102400 bytes listed")
        with hostile_server(answer) as server, refusal:
            download(server.url, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_dripping_server_is_given_up(shelf_made, settings, monkeypatch, tmp_path):
    with hostile_server(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n", b"x")) as server:
        policy = RetryPolicy(tries=1, wait=0.01, timeout=0.3)
        with pytest.raises(RemoteError, match="too slow"):
            download_file(HttpServer(server.url, policy), "x.zip", tmp_path / "x", size=len(CONTENT), sha256="0" * 64)


def test_size_that_no_disk_has_is_refused_before_the_download(shelf, settings, tmp_path, capsys):
    stores = json.loads((shelf / CATALOGUE).read_text())["stores"]
    change_sealed(shelf / CATALOGUE, stores=[stores[0], {**stores[1], "size": 2**50}])
    with web_server(shelf) as url:
        line = refused(capsys, "import", "tiny.zip", tmp_path / "x.zarr", "--from", url)
    assert "takes 1125899.91 GB" in line
    assert hidden(tmp_path) == []


def test_imports_of_one_store_at_once_wait_or_are_named(shelf_made, settings, tmp_path, capsys):
    with web_server(shelf_made) as url, serving(Proxy(url)) as proxy:
        begun = threading.Event()

        def hold(method, path, nth):
            if path == "/tiny.zip":
                begun.set()
                return "silent"
            return None

        proxy.fault = hold
        first = threading.Thread(target=command, args=("import", "tiny.zip", tmp_path / "x.zarr", "--from", proxy.url))
        first.start()
        assert begun.wait(30)
        line = refused(capsys, "import", "tiny.zip", tmp_path / "x.zarr", "--from", proxy.url)
        assert "is being written by process" in line
        proxy.fault = lambda method, path, nth: None
        proxy.release.set()
        first.join(60)
    assert not verify_store(tmp_path / "x.zarr").findings


@pytest.mark.slow
def test_bucket_has_a_catalogue_too(shelf_made, tiny_store, s3, tmp_path, capsys):
    folder = s3.url.rpartition("/")[0]
    found = report(capsys, "export", tiny_store, s3.url, "--licence", "CC0")
    assert (found["catalogue"], found["card"]) == (f"{folder}/{CATALOGUE}", "demo.zarr.md")
    assert command("export", tiny_store, f"{folder}/more.zarr") == 0
    catalogue = read_catalogue(folder)
    assert [e.name for e in catalogue.entries] == ["demo.zarr", "more.zarr"]
    assert catalogue.find("demo").statements.licence == "CC0"
    assert command("import", "demo", tmp_path / "x.zarr", "--from", folder) == 0
    assert digests(tmp_path / "x.zarr") == digests(tiny_store)
    root = f"s3://{s3.bucket}"
    for name in (CATALOGUE, "tiny.zip"):
        s3.client.put_object(Bucket=s3.bucket, Key=name, Body=(shelf_made / name).read_bytes())
    assert [s["name"] for s in report(capsys, "list", root)["stores"]] == ["tiny.zarr", "tiny.zip"]
    assert command("import", "tiny.zip", tmp_path / "y.zarr", "--from", root) == 0
    assert digests(tmp_path / "y.zarr") == digests(tiny_store)
    capsys.readouterr()
    assert command("export", tiny_store, f"{root}/new.zarr") == 0
    assert "tiny.zarr is no longer there, and no longer listed" in capsys.readouterr().err
    s3.client.put_object(Bucket=s3.bucket, Key=f"some/{CATALOGUE}", Body=b"{}")
    assert "not a factornet-catalogue file" in refused(capsys, "export", tiny_store, f"{folder}/third.zarr")
    listed = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix="some/third.zarr/")
    assert listed["KeyCount"] == 0, "nothing is copied before"


def test_object_is_replaced_only_in_the_version_that_was_read(s3):
    bucket = S3Bucket(s3.url, RetryPolicy(tries=1))
    assert bucket.version("x") is None
    bucket.put("x", b"1", replaces="")
    first = bucket.version("x")
    with pytest.raises(ReplacedError):
        bucket.put("x", b"2", replaces="")
    bucket.put("x", b"3", replaces=first)
    with pytest.raises(ReplacedError):
        bucket.put("x", b"4", replaces=first)
    with bucket.get("x", max_size=10) as pieces:
        assert b"".join(pieces) == b"3"


def test_rest_of_an_object_in_a_bucket_is_requested(s3):
    bucket = S3Bucket(s3.url, RetryPolicy(tries=1))
    bucket.put("x", CONTENT)
    for begin in (0, 1, 100_000):
        with bucket.get("x", max_size=len(CONTENT), begin=begin) as pieces:
            assert b"".join(pieces) == CONTENT[begin:]
