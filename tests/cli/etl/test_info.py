"""`factornet-etl info` shows the intact groups of damaged stores, in folders and on servers."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.servers import web_server

from factornet.cli import etl

KINDS = ("folder", "s3", "http")


@dataclass(frozen=True)
class DamagedStore:
    """The location of a store, and a function that removes an object or folder from it."""

    location: str
    remove: Callable[[str], None]


@pytest.fixture
def damaged_store(request, exported, tmp_path):
    """Yield a copy of what `info` reads of the demo store, in a folder, in object storage, or on a web server."""
    s3 = request.getfixturevalue("s3" if request.param == "s3" else "settings")
    web = Path(shutil.copytree(exported, tmp_path / "web/demo.zarr"))
    if s3 is not None:
        metadata = [f for f in web.rglob("*") if f.is_file() and (f.name == "zarr.json" or f.parts[-3] == "manifest")]
        for file in metadata:
            s3.client.put_object(**s3.key(str(file.relative_to(web))), Body=file.read_bytes())

        def take(name: str) -> None:
            for key in [n for n in s3.names() if f"{n}/".startswith(f"{name}/")]:
                s3.client.delete_object(**s3.key(key))

        yield DamagedStore(s3.url, take)
        return

    def remove(name: str) -> None:
        shutil.rmtree(web / name) if (web / name).is_dir() else (web / name).unlink()

    if request.param == "folder":
        yield DamagedStore(str(web), remove)
        return
    with web_server(web.parent) as url:
        yield DamagedStore(f"{url}/demo.zarr", remove)


def info_of(damaged_store, capsys) -> tuple[str, str]:
    """Run `info` on a damaged store; return its output and its error message, which must be one line."""
    assert etl.main(["info", damaged_store.location]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    return shown.out, line


@pytest.mark.parametrize("damaged_store", KINDS, indirect=True)
def test_cell_line_without_attributes_is_named_as_damaged(damaged_store, capsys):
    damaged_store.remove("cells/HepG2/zarr.json")
    out, line = info_of(damaged_store, capsys)
    assert "2 cell lines, and damaged: HepG2\n" in out
    assert "K562: tracks" in out
    assert line.startswith(f"factornet-etl: error: {damaged_store.location}/cells/HepG2: its zarr.json cannot be read")
    assert line.endswith(f"`factornet-etl verify {damaged_store.location}` prints the remedy")
    assert etl.main(["info", damaged_store.location, "--json"]) == 2
    output = json.loads(capsys.readouterr().out)
    assert ([c["name"] for c in output["cells"]], output["damaged"]) == (["GM12878", "K562"], ["HepG2"])
    assert etl.main(["verify", damaged_store.location, "--quick", "--cells", "HepG2"]) == 1
    assert "cells/HepG2/zarr.json: " in capsys.readouterr().out


@pytest.mark.parametrize("damaged_store", KINDS, indirect=True)
def test_cell_line_without_folder_is_named_as_missing(damaged_store, capsys):
    damaged_store.remove("cells/HepG2")
    out, line = info_of(damaged_store, capsys)
    assert "2 cell lines, and missing: HepG2\n" in out
    assert "K562: tracks" in out
    what = f"{damaged_store.location}/cells/HepG2: is in the list of cell lines, but has no folder; "
    assert line.startswith(f"factornet-etl: error: {what}")
    remedies = {
        "/": f"factornet-etl build {damaged_store.location} PATH/TO/HepG2, or factornet-etl import SOURCE {damaged_store.location} --cells HepG2; "
        f"or remove it from the list: factornet-etl rm {damaged_store.location} HepG2",
        "s": f"export it again: factornet-etl export STORE {damaged_store.location} --force --cells HepG2; or remove it from "
        f"the list: factornet-etl export STORE {damaged_store.location} --force --cells",
        "h": "upload HepG2 again, from the store it was uploaded from",
    }
    assert line.endswith(remedies[damaged_store.location[0]])
    assert etl.main(["info", damaged_store.location, "--json"]) == 2
    output = json.loads(capsys.readouterr().out)
    assert (len(output["cells"]), output["damaged"], output["missing"]) == (2, [], ["HepG2"])


@pytest.mark.parametrize("damaged_store", ["http"], indirect=True)
def test_genome_is_shown_where_a_web_server_has_no_list_of_cell_lines(damaged_store, tmp_path, capsys):
    damaged_store.remove("cells/zarr.json")
    out, line = info_of(damaged_store, capsys)
    assert "demo, 5 chromosomes" in out
    assert "cell lines: not known\n" in out
    hint = f"factornet-etl import {damaged_store.location} DEST --cells CELL"
    assert "has no list of cell lines (cells/zarr.json), and web servers cannot list files; name the cell" in line
    assert f"`{hint}`" in line
    assert etl.main(["info", damaged_store.location, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["cells"] is None
    copy = str(tmp_path / "copy.zarr")
    assert etl.main([w.replace("DEST", copy).replace("CELL", "K562") for w in hint.split()[1:]]) == 0
    assert etl.main(["info", copy]) == 0
