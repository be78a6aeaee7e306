"""Groups of files: FactorNet's own data, downloaded into its folders and compared with digests of two kinds."""

import hashlib
import json
import subprocess
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.servers import serving

from factornet.cli.common.known_motifs import default_motifs
from factornet.cli.etl.parser import main
from factornet.etl.download.digests import matches
from factornet.etl.download.registry import default_registry, read_registry, select_downloads
from factornet.store import StoreError, UsageError

FILES = {
    "data/HepG2/bigwig.txt": b"a.bw\tUnique35\n",
    "data/HepG2/CTCF.narrowPeak.gz": bytes(range(256)) * 2000,
    "data/K562/chip.txt": b"",
    "data/README.md": b"# Data\n",
    "resources/HOCOMOCOv9.meme": b"MEME version 4\n\nMOTIF CTCF_f2 CTCF\nletter-probability matrix:\n1 0 0 0\n",
    "resources/other.bed": b"chr1\t1\t2\n",
}
COMMIT = "/0123abcd"


def git_blob(content: bytes) -> str:
    """Return the digest as git gives it."""
    done = subprocess.run(["git", "hash-object", "--stdin"], input=content, capture_output=True, check=True)
    return f"git-blob:{done.stdout.decode().strip()}"


class Repository(ThreadingHTTPServer):
    """A server of `files` under a commit; the first `broken` answers with a body end early."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.seen, self.broken = dict(FILES), Counter(), 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{COMMIT}/"

    def handle_error(self, request, client_address) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.removeprefix(f"{COMMIT}/"))
        self.server.seen[self.path] += 1
        self.send_response_only(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.server.broken and content:
            self.server.broken -= 1
            content = content[: len(content) // 2]
        self.wfile.write(content or b"")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("FACTORNET_TRIES", "3")
    with serving(Repository()) as repository:
        yield repository


@pytest.fixture
def registry(server, tmp_path):
    """A registry of two groups of the server's files, digests of both kinds."""
    rows = []
    for i, (path, content) in enumerate(FILES.items()):
        digest = git_blob(content) if i % 2 else f"sha256:{hashlib.sha256(content).hexdigest()}"
        rows.append(f"{path}\t{digest}\t{len(content) if i % 3 else ''}\n")
    (tmp_path / "files.tsv").write_text("# a comment\npath\tdigest\tbytes\n" + "".join(rows))
    group = {"assembly": "hg19", "files": "files.tsv", "default": False, "urls": [server.url]}
    entries = {
        "cells": {**group, "what": "cell lines", "under": "data/", "match": ["*"], "next": "build {folder}/HepG2"},
        "motifs": {**group, "what": "motifs", "under": "resources/", "match": ["*.meme"]},
    }
    path = tmp_path / "registry.json"
    path.write_text(json.dumps(entries))
    return path


def fetch(registry, folder, *options, status=0):
    assert main(["fetch", str(folder), "--registry", str(registry), *options]) == status


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_group_is_downloaded_into_its_folders_once(server, registry, tmp_path, capsys):
    fetch(registry, tmp_path / "data", "--only", "cells")
    out = capsys.readouterr().out
    assert f"{tmp_path}/data: 4 files of cells: 4 downloaded, 512 kB, compared with the registry\n" in out
    assert f"next: build {tmp_path}/data/HepG2\n" in out
    found = contents(tmp_path / "data")
    assert found.pop("fetched.json")
    assert found == {path.removeprefix("data/"): c for path, c in FILES.items() if path.startswith("data/")}
    fetch(registry, tmp_path / "data", "--only", "cells")
    assert ": 4 files of cells: 4 already exist, 512 kB, compared" in capsys.readouterr().out
    assert set(server.seen.values()) == {1}


def test_broken_connections_are_tried_again(server, registry, tmp_path):
    server.broken = 2
    fetch(registry, tmp_path / "data", "--only", "cells")
    assert (tmp_path / "data/HepG2/CTCF.narrowPeak.gz").read_bytes() == FILES["data/HepG2/CTCF.narrowPeak.gz"]
    assert not [name for name in contents(tmp_path / "data") if name.endswith(".part")]


@pytest.mark.parametrize("path", ["data/HepG2/bigwig.txt", "data/HepG2/CTCF.narrowPeak.gz"])
def test_file_with_another_digest_is_refused(server, registry, tmp_path, capsys, path):
    server.files[path] = FILES[path][::-1]
    fetch(registry, tmp_path / "data", "--only", "cells", status=2)
    line = capsys.readouterr().err
    assert "hash" in line
    assert f"data/{path.removeprefix('data/')}: cannot be downloaded" in line
    assert not (tmp_path / path).exists()


def test_edited_sheet_is_kept_counted_and_said(server, registry, tmp_path, capsys):
    fetch(registry, tmp_path / "data", "--only", "cells")
    sheet = tmp_path / "data/HepG2/bigwig.txt"
    sheet.write_text("/mine/b.bw\tUnique35\n")
    (tmp_path / "data/README.md").unlink()
    capsys.readouterr()
    fetch(registry, tmp_path / "data", "--only", "cells")
    captured = capsys.readouterr()
    assert sheet.read_text() == "/mine/b.bw\tUnique35\n"
    warning = f"warning: {sheet}: kept, differs from the registry's; remove it to download that\n"
    assert captured.err == warning
    assert "4 files of cells: 1 downloaded, 2 already exist, 1 kept that differ from the registry's" in captured.out
    fetch(registry, tmp_path / "data", "--only", "cells", "--json")
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["HepG2/bigwig.txt"]["differs"] is True
    assert rows["K562/chip.txt"] == {
        "name": "K562/chip.txt",
        "group": "cells",
        "path": f"{tmp_path}/data/K562/chip.txt",
        "new": False,
        "compared_with": "the registry",
        "differs": False,
    }


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["cells/HepG2"], ["HepG2/CTCF.narrowPeak.gz", "HepG2/bigwig.txt"]),
        (["cells/HepG2/"], ["HepG2/CTCF.narrowPeak.gz", "HepG2/bigwig.txt"]),
        (["cells/K562/chip.txt"], ["K562/chip.txt"]),
        (["motifs", "cells/README.md"], ["HOCOMOCOv9.meme", "README.md"]),
        (["cells/K562", "cells/K562/chip.txt"], ["K562/chip.txt"]),
    ],
)
def test_part_of_a_group_is_selected_by_path(registry, tmp_path, only, names):
    fetch(registry, tmp_path / "d", "--only", *only)
    assert sorted(set(contents(tmp_path / "d")) - {"fetched.json"}) == names


@pytest.mark.parametrize("name", ["cells/Hep", "cell", "HepG2", "cells/HepG2/b"])
def test_unknown_name_lists_the_groups(registry, name):
    with pytest.raises(UsageError, match=f"no download '{name}'; the registry has cells, motifs"):
        select_downloads(read_registry(registry), [name], "hg19")


def test_motifs_go_to_the_users_folder_where_training_looks(registry, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORNET_DATA", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    fetch(registry, "motifs")
    assert default_motifs() == tmp_path / "user/HOCOMOCOv9.meme"
    assert f"{tmp_path}/user: 1 file of motifs: 1 downloaded" in capsys.readouterr().out
    assert not (tmp_path / "motifs").exists()
    fetch(registry, "./motifs", "--only", "motifs")
    assert (tmp_path / "motifs/HOCOMOCOv9.meme").exists()
    fetch(registry, "motifs", "--only", "cells/K562")
    assert (tmp_path / "motifs/K562/chip.txt").exists()


def test_groups_are_listed_with_their_sizes(registry, capsys):
    fetch(registry, "x", "--list")
    out = capsys.readouterr().out
    assert "hg19  cells  cell lines (4 files, 512 kB, 3 of unknown size)" in out
    assert "hg19  motifs  motifs (1 file, " in out


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("data/../../x\tsha256:" + "0" * 64 + "\t1", "is not a path, a digest and a size"),
        ("/etc/passwd\tsha256:" + "0" * 64 + "\t1", "is not a path, a digest and a size"),
        ("data/x\tsha256:" + "0" * 64, "is not a path, a digest and a size"),
        ("data/x\tgit-blob:12\t1", "neither md5:..., sha256:... nor git-blob:..."),
        ("data/x\tsha1:" + "0" * 40 + "\t1", "neither md5"),
        ("data/x\t\tmany", "not a registry of downloads"),
        ("data/x\t\t-1", "bytes -1 is not a size"),
    ],
)
def test_invalid_table_of_files_is_refused(registry, row, message):
    (registry.parent / "files.tsv").write_text(f"path\tdigest\tbytes\n{row}\n")
    with pytest.raises(StoreError, match=message):
        read_registry(registry)
    (registry.parent / "files.tsv").unlink()
    with pytest.raises(StoreError, match="not a registry of downloads"):
        read_registry(registry)


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 40_000])
def test_git_blob_digest_equals_gits(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert matches(tmp_path / "f", git_blob(content))
    assert not matches(tmp_path / "f", git_blob(content + b"x"))
    assert matches(tmp_path / "f", f"md5:{hashlib.md5(content).hexdigest()}")


def test_default_registry_has_factornets_blacklist_and_groups():
    registry = read_registry(default_registry())
    default = {d.name: d for d in select_downloads(registry, (), "hg19")}
    assert default["blacklist.bed.gz"].digest.startswith("sha256:22dd6b7ec1ccede3")
    assert not any("Dac" in name for name in default)
    [dac] = select_downloads(registry, ["wgEncodeDacMapabilityConsensusExcludable.bed.gz"], "hg19")
    assert (dac.option, dac.default) == ("--blacklist", False)
    data = select_downloads(registry, ["factornet-data"], "hg19")
    cells = {d.name.partition("/")[0] for d in data if "/" in d.name}
    assert len(cells) == 13
    assert {f"{cell}/bigwig.txt" for cell in cells} | {f"{cell}/meta.txt" for cell in cells} <= {
        d.name for d in data
    } | {"IMR-90/meta.txt"}
    [motifs] = select_downloads(registry, ["motifs"], "hg19")
    [ladder] = select_downloads(registry, ["ladder"], "hg19")
    assert (motifs.name, ladder.size) == ("HOCOMOCOv9.meme", 463_333)
    models = select_downloads(registry, ["factornet-models"], "hg19")
    assert len({d.name.rpartition("/")[0] for d in models}) == 24
    assert len(select_downloads(registry, ["factornet-annotation"], "hg19")) == 6
    grouped = [d for d in registry if d.group]
    assert all(d.digest and not d.default for d in grouped)
    commit = "90ee7894154854bd05b8875b088e69cf10d43841"
    assert all(f"/{commit}/" in url for d in grouped for url in d.urls)


@pytest.mark.realdata
def test_digests_of_the_registry_are_those_of_the_real_files(realdata):
    registry = {(d.group, d.name): d for d in read_registry(default_registry())}
    assert matches(realdata / "annotation/HOCOMOCOv9.meme", registry["motifs", "HOCOMOCOv9.meme"].digest)
    for model in ("MAX/onePeak_Unique35_DGF", "GABPA/metaGENCODE_RNAseq_Unique35_DGF"):
        for path in (realdata / "models" / model).iterdir():
            if ("factornet-models", f"{model}/{path.name}") in registry:
                assert matches(path, registry["factornet-models", f"{model}/{path.name}"].digest), path
