"""Stores on servers: read, trained from and built to."""

import json
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
    for arguments, what in ((["genome", s3.url, *genome], "genome demo"), (build, "cell line K562")):
        assert etl.main([str(a) for a in arguments]) == 0
        out = capsys.readouterr().out
        assert f"{what} for {s3.url}: " in out
        assert str(tmp_path) not in out, "where it was built is no place to look for it"
    store, local = open_store(s3.url), open_store(demo_store)
    assert store.cells == ("K562",)
    assert store.info.genome_manifest == local.info.genome_manifest
    assert store.cell("K562").manifest == local.cell("K562").manifest
    assert not verify_store(s3.url).findings
    assert not (tmp_path / "cache/work").exists() or not [*(tmp_path / "cache/work").iterdir()]
    other = [*build, "--allow-missing-chroms"]
    for arguments, message in ((["genome", s3.url, *genome], "is there already"), (other, "K562 already exists")):
        assert etl.main([str(a) for a in arguments]) == 2
        assert message in capsys.readouterr().err
    assert etl.main([str(a) for a in build]) == 0
    assert "already exists, built from the same inputs and options" in capsys.readouterr().out
    assert etl.main([str(a) for a in [*build, "--force", "--work", tmp_path / "work"]]) == 0
    assert open_store(s3.url).cell("K562").manifest == local.cell("K562").manifest
    assert not [*(tmp_path / "work").iterdir()]


@pytest.mark.parametrize("command", ["genome", "build"])
def test_a_store_of_the_same_name_in_the_work_folder_is_left_alone(files, s3, command, capsys, monkeypatch):
    """Also where the build is cut short; the same command goes on from what it had finished."""
    mine = files / Path(s3.url).name
    shutil.copytree(files / "s.zarr", mine)
    (files / f"{mine.name}.building").mkdir()
    there = sorted(files.rglob("*"))
    if command == "build":
        assert etl.main(["export", str(files / "s.zarr"), s3.url]) == 0
    what = [files / "A"] if command == "build" else ["--fasta", files / "g.fa"]
    arguments = [str(a) for a in (command, s3.url, *what, "--work", files, "-p", 1)]

    def cut_short(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("factornet.cli.common.progress.Throughput.add", cut_short)
        assert etl.main(arguments) == 130
    assert {*there} < {*files.rglob("*")}, "what was built is kept"
    assert etl.main(arguments) == 0
    assert "tasks were already done" in capsys.readouterr().out
    assert sorted(files.rglob("*")) == there
    assert not verify_store(mine).findings
    assert not verify_store(s3.url).findings


def test_two_builds_for_one_store_do_not_share_a_work_folder(files, s3, capsys, monkeypatch):
    assert etl.main(["export", str(files / "s.zarr"), s3.url]) == 0
    said, build = [], ["build", s3.url, str(files / "A"), "-p", "1", "--json"]

    def second(*arguments):
        if not said:
            said.append("")
            assert etl.main(build) == 2
            assert "another process builds for s3://" in (err := capsys.readouterr().err)
            assert "--work DIR" in err

    monkeypatch.setattr("factornet.cli.common.progress.Throughput.add", second)
    assert etl.main(build) == 0
    assert said
    assert json.loads(capsys.readouterr().out)["findings_left"] == [], "the genome that is worked with has no values"
    assert open_store(s3.url).cells == ("A",)


def test_from_a_plain_web_server(website, demo_store, tmp_path, capsys):
    assert np.array_equal(sequence(website), sequence(demo_store))
    assert open_store(website).cells == ("GM12878", "HepG2", "K562")
    assert not verify_store(website, cache=ObjectCache(tmp_path / "other", 0)).findings
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
    away.client.put_bucket_policy(S3Bucket=away.bucket, Policy=policy)
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


def test_without_the_libraries_it_says_what_to_install(monkeypatch):
    for module, url in (("boto3", "s3://bucket/x.zarr"), ("urllib3", "https://127.0.0.1/x.zarr")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            for mine in ("factornet.store.storage.s3_bucket", "factornet.store.storage.http_server"):
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
