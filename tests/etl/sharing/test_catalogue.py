"""Catalogues: read as they were written, refused where they were changed, and never trusted."""

import json
import os
import re
import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile_servers import ENDLESS_ANSWERS, LIES, SLOW, hostile_server, once, redirect
from support.sealed import change_sealed
from support.servers import web_server
from support.transfer_helpers import command, refused, report

from factornet.etl.sharing.catalogue import (
    CATALOGUE,
    Catalogue,
    format_catalogue,
    join_url,
    parse_catalogue,
    read_catalogue,
    short_name,
)
from factornet.etl.sharing.entry import CatalogueEntry, CellEntry, Statements
from factornet.store import InputError, UsageError, open_store
from factornet.store.files.outputs import remove
from factornet.store.text import printable

NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12).filter(
    lambda s: not s.startswith("__")
)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
LINES = st.text(max_size=20).map(printable)


@st.composite
def entries(draw, name=NAMES):
    cells = draw(st.lists(NAMES, unique=True, max_size=3))
    names = st.lists(NAMES, max_size=3, unique=True).map(tuple)
    is_zip = draw(st.booleans())
    return CatalogueEntry(
        name=draw(name) + (".zip" if is_zip else ".zarr"),
        size=draw(st.integers(1, 2**50)),
        unpacked_size=draw(st.integers(1, 2**50)),
        sha256=draw(DIGESTS) if is_zip else "",
        encoding=draw(st.sampled_from(["compressed", "raw"])),
        assembly=draw(LINES),
        sequences=draw(DIGESTS),
        n_chromosomes=draw(st.integers(1, 100)),
        bases=draw(st.integers(100, 2**40)),
        genome_manifest=draw(DIGESTS),
        cells=tuple(CellEntry(name=c, manifest=draw(DIGESTS), tracks=draw(names), factors=draw(names)) for c in cells),
        software=draw(LINES),
        exported="2026-11-27",
        statements=Statements(licence=draw(LINES), citation=draw(LINES), contact=draw(LINES)),
    )


@given(st.lists(entries(), max_size=3, unique_by=lambda e: e.name.lower()))
def test_catalogue_is_read_as_it_was_written(listed):
    found = parse_catalogue(format_catalogue(listed), "x", hint="")
    assert found == tuple(sorted(listed, key=lambda e: e.name))


@given(entries(), st.data())
def test_flipped_bit_of_a_catalogue_is_refused(entry, data):
    text = bytearray(format_catalogue([entry]))
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(InputError):
        parse_catalogue(bytes(text), "x", hint="")


def test_catalogue_edited_by_hand_is_refused_with_the_cure(shelf, tiny_store, capsys):
    path = shelf / CATALOGUE
    path.write_text(path.read_text().replace("CC BY 4.0", "CC0"))
    line = refused(capsys, "list", shelf)
    assert "damaged or changed" in line
    assert f"`factornet-etl list --rebuild {shelf}`" in line
    line = refused(capsys, "export", tiny_store, shelf / "new.zarr")
    assert f"list --rebuild {shelf}" in line
    assert "export --no-catalogue" in line
    assert not (shelf / "new.zarr").exists(), "nothing is copied before"
    assert command("export", tiny_store, shelf / "new.zarr", "--no-catalogue") == 0
    assert command("list", "--rebuild", shelf) == 0
    assert "licence, citation and contact are taken over from it of: tiny.zip" in capsys.readouterr().err
    found = report(capsys, "list", shelf)
    assert [s["name"] for s in found["stores"]] == ["new.zarr", "tiny.zarr", "tiny.zip"]
    assert found["stores"][2]["statements"] == {"licence": "CC0", "citation": "", "contact": "ada@x.org"}


def test_printed_command_of_a_store_named_as_an_option_runs(shelf, tmp_path, capsys, monkeypatch):
    """A stranger's `-rf.zip` was taken for options of import."""
    for path in shelf.iterdir():
        if path.suffix != ".zip":
            remove(path)
    (shelf / "tiny.zip").rename(shelf / "-rf.zip")
    assert command("list", "--rebuild", shelf) == 0
    capsys.readouterr()
    assert command("list", shelf) == 0
    words = shlex.split(re.search(r"^next: factornet-etl (import .*)$", capsys.readouterr().out, re.M)[1])
    monkeypatch.chdir(tmp_path)
    assert command(*words) == 0
    assert open_store(tmp_path / "STORE").cells


HOSTILE = {
    "parent folder": {"name": "../tiny.zip"},
    "absolute path": {"name": "/etc/passwd.zip"},
    "other host": {"name": "https://evil.example.org/x.zip"},
    "backslash": {"name": "..\\x.zip"},
    "escape": {"name": "x\x1b[31m.zip"},
    "HTML": {"name": "<script>alert(1)</script>.zip"},
    "hidden": {"name": ".ssh.zip"},
    "no text": {"name": 3},
    "absurd size": {"size": 10**19},
    "negative size": {"size": -1},
    "true for a size": {"size": True},
    "size as text": {"size": "4"},
    "no digest": {"sha256": "abc"},
    "digest of another kind": {"genome_manifest": ["0" * 64]},
    "escape in the genome": {"assembly": "hg19\x1b]0;x\x07"},
    "escape in the licence": {"statements": {"licence": "\x1b[2J", "citation": "", "contact": ""}},
    "long licence": {"statements": {"licence": "x" * 10_000, "citation": "", "contact": ""}},
    "card elsewhere": {"card": "../../x.md", "card_sha256": "0" * 64},
    "no day": {"exported": "tomorrow"},
    "cells in another form": {"cells": {"A": 1}},
    "cell of another form": {"cells": ["A"]},
    "cell with a path": {"cells": [{"name": "../A", "manifest": "0" * 64, "tracks": [], "factors": []}]},
    "factor with an escape": {"cells": [{"name": "A", "manifest": "0" * 64, "tracks": [], "factors": ["\x1b[2J"]}]},
    "tracks of another form": {"cells": [{"name": "A", "manifest": "0" * 64, "tracks": "DNase", "factors": []}]},
    "infinite size": {"size": 1e308},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_entry_is_refused_in_one_printable_line(change, shelf, capsys):
    stores = json.loads((shelf / CATALOGUE).read_text())["stores"]
    change_sealed(shelf / CATALOGUE, stores=[stores[0], {**stores[1], **change}])
    line = refused(capsys, "list", shelf)
    assert "an entry of the catalogue is refused" in line
    assert line.isprintable()
    refused(capsys, "import", "tiny", shelf / "x.zarr", "--from", shelf)
    assert not (shelf / "x.zarr").exists()


@pytest.mark.parametrize("stores", [None, {}, "x", [None], [[]], [{}], 7])
def test_list_of_stores_of_another_form_is_refused(stores, shelf, capsys):
    change_sealed(shelf / CATALOGUE, stores=stores)
    assert "is refused" in refused(capsys, "list", shelf)


def test_names_that_differ_in_case_alone_are_refused(shelf, capsys):
    stores = json.loads((shelf / CATALOGUE).read_text())["stores"]
    for name in ("tiny.zip", "Tiny.zip"):
        change_sealed(shelf / CATALOGUE, stores=[*stores, {**stores[1], "name": name}])
        assert "is refused" in refused(capsys, "list", shelf)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[]", "expected a JSON object"),
        (b'{"stac_version": "1.0.0"}', "not a factornet-catalogue file"),
        (b'{"format": "factornet-catalogue", "version": 2}', "newer"),
        (b'{"format": "factornet-catalogue", "version": 1}', "damaged or changed"),
        (b"x" * 16_000_001, "16 MB"),
    ],
)
def test_other_file_of_this_name_is_refused_before_an_export(content, problem, tiny_store, tmp_path, capsys):
    (tmp_path / CATALOGUE).write_bytes(content)
    assert problem in refused(capsys, "list", tmp_path)
    assert problem in refused(capsys, "export", tiny_store, tmp_path / "x.zip")
    assert [p.name for p in tmp_path.iterdir()] == [CATALOGUE]
    assert (tmp_path / CATALOGUE).read_bytes() == content


def test_pipe_in_place_of_a_catalogue_is_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / CATALOGUE)
    assert "is not a file" in refused(capsys, "list", tmp_path)


def test_folder_without_catalogue_is_said_with_the_cure(tmp_path, capsys):
    assert f"list --rebuild {tmp_path}`" in refused(capsys, "list", tmp_path)
    assert "no such folder" in refused(capsys, "list", tmp_path / "x")
    with web_server(tmp_path) as url:
        assert "no such file, so no catalogue" in refused(capsys, "list", url)
    assert "unsupported kind of URL" in refused(capsys, "list", "ftp://127.0.0.1/x")


def test_stores_are_found_by_name(shelf):
    catalogue = read_catalogue(shelf / CATALOGUE)
    assert catalogue.find("tiny.zip").name == "tiny.zip"
    with pytest.raises(UsageError, match=r"'tiny' may be tiny.zarr, tiny.zip; give the whole name"):
        catalogue.find("tiny")
    with pytest.raises(UsageError, match=r"no store 'x'; there is tiny.zarr, tiny.zip"):
        catalogue.find("x")
    with pytest.raises(UsageError, match="no store at all"):
        Catalogue("x", "x", ()).find("x")


@pytest.mark.parametrize(
    ("name", "short"),
    [("a.zip", "a"), ("a.zarr.zip", "a"), ("a.zarr", "a"), ("a.b", "a.b"), (".zip", ".zip"), ("A.ZIP", "A")],
)
def test_short_names(name, short):
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("url", "joined"),
    [
        ("https://h", "https://h/x.zip"),
        ("https://h/", "https://h/x.zip"),
        ("https://h/a/?sig=1%2F2#top", "https://h/a/x.zip?sig=1%2F2"),
        ("s3://b", "s3://b/x.zip"),
    ],
)
def test_query_of_a_folder_stays_with_its_stores(url, joined):
    assert join_url(url, "x.zip") == joined


def test_stores_are_selected_by_genome_cell_line_and_factor(shelf, capsys):
    for words in (["--factor", "TF"], ["--cell", "A", "--factor", "TF"], ["--genome", "hg19"], []):
        found = command("list", shelf, *words)
        assert found == (2 if words == ["--genome", "hg19"] else 0), words
    error = capsys.readouterr().err
    assert "no store with genome 'hg19'; there are genomes" in error
    assert "factors TF" in error


ANSWERS = {"slow body": SLOW["body"], "slow headers": SLOW["headers"]} | LIES
ANSWERS |= {f"endless {name}": answer for name, answer in ENDLESS_ANSWERS.items()}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_hostile_server_is_an_error_on_one_line(answer, settings, monkeypatch, capsys):
    monkeypatch.setenv("FACTORNET_TRIES", "1")
    monkeypatch.setenv("FACTORNET_TIMEOUT", "0.5")
    with hostile_server(answer) as server:
        line = refused(capsys, "list", server.url)
        assert server.url in line
    assert line.isprintable()


def test_redirect_to_a_file_is_refused(settings, capsys):
    with hostile_server(redirect(b"file:///etc/passwd")) as server:
        assert "redirects to file:///etc/passwd, which is refused" in refused(capsys, "list", server.url)
    with hostile_server(once(b"<html>not found</html>")) as server:
        assert "not JSON" in refused(capsys, "list", server.url)


def test_secrets_of_an_address_are_not_shown(shelf, settings, capsys):
    with web_server(shelf) as url:
        address = url.replace("http://", "http://ada:secret@") + "/?sig=secret"
        assert command("list", address) == 0
        shown = capsys.readouterr()
        assert "secret" not in shown.out + shown.err
        assert re.search(r"import tiny.zarr STORE --from http://127.0.0.1:\d+", shown.out)
        assert "secret" not in refused(capsys, "import", "x", "y", "--from", address)
