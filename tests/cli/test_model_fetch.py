"""Published models by name: listed, fetched from a mirror on loopback, resumed, verified, and taken by -m."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from support.keras_folder import GEPC, Spec, predict, windows, write_folder
from support.servers import serving

from factornet.cli.common.model_options import resolve_models
from factornet.cli.model import main
from factornet.etl.download.digests import GIT_BLOB
from factornet.etl.download.models import (
    PublishedModel,
    find_models,
    published_models,
    select_models,
)
from factornet.etl.download.registry import default_registry, read_registry
from factornet.model import import_keras, load_network, read_card
from factornet.model.keras.import_model import write_imported
from factornet.store import UsageError

MODELS = {
    "CTCF/onePeak_DGF": Spec(tracks=("DGF",), tasks=("CTCF",)),
    "CTCF/meta_DGF": Spec(tracks=("DGF",), tasks=("CTCF",), meta=GEPC),
    "MAX/onePeak_DGF": Spec(tracks=("DGF",), tasks=("MAX",)),
}


class Mirror(ThreadingHTTPServer):
    """A server of a folder, with ranges; the first response to `cut` ends in its middle."""

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.cut, self.asked, self.flip = root, "", [], ""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/mirror"

    def handle_error(self, request, client_address):
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Log nothing."""

    def do_GET(self):
        server, name = self.server, self.path.removeprefix("/mirror/")
        path = server.root / name
        data = path.read_bytes() if path.is_file() else None
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(found[1]) if found else 0
        server.asked.append((name, first))
        if data is not None and server.flip and name.endswith(server.flip):
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.send_response_only(404 if data is None else 206 if first else 200)
        rest = (data or b"")[first:]
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.cut and name.endswith(server.cut):
            rest, self.close_connection = rest[: len(rest) // 2], True
        self.wfile.write(rest)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror of three models, as the original wrote them, and a registry with their digests."""
    monkeypatch.setenv("FACTORNET_TRIES", "1")
    monkeypatch.setenv("FACTORNET_DATA", str(tmp_path / "user"))
    root, rows = tmp_path / "mirror", ["path\tdigest\tbytes\n"]
    for i, (name, spec) in enumerate(MODELS.items()):
        folder = write_folder(root / "models" / name, spec)
        (folder / "history.pkl").write_bytes(b"pickle")
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            in_git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            digest = f"{GIT_BLOB}:{in_git}" if i % 2 else f"sha256:{hashlib.sha256(data).hexdigest()}"
            rows.append(f"models/{name}/{path.name}\t{digest}\t{'' if i % 2 else len(data)}\n")
    (tmp_path / "files.tsv").write_text("".join(rows))
    group = {"assembly": "hg19", "what": "models", "files": "files.tsv", "default": False, "match": ["*/*"]}
    group |= {"under": "models/", "urls": ["http://127.0.0.1:9/gone/"], "licence": "MIT", "citation": "Quang & Xie"}
    (tmp_path / "registry.json").write_text(json.dumps({"factornet-models": group}))
    with serving(Mirror(root)) as server:
        yield server


@pytest.fixture
def run(mirror, tmp_path, capsys):
    """The command with the test's registry: status and what it printed."""

    def call(command, *arguments):
        return main([command, *arguments, "--registry", str(tmp_path / "registry.json")]), capsys.readouterr()

    return call


def test_models_are_fetched_by_factor_verified_and_imported(run, mirror, tmp_path):
    status, shown = run("fetch", "CTCF", "--mirror", mirror.url)
    assert (status, shown.out.count("compared with their digests")) == (0, 2)
    folder = tmp_path / "user/models"
    for name in ("CTCF/onePeak_DGF", "CTCF/meta_DGF"):
        expected = import_keras(mirror.root / "models" / name)
        inputs = windows(MODELS[name])
        np.testing.assert_array_equal(predict(load_network(folder / name), *inputs), predict(expected, *inputs))
        origin = read_card(folder / name).provenance["origin"]
        assert (origin["name"], origin["licence"], origin["citation"]) == (name, "MIT", "Quang & Xie")
        assert main(["verify", str(folder / name)]) == 0
    assert not any(name.endswith(".pkl") for name, _ in mirror.asked)
    assert not list(folder.glob(".downloads/**/*.hdf5"))
    asked = len(mirror.asked)
    status, shown = run("fetch", "CTCF", "--mirror", mirror.url)
    assert (status, shown.out.count("already there"), len(mirror.asked)) == (0, 2, asked)


def test_an_interrupted_fetch_is_resumed(run, mirror):
    mirror.cut = "MAX/onePeak_DGF/best_model.hdf5"
    status, shown = run("fetch", "MAX", "--mirror", mirror.url)
    assert (status, "best_model.hdf5" in shown.err, "resumed" in shown.err) == (2, True, True)
    mirror.cut, half = "", len(mirror.asked)
    status, shown = run("fetch", "MAX", "--mirror", mirror.url, "--json")
    assert status == 0
    assert json.loads(shown.out)[0]["new"]
    again = dict(mirror.asked[half:])
    size = (mirror.root / "models/MAX/onePeak_DGF/best_model.hdf5").stat().st_size
    assert again["models/MAX/onePeak_DGF/best_model.hdf5"] == size // 2
    assert main(["info", "MAX"]) == 0


@pytest.mark.parametrize("name", ["CTCF/onePeak_DGF", "CTCF/meta_DGF"])
def test_a_file_of_another_digest_is_refused(run, mirror, tmp_path, name):
    """SHA-256 and git's."""
    mirror.flip = f"{name}/final_model.hdf5"
    status, shown = run("fetch", name, "--mirror", mirror.url)
    assert (status, "final_model.hdf5" in shown.err, "hash" in shown.err) == (2, True, True)
    assert not (tmp_path / "user/models" / name).exists()
    mirror.flip = ""
    assert run("fetch", name, "--mirror", mirror.url)[0] == 0


def test_list_shows_what_can_be_fetched_and_what_was(run, mirror, tmp_path):
    run("fetch", "MAX", "--mirror", mirror.url)
    listed = json.loads(run("list", "--json")[1].out)
    rows = {row["name"]: row["fetched"] for row in listed["models"]}
    assert list(rows) == ["CTCF/meta_DGF", "CTCF/onePeak_DGF", "MAX/onePeak_DGF"] or set(rows) == set(MODELS)
    assert [name for name, path in rows.items() if path] == ["MAX/onePeak_DGF"]
    assert "MAX/onePeak_DGF" in run("list")[1].out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("SPI1",), "no published model 'SPI1'; there are models of CTCF, MAX"),
        (("MAX", "--mirror", "ftp://x"), "mirror 'ftp://x' is not a URL"),
        (("MAX",), "cannot be downloaded"),
    ],
)
def test_errors_are_one_line(run, arguments, message):
    status, shown = run("fetch", *arguments)
    assert (status, message in shown.err, shown.err.count("\n")) == (2, True, 1)


def test_a_name_is_that_of_a_fetched_model(run, mirror, tmp_path, capsys, monkeypatch):
    assert main(["info", "MAX"]) == 2
    said = capsys.readouterr().err
    assert "MAX: no such folder, and no fetched model of this name; fetched are none" in said
    assert "fetch it: factornet-model fetch MAX" in said
    run("fetch", "all", "--mirror", mirror.url)
    assert main(["info", "MAX", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["network"]["tasks"] == ["MAX"]
    assert main(["info", "CTCF"]) == 0
    assert "CTCF: " in (said := capsys.readouterr().err)
    assert "fetched are also" in said
    assert main(["info", "CTCF/onePeak_DGF"]) == 0
    assert [p.name for p in resolve_models(Path("CTCF"))] == ["meta_DGF", "onePeak_DGF"]  # into a folder, both
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "MAX", Spec(tasks=("OTHER",)))
    capsys.readouterr()
    assert main(["info", "MAX", "--json"]) == 0  # a path that exists wins
    assert json.loads(capsys.readouterr().out)["network"]["tasks"] == ["OTHER"]
    assert main(["info", "NOPE"]) == 2
    assert "factornet-model list shows all" in capsys.readouterr().err


def test_models_fetched_before_a_failure_are_said(run, mirror):
    (mirror.root / "models/CTCF/meta_DGF/best_model.hdf5").unlink()
    status, shown = run("fetch", "all", "--mirror", mirror.url)
    fetched = [line.partition(": fetched")[0] for line in shown.out.splitlines()]
    assert (status, len(fetched), "CTCF/onePeak_DGF" in fetched[0]) == (2, 1, True)
    assert "CTCF/meta_DGF/best_model.hdf5: cannot be downloaded" in shown.err


def test_a_fetched_model_that_is_damaged_is_said(run, mirror, tmp_path):
    run("fetch", "MAX", "--mirror", mirror.url)
    folder = tmp_path / "user/models/MAX/onePeak_DGF"
    with (folder / "best.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x00")
    status, shown = run("fetch", "MAX", "--mirror", mirror.url)
    hint = f"remove {folder}, and run the same command again"
    assert (status, "best.safetensors: damaged" in shown.err, hint in shown.err) == (2, True, True)


def test_a_second_fetch_of_a_model_is_refused_until_it_is_imported(run, mirror, monkeypatch):
    seen = []

    def import_slowly(original, folder, *, origin):
        seen.append(run("fetch", "MAX", "--mirror", mirror.url))
        write_imported(original, folder, origin=origin)

    monkeypatch.setattr("factornet.model.keras.import_model.write_imported", import_slowly)
    assert run("fetch", "MAX", "--mirror", mirror.url)[0] == 0
    ((status, shown),) = seen
    assert (status, "is being written by" in shown.err) == (2, True)


def test_a_folder_without_a_model_hides_no_fetched_model_in_silence(run, mirror, tmp_path, capsys, monkeypatch):
    """As a folder of predictions of the factor does."""
    run("fetch", "MAX", "--mirror", mirror.url)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MAX").mkdir()
    capsys.readouterr()
    assert main(["info", "MAX"]) == 2
    hint = f"a fetched model has the same name: give its path, {tmp_path}/user/models/MAX/onePeak_DGF"
    assert f"MAX: is a folder here without a model; {hint}" in capsys.readouterr().err


def test_published_models_are_the_24_of_the_registry():
    published = published_models(read_registry(default_registry()))
    assert len(published) == 24
    assert len({m.factor for m in published}) == 12
    assert [m.name for m in select_models(published, ["CTCF"])] == [
        "CTCF/metaGENCODE_RNAseq_Unique35_DGF",
        "CTCF/meta_RNAseq_Unique35_DGF",
    ]
    for model in published:
        names = {d.name.rpartition("/")[2] for d in model.downloads}
        assert {"model.json", "best_model.hdf5", "final_model.hdf5", "chip.txt", "bigwig.txt"} <= names
        assert all(d.digest for d in model.downloads)
        assert model.origin["licence"].startswith("MIT")
    assert len(select_models(published, ["all"])) == 24
    with pytest.raises(UsageError, match="no published model 'FOO'"):
        select_models(published, ["FOO"])


def test_models_of_a_factor_come_in_the_order_of_the_registry(tmp_path):
    for name in ("CTCF/a", "CTCF/b", "CTCF/c", "MAX"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model.json").write_text("{}")
    order = (PublishedModel("CTCF/b", ()), PublishedModel("CTCF/a", ()))
    assert find_models("CTCF", tmp_path, order) == tuple(tmp_path / n for n in ("CTCF/b", "CTCF/a", "CTCF/c"))
    assert find_models("MAX", tmp_path) == (tmp_path / "MAX",)
    assert find_models("../x", tmp_path) == ()


@pytest.mark.realdata
def test_a_real_model_is_fetched_from_a_mirror(realdata, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORNET_DATA", str(tmp_path))
    with serving(Mirror(realdata)) as server:
        assert main(["fetch", "MAX/onePeak_Unique35_DGF", "--mirror", server.url]) == 0
    capsys.readouterr()
    assert main(["card", "MAX"]) == 0
    assert "- licence: MIT" in capsys.readouterr().out
