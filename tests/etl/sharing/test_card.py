"""The card of a store: what the store records is there, what is not known is said; its commands run as printed."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.servers import web_server
from support.tiny_experiment import build
from support.transfer_helpers import command, refused, report

from factornet.cli import etl
from factornet.etl.sharing.card import card_name, store_card
from factornet.etl.sharing.entry import Statements
from factornet.store import StoreError, open_store
from factornet.store.text import markdown_table, markdown_text


def test_card_says_what_the_store_records(demo_store):
    text = store_card("demo_1.zip", open_store(demo_store), Statements(licence="CC BY 4.0"))
    assert text.startswith("# demo\\_1.zip\n\n- genome: demo, 5 chromosomes, 8,000,000 bases\n")
    for line in (
        "- cell lines: GM12878, HepG2, K562",
        "- factors: CTCF, MAX, GABPA, REST",
        "| K562 | MAX | 165 | none | 830 |",
        "| all | Unique35 | not stated | not stated | 0.9736 |",
        "- rules: readme (promoters of 300/100 bases",
        "- licence: CC BY 4.0",
        "- cite: not stated; ask whoever gave you the store",
        "- cite: FactorNet: D. Quang, X. Xie, Methods 166",
        "| K562 | K562.DGF.bw | ",
    ):
        assert line in text, line
    assert "ENCODE" not in text
    for digest in (open_store(demo_store).info.genome_manifest, open_store(demo_store).cell("K562").manifest):
        assert digest in text
    assert text == store_card("demo_1.zip", open_store(demo_store), Statements(licence="CC BY 4.0"))


def test_card_of_a_store_of_an_earlier_version_says_what_is_not_recorded():
    store = open_store(Path(__file__).parents[2] / "fixtures/store-schema-1.zip")
    text = store_card("old.zip", store, Statements())
    assert "| CELL | DGF | not stated | not stated | not recorded | not recorded | not recorded |" in text
    assert "- cpg: not recorded" in text


def test_accessions_are_cited(files):
    (files / "A/p.bed").rename(files / "A/ENCFF000ABC.bed")
    (files / "A/chip.txt").write_text("ENCFF000ABC.bed\tTF\n")
    source = {"accession": "ENCFF111AAA", "experiment": "ENCSR222BBB", "lab": "Ada|<b>x</b>", "md5": "0" * 32}
    (files / "A/sources.json").write_text(json.dumps({"s.bw": source}))
    build(files)
    text = store_card("s.zarr", open_store(files / "s.zarr"), Statements(contact="a@b"))
    assert "| ENCFF111AAA, ENCSR222BBB | Ada\\|\\<b\\>x\\</b\\> | SHA-256 " in text
    assert ", MD5 " + "0" * 32 in text
    assert "| ENCFF000ABC.bed | " in text
    assert " | ENCFF000ABC | not stated | SHA-256" in text
    assert "ENCODE Project Consortium, Nature 489" in text
    assert "- licence: not stated; ask a@b" in text
    assert "- rules" not in text, "it has no annotation"


def test_text_of_strangers_is_shown_as_it_is(tiny_store):
    hostile = "<img src=x onerror=alert(1)> [x](javascript:y) `z` *a* _b_ | # c &lt; ~~d~~ $e$"
    store = open_store(tiny_store)
    strange = replace(store, info=replace(store.info, assembly=hostile))
    text = store_card(hostile + "\n# x\x1b[31m", strange, Statements(licence=hostile, citation=hostile))
    shown = re.sub(r"\\[\\`*_\[\]<>|#&~$]", "", text.partition("## Verify and read")[0])
    assert not re.search(r"[<>`*\[\]~$&]", shown)
    assert "\n# x" not in text
    assert all(line.isprintable() for line in text.splitlines())


def test_markdown_of_a_table_has_one_line_a_row():
    assert [*markdown_table(("a", "b"), [("x|y", "1\n2"), (3, "")])] == [
        "| a | b |",
        "| --- | --- |",
        "| x\\|y | 1\\\\n2 |",
        "| 3 |  |",
    ]
    assert markdown_text("a<b>&amp;") == "a\\<b\\>\\&amp;"


def test_summary_of_another_form_is_an_error(tiny_store):
    store = open_store(tiny_store)
    for summary in ({"tracks": 3}, {"tracks": {"x": []}}, {"tracks": {"x": {"all_bases": 3}}}):
        strange = replace(store, info=replace(store.info, summary=summary, shared={"x": "y"}))
        with pytest.raises(StoreError, match="has another form"):
            store_card("x", strange, Statements())


@pytest.mark.parametrize("name", ["tiny.zip", "tiny.zarr"])
def test_commands_of_a_card_run_as_printed(shelf, name, monkeypatch, capsys):
    monkeypatch.chdir(shelf)
    text = (shelf / f"{name}.md").read_text().partition("## Verify and read")[2]
    lines = re.findall(r"^    (.+)$", text, re.M)
    commands = [line for line in lines if line.startswith("factornet-etl ")]
    assert len(commands) == (3 if name == "tiny.zip" else 2)
    for line in commands:
        assert etl.main(shlex.split(line)[1:]) == 0, line
    code = "\n".join(line for line in lines if not line.startswith("factornet-etl "))
    names: dict = {}
    exec(code, names)
    assert names["store"].cells == ("A",)


def test_card_is_printed_with_what_the_catalogue_states(shelf, tiny_store, capsys):
    assert report(capsys, "card", shelf / "tiny.zip")["markdown"] == (shelf / "tiny.zip.md").read_text()
    assert command("card", shelf / "tiny.zip", "--licence", "CC0") == 0
    shown = capsys.readouterr().out
    assert "- licence: CC0" in shown
    assert "- contact: ada@x.org" in shown
    assert command("card", tiny_store) == 0
    assert "- contact: not stated" in capsys.readouterr().out
    assert "no such store" in refused(capsys, "card", shelf / "none.zarr")
    (shelf / "catalogue.json").write_text("{}")
    assert command("card", shelf / "tiny.zip") == 0
    shown = capsys.readouterr()
    assert "- licence: not stated" in shown.out
    assert "licence, citation and contact are not taken from it" in shown.err


@pytest.mark.parametrize(
    ("location", "name"), [("/a/b.zarr", "b.zarr"), ("https://h/x/b.zarr", "b.zarr"), ("s3://b/c.zarr", "c.zarr")]
)
def test_name_of_a_card(location, name):
    assert card_name(location) == name


def test_catalogue_and_card_load_no_torch():
    code = "import sys, factornet.etl.sharing.keeper, factornet.etl.sharing.fetch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_card_of_a_store_on_a_server_has_what_the_catalogue_there_states(shelf, settings, capsys):
    assert (
        command("export", shelf / "tiny.zip", shelf / "other.zarr", "--licence", "CC BY 4.0", "--contact", "b@x.org")
        == 0
    )
    capsys.readouterr()
    with web_server(shelf) as url:
        assert command("card", f"{url}/other.zarr") == 0
        shown = capsys.readouterr().out
        assert "- licence: CC BY 4.0" in shown
        assert "- contact: b@x.org" in shown
        (shelf / "catalogue.json").unlink()
        assert command("card", f"{url}/other.zarr") == 0
        assert "- licence: not stated" in capsys.readouterr().out
