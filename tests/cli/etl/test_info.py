"""`factornet-etl info` of stores in which something is damaged or gone: the rest is shown, wherever the store lies."""

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
class Lying:
    """A store somewhere, and how something is taken out of it."""

    location: str
    remove: Callable[[str], None]


@pytest.fixture
def lying(request, exported, tmp_path):
    """What `info` reads of the demo store, in a folder, in object storage, or on a web server."""
    s3 = request.getfixturevalue("s3" if request.param == "s3" else "settings")
    web = Path(shutil.copytree(exported, tmp_path / "web/demo.zarr"))
    if s3 is not None:
        seals = [f for f in web.rglob("*") if f.is_file() and (f.name == "zarr.json" or f.parts[-3] == "manifest")]
        for file in seals:
            s3.client.put_object(**s3.key(str(file.relative_to(web))), Body=file.read_bytes())

        def take(name: str) -> None:
            for key in [n for n in s3.names() if f"{n}/".startswith(f"{name}/")]:
                s3.client.delete_object(**s3.key(key))

        yield Lying(s3.url, take)
        return

    def remove(name: str) -> None:
        shutil.rmtree(web / name) if (web / name).is_dir() else (web / name).unlink()

    if request.param == "folder":
        yield Lying(str(web), remove)
        return
    with web_server(web.parent) as url:
        yield Lying(f"{url}/demo.zarr", remove)


def info_of(lying, capsys) -> tuple[str, str]:
    """What is shown of a store in which something is wrong, and the one line of the error."""
    assert etl.main(["info", lying.location]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    return shown.out, line


@pytest.mark.parametrize("lying", KINDS, indirect=True)
def test_a_cell_line_without_attributes_is_named_beside_the_others(lying, capsys):
    lying.remove("cells/HepG2/zarr.json")
    out, line = info_of(lying, capsys)
    assert "2 cell lines, and damaged: HepG2\n" in out
    assert "K562: tracks" in out
    assert line.startswith(f"factornet-etl: error: {lying.location}/cells/HepG2: its zarr.json cannot be read")
    assert line.endswith(f"see `factornet-etl verify {lying.location}` for what repairs it")
    assert etl.main(["info", lying.location, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert ([c["name"] for c in said["cells"]], said["damaged"]) == (["GM12878", "K562"], ["HepG2"])
    assert etl.main(["verify", lying.location, "--quick", "--cells", "HepG2"]) == 1
    assert "cells/HepG2/zarr.json: " in capsys.readouterr().out


@pytest.mark.parametrize("lying", KINDS, indirect=True)
def test_a_cell_line_that_only_the_list_has_is_missing(lying, capsys):
    lying.remove("cells/HepG2")
    out, line = info_of(lying, capsys)
    assert "2 cell lines, and missing: HepG2\n" in out
    assert "K562: tracks" in out
    what = f"{lying.location}/cells/HepG2: is in the list of cell lines, and there is no such folder; "
    assert line.startswith(f"factornet-etl: error: {what}")
    cures = {
        "/": f"factornet-etl build {lying.location} PATH/TO/HepG2, or factornet-etl import SOURCE {lying.location} --cells HepG2; "
        f"or take it off the list: factornet-etl rm {lying.location} HepG2",
        "s": f"put it there anew: factornet-etl export STORE {lying.location} --force --cells HepG2; or take it off the "
        f"list: factornet-etl export STORE {lying.location} --force --cells",
        "h": "put HepG2 there anew, from the store it was uploaded from",
    }
    assert line.endswith(cures[lying.location[0]])
    assert etl.main(["info", lying.location, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (len(said["cells"]), said["damaged"], said["missing"]) == (2, [], ["HepG2"])


@pytest.mark.parametrize("lying", ["http"], indirect=True)
def test_without_a_list_on_a_web_server_the_genome_is_shown(lying, tmp_path, capsys):
    lying.remove("cells/zarr.json")
    out, line = info_of(lying, capsys)
    assert "demo, 5 chromosomes" in out
    assert "cell lines: not known\n" in out
    hint = f"factornet-etl import {lying.location} DEST --cells CELL"
    assert "has no list of cell lines (cells/zarr.json), and web servers cannot list files; name the cell" in line
    assert f"`{hint}`" in line
    assert etl.main(["info", lying.location, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["cells"] is None
    copy = str(tmp_path / "copy.zarr")
    assert etl.main([w.replace("DEST", copy).replace("CELL", "K562") for w in hint.split()[1:]]) == 0
    assert etl.main(["info", copy]) == 0
