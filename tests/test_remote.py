"""Stores on servers: read, trained from and built to, through faults that pass and faults that do not."""

import json
import multiprocessing
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from servers import Proxy, serving, web_server

from factornet.cli import etl, predict, train
from factornet.etl import CellOptions, Resources, build_cell
from factornet.etl.verify import verify_store
from factornet.store import Store, StoreError, UsageError, open_store, read_span
from factornet.store.cache import Cache
from factornet.store.manifest import sealed

NETWORK = "-L 200 -k 8 -w 13 -r 4 -d 8 -e 1 -b 50 --device cpu --resident no".split()


@pytest.fixture(scope="session")
def exported(demo_store, tmp_path_factory) -> Path:
    """What export makes, to be put on a web server."""
    folder = tmp_path_factory.mktemp("exported") / "demo.zarr"
    assert etl.main(["export", str(demo_store), str(folder)]) == 0
    return folder


@pytest.fixture
def website(exported, settings):
    """URL of the demo store on a plain web server."""
    with web_server(exported.parent) as url:
        yield f"{url}/demo.zarr"


@pytest.fixture
def away(demo_store, s3):
    """The demo store (one cell line) in object storage."""
    assert etl.main(["export", str(demo_store), s3.url, "--cells", "K562"]) == 0
    s3.proxy.seen.clear()
    return s3


def failing(proxy, *faults, part="/sequence/", method="GET"):
    """Let requests for some objects fail with one fault after the other, and then succeed."""
    proxy.fault = lambda m, path, nth: faults[nth - 1] if m == method and part in path and nth <= len(faults) else None


def always(proxy, fault, part="/sequence/"):
    proxy.fault = lambda m, path, nth: fault if part in path else None


def sequence(place, chrom="chr21", **more) -> np.ndarray:
    return read_span(open_store(place, **more).sequence(chrom), 0, 5000)


# --- use


def test_train_and_predict_from_object_storage(away, demo_store, tmp_path, capsys):
    models = [tmp_path / "local", tmp_path / "remote"]
    for store, model in zip((str(demo_store), away.url), models, strict=True):
        assert train.main(["--store", store, "-i", "K562", "-f", "CTCF", "-o", str(model), *NETWORK]) == 0
    assert (models[0] / "best.safetensors").read_bytes() == (models[1] / "best.safetensors").read_bytes()
    arguments = ["-i", "K562", "-f", "CTCF", "-m", str(models[1]), "--regions", "chr21:0-20000", "--device", "cpu"]
    for store, name in ((str(demo_store), "a.gz"), (away.url, "b.gz")):
        assert predict.main(["--store", store, *arguments, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    gets = {path: n for (method, path), n in away.proxy.seen.items() if method == "GET" and "/c/" in path}
    assert set(gets.values()) == {1}, "each object is fetched once, for the training and the prediction together"


def test_build_to_object_storage(demo_files, demo_store, s3, tmp_path, capsys):
    genome = ["--fasta", demo_files / "genome.fa", "--gtf", demo_files / "annotation/genes.gtf.gz"]
    genome += ["--cpg", demo_files / "annotation/cpgIslandExt.txt.gz", "--assembly", "demo", "-p", 1]
    genome += ["--blacklist", demo_files / "annotation/blacklist.bed.gz"]
    genome += ["--track", f"Unique35={demo_files / 'tracks/Unique35.bw'}"]
    build = ["build", s3.url, demo_files / "cells/K562", "-p", 1]
    for arguments in (["genome", s3.url, *genome], build):
        assert etl.main([str(a) for a in arguments]) == 0
    store, local = open_store(s3.url), open_store(demo_store)
    assert store.cells == ("K562",)
    assert store.info.genome_manifest == local.info.genome_manifest
    assert store.cell("K562").manifest == local.cell("K562").manifest
    assert not verify_store(s3.url).findings
    assert not (tmp_path / "cache/work").exists() or not [*(tmp_path / "cache/work").iterdir()]
    other = [*build, "--allow-missing-chroms"]
    for arguments, message in ((["genome", s3.url, *genome], "is there already"), (other, "K562 is there already")):
        assert etl.main([str(a) for a in arguments]) == 2
        assert message in capsys.readouterr().err
    assert etl.main([str(a) for a in build]) == 0
    assert "is there already, from the same inputs and options" in capsys.readouterr().out
    assert etl.main([str(a) for a in [*build, "--force", "--work", tmp_path / "work"]]) == 0
    assert open_store(s3.url).cell("K562").manifest == local.cell("K562").manifest


def test_from_a_plain_web_server(website, demo_store, tmp_path, capsys):
    assert np.array_equal(sequence(website), sequence(demo_store))
    assert open_store(website).cells == ("GM12878", "HepG2", "K562")
    assert not verify_store(website, cache=Cache(tmp_path / "other", 0)).findings
    assert etl.main(["info", website]) == 0
    assert etl.main(["import", website, str(tmp_path / "back.zarr"), "--cells", "HepG2"]) == 0
    assert open_store(tmp_path / "back.zarr").cell("HepG2") == open_store(demo_store).cell("HepG2")
    with pytest.raises(UsageError, match=r"no cell line 'NONE' in the store; it has GM12878, HepG2, K562"):
        open_store(website).cell("NONE")


def test_from_a_server_that_knows_ranges(away, moto, demo_store):
    """Moto's objects, by http: it knows ranges, and nothing asks it for one."""
    anyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{away.bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    away.client.put_bucket_policy(Bucket=away.bucket, Policy=policy)
    url = f"{moto}/{away.bucket}/some/demo.zarr"
    assert np.array_equal(sequence(url), sequence(demo_store))


def test_without_a_list_cell_lines_can_be_named(demo_store, settings, tmp_path):
    with web_server(demo_store.parent) as url:
        store = open_store(f"{url}/demo.zarr")
        assert store.cell("K562") == open_store(demo_store).cell("K562")
        with pytest.raises(StoreError, match=r"has no list of cell lines .*factornet-etl export"):
            _ = store.cells


def test_object_storage_lists_what_has_no_list(away):
    away.client.delete_object(**away.key("cells/zarr.json"))
    assert open_store(away.url).cells == ("K562",)


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    signed = builder.add_extension(names, False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(secret + signed.public_bytes(pem))
    return path


def test_https(exported, settings, certificate, demo_store, monkeypatch):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(exported.parent)))
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        url = f"https://127.0.0.1:{server.server_address[1]}/demo.zarr"
        with pytest.raises(StoreError, match=r"no secure connection.*look at the server's certificate") as caught:
            open_store(url)
        assert url in str(caught.value)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert np.array_equal(sequence(url), sequence(demo_store))


def redirecting(to: str) -> HTTPServer:
    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", to + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Redirect)


def test_redirects(website, demo_store):
    with serving(redirecting(website.removesuffix("/demo.zarr"))) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/demo.zarr"
        assert np.array_equal(sequence(url), sequence(demo_store))
    for to in (f"file://{demo_store.parent}", "ftp://127.0.0.1"):
        with serving(redirecting(to)) as server:
            url = f"http://127.0.0.1:{server.server_address[1]}/demo.zarr"
            with pytest.raises(StoreError, match=r"redirects to .*, which is refused"):
                open_store(url)
    with serving(redirecting("")) as server, pytest.raises(StoreError, match="more than 5 redirects"):
        open_store(f"http://127.0.0.1:{server.server_address[1]}/demo.zarr")


def test_secrets_in_a_url_are_used_and_not_shown(exported, settings):
    seen = []

    class Secret(SimpleHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path.partition("?")[2], self.headers.get("Authorization")))
            super().do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Secret, directory=str(exported.parent)))
    with serving(server):
        url = f"http://me:secret@127.0.0.1:{server.server_address[1]}/demo.zarr?sig=secret"
        store = open_store(url)
        assert read_span(store.sequence("chr21"), 0, 10).size == 10
        assert len(seen) > 3
        assert set(seen) == {("sig=secret", "Basic bWU6c2VjcmV0")}
        with pytest.raises(UsageError, match="no cell line") as caught:
            store.cell("NONE")
        assert "secret" not in str(caught.value)


# --- faults


@pytest.mark.parametrize("fault", ["500", "503", "half", "reset", "flip", "silent"])
def test_faults_that_pass(away, demo_store, fault, monkeypatch):
    monkeypatch.setenv("FACTORNET_TIMEOUT", "0.5")
    failing(away.proxy, fault)
    assert np.array_equal(sequence(away.url), sequence(demo_store))


@pytest.mark.parametrize("fault", ["500", "503", "half", "reset", "flip"])
def test_faults_of_web_servers_that_pass(website, demo_store, fault):
    with serving(Proxy(website)) as proxy:
        failing(proxy, fault, part="/genome/")
        assert np.array_equal(sequence(f"{proxy.url}/demo.zarr"), sequence(demo_store))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("FACTORNET_TIMEOUT", "0.5")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["500", *(pytest.param(f, marks=pytest.mark.slow) for f in ("silent", "half"))])
def test_all_of_it_from_a_server_that_fails_now_and_then(demo_files, demo_store, s3, tmp_path, fault):
    """Build, train, export and import: the same digests and the same weights as on a disk."""
    failed = []

    def now_and_then(method, path, nth):
        hit = nth == 1 and crc32(f"{method} {path}".encode()) % 9 == 0
        failed.extend([method] * hit)
        return fault if hit else None

    s3.proxy.fault = now_and_then
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
    for place in (s3.url, f"{s3.url}.export", back):
        store = open_store(place)
        assert store.info.genome_manifest == local.info.genome_manifest
        assert {c: store.cell(c).manifest for c in store.cells} == {c: local.cell(c).manifest for c in store.cells}
        assert not verify_store(place).findings
    models = [tmp_path / "local", tmp_path / "remote"]
    for place, model in zip((str(demo_store), s3.url), models, strict=True):
        assert train.main(["--store", place, "-i", "K562", "-f", "CTCF", "-o", str(model), *NETWORK]) == 0
    assert (models[0] / "best.safetensors").read_bytes() == (models[1] / "best.safetensors").read_bytes()
    assert {"GET", "PUT"} <= set(failed)
    assert len(failed) > 20


FOREVER = {
    "500": "HTTP 500.*3 tries",
    "503": "HTTP 503.*3 tries",
    "404": "HTTP 404.*the manifest lists it",
    "403": "HTTP 403.*access is refused",
    "half": "3 tries",
    "reset": "3 tries",
    "silent": "3 tries",
    "flip": "its digest is not the one in the manifest.*2 tries",
}


@pytest.mark.parametrize("fault", FOREVER)
@pytest.mark.parametrize("kind", ["s3", "http"])
def test_faults_that_stay(away, website, monkeypatch, kind, fault):
    monkeypatch.setenv("FACTORNET_TIMEOUT", "0.5")
    with serving(Proxy(website)) as proxy:
        url, faulty = (away.url, away.proxy) if kind == "s3" else (f"{proxy.url}/demo.zarr", proxy)
        always(faulty, fault, "/sequence/chr21/c/0")
        with pytest.raises(StoreError, match=FOREVER[fault]) as caught:
            sequence(url)
        assert f"{url}/genome/sequence/chr21/c/0" in str(caught.value)
        tries = faulty.seen["GET", next(p for m, p in faulty.seen if p.endswith("/sequence/chr21/c/0"))]
        assert tries == (1 if fault in ("403", "404") else 2 if fault == "flip" else 3)
        assert sequence(url, "chr1").size == 5000, "the rest can be read"


def test_commands_end_with_one_line(away, capsys, monkeypatch):
    always(away.proxy, "403", "")
    for arguments in (["info", away.url], ["verify", away.url], ["import", away.url, "x.zarr"]):
        assert etl.main(arguments) == 2
        shown = capsys.readouterr().err.strip()
        assert len(shown.splitlines()) == 1
        assert away.url in shown
        assert "HTTP 403" in shown
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert etl.main(["info", away.url]) == 2
    assert "EndpointConnectionError" in capsys.readouterr().err
    away.proxy.fault = lambda *_: None
    monkeypatch.setenv("AWS_ENDPOINT_URL", away.proxy.url)
    assert etl.main(["info", "s3://no-such-bucket-here/x.zarr"]) == 2
    assert "no such bucket" in capsys.readouterr().err
    assert etl.main(["info", f"s3://{away.bucket}/other.zarr"]) == 2
    assert "not a FactorNet store" in capsys.readouterr().err


def test_verify_names_what_is_wrong_in_object_storage(away, demo_store, capsys):
    def damage(name, content):
        away.client.put_object(**away.key(name), Body=content)

    track = "cells/K562/tracks/DGF/chr21"
    size = (demo_store / f"{track}/c/0").stat().st_size
    damage("cells/K562/more", b"x")
    damage("stray", b"x")
    damage(f"{track}/c/0", bytes(size))
    away.client.delete_object(**away.key("genome/sequence/chr21/c/0"))
    found = {(f.kind, f.path) for f in verify_store(away.url).findings}
    assert found == {
        ("added", "cells/K562/more"),
        ("added", "stray"),
        ("damaged", f"{track}/c/0"),
        ("missing", "genome/sequence/chr21/c/0"),
    }


def test_a_cell_line_replaced_on_the_server_is_never_mixed(away, demo_files, demo_store, tmp_path):
    before = open_store(away.url)
    before.cell("K562")
    sent = Store(before.path, before.info, dict(before.pins), before.cache)  # as a spawned process gets it
    changed = Path(shutil.copytree(demo_store, tmp_path / "changed.zarr"))
    shutil.copytree(demo_files / "tracks", tmp_path / "tracks")
    cell = Path(shutil.copytree(demo_files / "cells/K562", tmp_path / "cells/K562"))
    shutil.copy(demo_files / "cells/HepG2/meta.txt", cell / "meta.txt")
    build_cell(changed, cell, CellOptions(), Resources(1), force=True)
    assert etl.main(["export", str(changed), away.url, "--cells", "K562", "--force"]) == 0
    with pytest.raises(StoreError, match="replaced while it was in use"):
        before.meta("K562")
    with pytest.raises(StoreError, match="was replaced while it was in use"):
        sent.cell("K562")
    assert np.array_equal(open_store(away.url).meta("K562"), open_store(changed).meta("K562"))


@pytest.mark.parametrize("kind", ["zip", "s3", "http"])
def test_a_newer_schema_is_refused(exported, s3, tmp_path, kind):
    text = (exported / "zarr.json").read_text()
    node = json.loads(text)
    node["attributes"]["schema_version"] = 2
    (tmp_path / "web").mkdir()
    store = Path(shutil.copytree(exported, tmp_path / "web/new.zarr"))
    (store / "zarr.json").write_bytes(sealed(node))
    place = tmp_path / "new.zip"
    if kind == "zip":
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import zipfile, pathlib; z = zipfile.ZipFile({str(place)!r}, 'w')\n"
                f"for p in pathlib.Path({str(store)!r}).rglob('*'): p.is_file() and z.write(p, p.relative_to({str(store)!r}))\n"
                "z.close()",
            ],
            check=True,
        )
    elif kind == "s3":
        s3.client.put_object(**s3.key("zarr.json"), Body=sealed(node))
        place = s3.url
    with (
        web_server(tmp_path / "web") as url,
        pytest.raises(StoreError, match="schema version 2, this factornet reads version 1"),
    ):
        open_store(f"{url}/new.zarr" if kind == "http" else place)


def test_without_the_libraries_it_says_what_to_install(monkeypatch):
    for module, url in (("boto3", "s3://bucket/x.zarr"), ("urllib3", "https://127.0.0.1/x.zarr")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            for mine in ("factornet.store.bucket", "factornet.store.web"):
                patch.delitem(sys.modules, mine, raising=False)
            with pytest.raises(UsageError, match=rf"need {module}; install it with: pip install 'factornet\[remote\]'"):
                open_store(url)


def test_the_libraries_are_loaded_when_they_are_needed(demo_store):
    program = (
        "import sys; from factornet.store import open_store; open_store(sys.argv[1]).meta('K562')\n"
        "assert not {'torch', 'boto3', 'botocore', 'urllib3', 'zipfile.x'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(demo_store)], check=True)


def test_settings_that_are_no_numbers(monkeypatch):
    monkeypatch.setenv("FACTORNET_TRIES", "many")
    with pytest.raises(UsageError, match="FACTORNET_TRIES"):
        open_store("http://127.0.0.1/x.zarr")


# --- processes, and the cache


def read_all(store: Store, results) -> None:
    results.put({c: int(read_span(store.sequence(c), 0, 4000).sum()) for c in store.axis.names})


@pytest.fixture
def places(away, website, demo_store, tmp_path) -> dict[str, str]:
    assert etl.main(["export", str(demo_store), str(tmp_path / "demo.zip")]) == 0
    return {"s3": away.url, "http": website, "zip": str(tmp_path / "demo.zip")}


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["s3", "http", "zip"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_processes_read_on(places, demo_store, method, kind):
    """The parent has read already; a child that hangs is killed, and fails the test."""
    store = open_store(places[kind])
    assert read_span(store.sequence("chr21"), 0, 4000).size == 4000
    context = multiprocessing.get_context(method)
    results = context.Queue()
    children = [context.Process(target=read_all, args=(store, results)) for _ in range(2)]
    watchdog = threading.Timer(60, lambda: [os.kill(c.pid, signal.SIGKILL) for c in children if c.is_alive()])
    for child in children:
        child.start()
    watchdog.start()
    try:
        found = [results.get(timeout=70) for _ in children]
    finally:
        watchdog.cancel()
        for child in children:
            child.join(10)
    local = open_store(demo_store)
    expected = {c: int(read_span(local.sequence(c), 0, 4000).sum()) for c in local.axis.names}
    assert found == [expected, expected]
    assert [c.exitcode for c in children] == [0, 0]


def test_two_processes_share_a_cache(away, tmp_path):
    sequence(away.url)
    program = (
        "import sys; from factornet.store import open_store, read_span\n"
        "assert read_span(open_store(sys.argv[1]).sequence('chr21'), 0, 5000).size"
    )
    subprocess.run([sys.executable, "-c", program, away.url], check=True)
    fetched = {p: n for (m, p), n in away.proxy.seen.items() if m == "GET" and "/sequence/" in p}
    assert len(fetched) == 2
    assert set(fetched.values()) == {1}


def test_who_comes_while_another_fetches_waits(tmp_path):
    cache, count = Cache(tmp_path), []

    def fetch(file):
        count.append(1)
        time.sleep(0.3)
        file.write(b"content")

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: cache.add("ab" * 32, fetch), range(4))]
    assert (len(count), [o is None for o in found].count(True)) == (1, 3)
    for opened in filter(None, found):
        opened.close()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["ab" * 32]
    (tmp_path / "new" / ("cd" * 32)).touch()
    os.utime(tmp_path / "new" / ("cd" * 32), (0, 0))
    cache.add("cd" * 32, fetch).close()
    assert len(count) == 2, "one that died is not waited for"


def test_a_damaged_cache_entry_is_fetched_again(away, demo_store, tmp_path):
    sequence(away.url)
    entries = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert len(entries) >= 4
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-1] + b"?" if entry.stat().st_size % 2 else b"")
    store = open_store(away.url)
    assert np.array_equal(read_span(store.sequence("chr21"), 0, 5000), sequence(demo_store))
    shutil.rmtree(tmp_path / "cache")
    assert np.array_equal(read_span(store.sequence("chr21"), 0, 5000), sequence(demo_store)), "and one that is gone"


def test_the_cache_is_bounded(away, demo_store, tmp_path):
    cache = Cache(tmp_path / "small", 300_000)
    store, local = open_store(away.url, cache=cache), open_store(demo_store)
    for chrom in local.axis.names * 2:
        assert np.array_equal(read_span(store.sequence(chrom), 0, 5000), read_span(local.sequence(chrom), 0, 5000))
    sizes = [p.stat().st_size for p in cache.folder.rglob("*") if p.is_file()]
    assert sum(sizes) <= 315_000 + max(sizes)
    opened = cache.add("ab" * 32, lambda file: file.write(b"held") and None)
    cache.add("cd" * 32, lambda file: file.write(bytes(400_000)) and None).close()
    assert cache.open("ab" * 32) is None
    assert opened.read(0, 10) == b"held", "who has one open reads on"
    opened.close()


def test_the_least_recently_used_goes_first(tmp_path):
    cache = Cache(tmp_path, 10)
    for i, sha in enumerate(("aa" * 32, "bb" * 32)):
        cache.add(sha, lambda file: file.write(bytes(4)) and None).close()
        os.utime(tmp_path / sha[:2] / sha, (1000 + i, 1000))
    cache.open("aa" * 32).close()
    cache.add("cc" * 32, lambda file: file.write(bytes(4)) and None).close()
    there = [cache.open(s * 32) for s in ("aa", "bb", "cc")]
    assert [o is not None for o in there] == [True, False, True]
    for opened in there:
        if opened:
            opened.close()


def test_a_cache_that_cannot_be_written(away, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cache of remote stores cannot be written .*FACTORNET_CACHE"):
        sequence(away.url, cache=Cache(tmp_path / "file"))


def test_what_an_earlier_upload_left_is_removed(away, demo_store):
    away.client.put_object(**away.key("cells/K562/old/c/0"), Body=b"x")
    away.client.delete_object(**away.key("cells/K562/zarr.json"))
    away.client.delete_object(**away.key("cells/zarr.json"))
    assert open_store(away.url).cells == ()
    assert etl.main(["export", str(demo_store), away.url, "--cells", "K562"]) == 0
    assert "cells/K562/old/c/0" not in away.names()
    assert not verify_store(away.url).findings
