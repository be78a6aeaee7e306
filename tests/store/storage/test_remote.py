"""Stores on servers: read, train from and build to them."""

import json
import re
import shutil
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest
from support.remote_reading import NETWORK, sequence
from support.servers import serving, web_server

from factornet.cli import etl, predict, train
from factornet.etl.verify.objects import verify_store
from factornet.store import StoreError, UsageError, open_store, read_span
from factornet.store.storage.cache import ObjectCache


def test_training_and_prediction_from_object_storage_equal_local_ones(s3_demo_store, demo_store, tmp_path, capsys):
    models = [tmp_path / "local", tmp_path / "remote"]
    for store, model in zip((str(demo_store), s3_demo_store.url), models, strict=True):
        assert train.main(["--store", store, "-i", "K562", "-f", "CTCF", "-o", str(model), *NETWORK]) == 0
    assert (models[0] / "best.safetensors").read_bytes() == (models[1] / "best.safetensors").read_bytes()
    arguments = ["-i", "K562", "-f", "CTCF", "-m", str(models[1]), "--regions", "chr21:0-20000", "--device", "cpu"]
    for store, name in ((str(demo_store), "a.bed.gz"), (s3_demo_store.url, "b.bed.gz")):
        assert predict.main(["--store", store, *arguments, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.bed.gz").read_bytes() == (tmp_path / "b.bed.gz").read_bytes()
    gets = {path: n for (method, path), n in s3_demo_store.proxy.seen.items() if method == "GET" and "/c/" in path}
    assert set(gets.values()) == {1}, "training and prediction together download each object once"


def test_build_into_object_storage_equals_local_build(demo_files, demo_store, s3, tmp_path, capsys):
    genome = ["--fasta", demo_files / "genome.fa", "--gtf", demo_files / "annotation/genes.gtf.gz"]
    genome += ["--cpg", demo_files / "annotation/cpgIslandExt.txt.gz", "--assembly", "demo", "-p", 1]
    genome += ["--blacklist", demo_files / "annotation/blacklist.bed.gz"]
    genome += ["--track", f"Unique35={demo_files / 'tracks/Unique35.bw'}"]
    build = ["build", s3.url, demo_files / "cells/K562", "-p", 1]
    for arguments, what in ((["genome", s3.url, *genome], "genome demo"), (build, "cell line K562")):
        assert etl.main([str(a) for a in arguments]) == 0
        out = capsys.readouterr().out
        assert f"{what} for {s3.url}: " in out
        assert str(tmp_path) not in out, "the working folder is not shown"
    store, local = open_store(s3.url), open_store(demo_store)
    assert store.cells == ("K562",)
    assert store.info.genome_manifest == local.info.genome_manifest
    assert store.cell("K562").manifest == local.cell("K562").manifest
    assert not verify_store(s3.url).findings
    assert not (tmp_path / "cache/work").exists() or not [*(tmp_path / "cache/work").iterdir()]
    other = [*build, "--allow-missing-chroms"]
    for arguments, message in ((["genome", s3.url, *genome], "already exists"), (other, "K562 already exists")):
        assert etl.main([str(a) for a in arguments]) == 2
        assert message in capsys.readouterr().err
    assert etl.main([str(a) for a in build]) == 0
    assert "already exists, built from the same inputs and options" in capsys.readouterr().out
    assert etl.main([str(a) for a in [*build, "--force", "--work", tmp_path / "work"]]) == 0
    assert open_store(s3.url).cell("K562").manifest == local.cell("K562").manifest
    assert not [*(tmp_path / "work").iterdir()]


@pytest.mark.parametrize("command", ["genome", pytest.param("build", marks=pytest.mark.slow)])
def test_store_of_the_same_name_in_the_work_folder_is_left_alone(files, s3, command, capsys, monkeypatch):
    """Also when the build is interrupted; the same command resumes it."""
    local = files / Path(s3.url).name
    shutil.copytree(files / "s.zarr", local)
    (files / f"{local.name}.building").mkdir()
    before = sorted(files.rglob("*"))
    if command == "build":
        assert etl.main(["export", str(files / "s.zarr"), s3.url]) == 0
    what = [files / "A"] if command == "build" else ["--fasta", files / "g.fa"]
    arguments = [str(a) for a in (command, s3.url, *what, "--work", files, "-p", 1)]

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("factornet.cli.common.progress.Throughput.add", interrupt)
        assert etl.main(arguments) == 130
    assert {*before} < {*files.rglob("*")}, "finished shards are kept"
    assert etl.main(arguments) == 0
    assert "tasks were already done" in capsys.readouterr().out
    assert sorted(files.rglob("*")) == before
    assert not verify_store(local).findings
    assert not verify_store(s3.url).findings


@pytest.mark.slow
def test_two_builds_for_one_store_do_not_share_a_work_folder(files, s3, capsys, monkeypatch):
    assert etl.main(["export", str(files / "s.zarr"), s3.url]) == 0
    called, build = [], ["build", s3.url, str(files / "A"), "-p", "1", "--json"]

    def second(*arguments):
        if not called:
            called.append(True)
            assert etl.main(build) == 2
            err = capsys.readouterr().err
            assert re.search(r"is in use by process \d+ on .* since 20.* UTC, which builds s3://", err)
            assert "name another working folder" in err

    monkeypatch.setattr("factornet.cli.common.progress.Throughput.add", second)
    assert etl.main(build) == 0
    assert called
    assert json.loads(capsys.readouterr().out)["findings_left"] == [], "the working copy of the genome has no values"
    assert open_store(s3.url).cells == ("A",)


def test_web_server_is_read_verified_and_imported_from(website, demo_store, tmp_path, capsys):
    assert np.array_equal(sequence(website), sequence(demo_store))
    assert open_store(website).cells == ("GM12878", "HepG2", "K562")
    assert not verify_store(website, cache=ObjectCache(tmp_path / "other", 0)).findings
    assert etl.main(["info", website]) == 0
    assert etl.main(["import", website, str(tmp_path / "back.zarr"), "--cells", "HepG2"]) == 0
    assert open_store(tmp_path / "back.zarr").cell("HepG2") == open_store(demo_store).cell("HepG2")
    with pytest.raises(UsageError, match=r"no cell line 'NONE' in the store; it has GM12878, HepG2, K562"):
        open_store(website).cell("NONE")


def test_server_with_range_requests_is_read(s3_demo_store, moto, demo_store):
    """Moto's objects by http: it supports range requests, which are never sent."""
    anyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{s3_demo_store.bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    s3_demo_store.client.put_bucket_policy(Bucket=s3_demo_store.bucket, Policy=policy)
    url = f"{moto}/{s3_demo_store.bucket}/some/demo.zarr"
    assert np.array_equal(sequence(url), sequence(demo_store))


def test_web_server_without_cell_index_opens_cell_lines_by_name(demo_store, settings, tmp_path):
    with web_server(demo_store.parent) as url:
        store = open_store(f"{url}/demo.zarr")
        assert store.cell("K562") == open_store(demo_store).cell("K562")
        with pytest.raises(StoreError, match=r"has no list of cell lines .*factornet-etl export"):
            _ = store.cells


def test_object_storage_without_cell_index_lists_cell_lines(s3_demo_store):
    s3_demo_store.client.delete_object(**s3_demo_store.key("cells/zarr.json"))
    assert open_store(s3_demo_store.url).cells == ("K562",)


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
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


def test_https_needs_a_trusted_certificate(exported, settings, certificate, demo_store, monkeypatch):
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
        with pytest.raises(StoreError, match=r"no secure connection.*check the server's certificate") as caught:
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


def test_redirects_to_http_are_followed_and_others_refused(website, demo_store):
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


def test_secrets_in_a_url_are_sent_and_not_shown(exported, settings):
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


def test_missing_libraries_are_named_with_the_install_command(monkeypatch):
    for module, url in (("boto3", "s3://bucket/x.zarr"), ("urllib3", "https://127.0.0.1/x.zarr")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            for name in ("factornet.store.storage.s3_bucket", "factornet.store.storage.http_server"):
                patch.delitem(sys.modules, name, raising=False)
            with pytest.raises(UsageError, match=rf"need {module}; install it with: pip install 'factornet\[remote\]'"):
                open_store(url)


def test_local_stores_load_no_library_for_servers(demo_store):
    program = (
        "import sys; from factornet.store import open_store; open_store(sys.argv[1]).meta('K562')\n"
        "assert not {'torch', 'boto3', 'botocore', 'urllib3', 'zipfile.x'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(demo_store)], check=True)


def test_retry_settings_that_are_not_numbers_are_refused(monkeypatch):
    monkeypatch.setenv("FACTORNET_TRIES", "many")
    with pytest.raises(UsageError, match="FACTORNET_TRIES"):
        open_store("http://127.0.0.1/x.zarr")
