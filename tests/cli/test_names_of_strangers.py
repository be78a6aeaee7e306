"""Names of tracks, factors, features, motifs, files and messages of other people are shown as text, by every command."""

import ast
import csv
import html
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from support.tiny_experiment import SMALL, build, write_cell

from factornet.cli import etl, evaluate, model, predict, train, visualize
from factornet.cli.common import runner
from factornet.cli.common.output import print_json, print_line, print_table, print_traceback
from factornet.cli.common.progress import progress_line
from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome
from factornet.etl.inputs import cell_line_folder
from factornet.etl.inputs.sheets import rows
from factornet.etl.publish.manifest_writer import write_group
from factornet.model.figures import plain_text, save_figure
from factornet.store import InputError, open_store
from factornet.store.text import format_foreign, markdown_text, printable, spreadsheet_text

ROOT = Path(__file__).parents[2]
ESCAPES = "\x1b]0;pwned\x07\x1b[2J\nall is well\r\u202egnp.exe\u2028\x9b31m\udc80\x00"
MARKUP = "[red]$x_{[/b]:bomb:<script>&"
TRACK = MARKUP.replace("/", "").replace(":", "")  # characters that no path in a store has
HONEST = ["H3K27ac(2)", "TBP/2", "NF-κB p65", "Pol2 (phosphoS2)", "ΔNp63α", "$", "[1]", "50 %", "名前", "é"]
MEME = "MEME version 4\n\nALPHABET= ACGT\n\n" + "".join(
    f"MOTIF {name}\nletter-probability matrix: alength= 4 w= 6\n" + "0.7 0.1 0.1 0.1\n0.1 0.7 0.1 0.1\n" * 3 + "\n"
    for name in ("=cmd|'/C\x1b[2J @SUM(A1)", "-1+1 [/red]", "<script>alert(1)</script> $x", "NF-κB ok")
)


def assert_harmless(*texts):
    """Nothing that a terminal would act on, and no line of a stranger's own making."""
    for text in texts:
        assert "Traceback" not in text
        assert [c for c in text if not (c.isprintable() or c == "\n")] == []
        assert not re.search(r"^all is well", text, re.MULTILINE)


# The functions


def test_foreign_text_is_one_line_that_shows_what_is_in_it():
    assert format_foreign("a\x1b[31m\u202eb\x00") == r"a\x1b[31m\u202eb\x00"
    assert format_foreign(" two\nlines\tand a tab\n") == "two lines and a tab"
    assert format_foreign("x" * 9, 5) == "xxxxx ..."


@pytest.mark.parametrize("name", HONEST)
def test_honest_names_stay_as_they_are(name, capsys):
    assert printable(name) == spreadsheet_text(name) == html.unescape(name) == name
    print_line(name)
    print_table(name, ("column",), [(name,)])
    assert capsys.readouterr().out.count(name) == 3


def test_control_characters_become_escapes():
    shown = r"\x1b]0;pwned\x07\x1b[2J\nall is well\r\u202egnp.exe\u2028\x9b31m\udc80\x00"
    assert printable(ESCAPES) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "  -"])
def test_no_field_of_a_csv_file_is_a_formula(start):
    assert spreadsheet_text(f"{start}cmd()") == f"'{start}cmd()"
    assert spreadsheet_text(f"\t{start}cmd()")[0] in "'\\"


def test_tables_and_json_show_markup_and_escape_controls(capsys):
    print_table(MARKUP + ESCAPES, ("name",), [(MARKUP,), (ESCAPES,), ("two\nlines",)])
    print_json({"name": ESCAPES + "\x7f"})
    shown = capsys.readouterr().out
    table, _, line = shown.rstrip().rpartition("\n")
    assert table.count(MARKUP) == 2
    assert json.loads(line) == {"name": ESCAPES + "\x7f"}
    assert [c for c in shown if not (c.isprintable() or c == "\n")] == []


@pytest.mark.parametrize("text", ["$x", "$x$", r"\$x$", "$$", r"a$\frac{$", "\x1b$", *HONEST])
def test_matplotlib_draws_names_not_formulas(text):
    label = Figure().subplots().set_ylabel(plain_text(text))
    shown, is_formula = label._preprocess_math(label.get_text())
    assert (shown, is_formula) == (printable(text), False)


def test_progress_lines_show_names(capsys, monkeypatch):
    monkeypatch.setattr("factornet.cli.common.progress._SECONDS_BETWEEN_LINES", -1)
    with progress_line(MARKUP + ESCAPES, 2) as line:
        line.advance(1, ESCAPES)
    assert_harmless(capsys.readouterr().err)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with progress_line("[/red]" + ESCAPES, 2) as line:
        line.advance(1, "[/red]" + ESCAPES)
    assert "\x1b]0;" not in capsys.readouterr().err


def test_log_messages_and_tracebacks_are_lines_of_text(capsys):
    logger = logging.getLogger(f"test{ESCAPES}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(runner.LogFormatter("%(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False  # pytest would keep the record, and send it from worker to worker as text that is none
    try:
        raise InputError(ESCAPES, MARKUP)
    except InputError as error:
        logger.warning("file %s", ESCAPES, exc_info=True)
        print_traceback(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err.replace("Traceback", "")
    assert_harmless(shown)
    assert shown.count(MARKUP) == 2


def test_commands_print_through_one_module():
    for path in (ROOT / "cli").rglob("*.py"):
        called = {
            n.func.id
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        allowed = {"output.py": {"print", "Console"}, "progress.py": {"Console"}}.get(path.name, set())
        assert called & {"print", "Console", "Table"} <= allowed | ({"Table"} if path.name == "output.py" else set()), (
            path
        )


# The commands


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """An experiment with strange names, its store, and a model of it."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("strange")
    rng = __import__("numpy").random.default_rng(0)
    fasta = folder / "g\x1b[31m\nall is well [red]$x.fa"
    fasta.write_text(
        "".join(f">{c}\n{''.join(rng.choice(list('ACGT'), n))}\n" for c, n in (("chrA", 20_000), ("chrB", 12_000)))
    )
    cell = folder / "A"
    cell.mkdir()
    write_cell(cell, 1.5)
    (cell / "s.bw").rename(cell / "s\x1b[2J[red].bw")
    (cell / "bigwig.txt").write_text(f"s\x1b[2J[red].bw\t{TRACK}\n")
    (cell / "chip.txt").write_text(f"p.bed\t{FACTOR}\n")
    (cell / "meta.txt").write_text("1.5\t[/b]:bomb:\n2.5\t[red]$x\n")
    peaks = [f"{c}\t{a}\t{a + 200}\n" for c, n in (("chrA", 19_000), ("chrB", 11_000)) for a in range(1000, n, 1000)]
    (cell / "p.bed").write_text("".join(peaks))
    patch.setattr(cell_line_folder, "check_name", lambda name, what: name)
    patch.setattr(rows, "check_name", lambda name, what: name)
    build_genome(folder / "s.zarr", GenomeInputs(fasta), GenomeOptions(layout=SMALL), Resources(1))
    build(folder)
    yield folder
    patch.undo()


FACTOR = f"=cmd{TRACK}"


def run(capsys, command, *arguments, status=0):
    assert command.main([str(a) for a in arguments]) == status
    shown = capsys.readouterr()
    assert_harmless(shown.out, shown.err)
    return shown.out


def test_every_command_shows_strange_names_as_text(strange, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")  # no cell of a table is broken into lines
    store, folder = strange / "s.zarr", strange
    assert TRACK in run(capsys, etl, "build", store, folder / "A", "-p", "1", "--force")
    shown = run(capsys, etl, "info", store)
    assert [name in shown for name in (TRACK, FACTOR, "[/b]:bomb:, [red]$x", r"g\x1b[31m\nall is well [red]$x.fa")] == [
        True
    ] * 4
    json.loads(run(capsys, etl, "info", store, "--json"))
    run(capsys, etl, "verify", store)
    run(capsys, etl, "build", store, folder / "A", "-p", "1")
    run(capsys, etl, "unpack", store, folder / "raw.zarr", "-p", "1")
    run(capsys, etl, "export", store, folder / "out.zip", "--licence", MARKUP)
    shown = run(capsys, etl, "list", folder)
    assert [name in shown for name in (TRACK, FACTOR, MARKUP)] == [True] * 3
    assert f"licence: {markdown_text(MARKUP)}" in run(capsys, etl, "card", folder / "out.zip")
    assert_harmless((folder / "out.zip.md").read_text())
    run(capsys, etl, "import", "out", folder / "imported.zarr", "--from", folder)
    small = "-v chrB -t none -e 1 -L 204 -k 2 -w 4 -r 2 -d 2 -n 1 -b 20".split()
    run(capsys, train, "--store", store, "-f", FACTOR, "-i", "A", "-m", *small, "-o", folder / "m [red]$x")
    m = folder / "m [red]$x"
    run(capsys, train, "--store", store, "-f", FACTOR, "-i", "A", *small, "--dry-run")
    shown = run(capsys, model, "info", m)
    assert TRACK in shown
    assert "[/b]:bomb:, [red]$x" in shown
    out = folder / "p.bed.gz"
    run(capsys, predict, "--store", store, "-m", m, "-i", "A", "-f", FACTOR, "--regions", "chrB", "-o", out)
    picture = folder / "p.png"
    arguments = (out, "--store", store, "-i", "A", "-f", FACTOR, "--track", TRACK, "--picture", picture)
    run(capsys, evaluate, *arguments, status=2)  # the model was validated on chrB
    shown = run(capsys, evaluate, *arguments, "--allow-seen")
    assert TRACK in shown
    assert picture.stat().st_size > 1000
    (folder / "motifs.meme").write_text(MEME)
    page = folder / "page"
    run(capsys, visualize, "--store", store, "-i", "A", "-b", folder / "A/p.bed", "-m", m, "-c", "chrA", "-o", page,
        "--motifs", folder / "motifs.meme", "--pictures", "svg", "png")  # fmt: skip
    check_page(page)


def check_page(page):
    text = (page / "index.html").read_text()
    assert "<script" not in text.lower()
    assert html.escape(TRACK) in text
    assert "\x1b" not in text
    for picture in page.glob("logos/*.svg"):
        texts = [e.text for e in ET.fromstring(picture.read_text()).iter() if e.text]
        assert TRACK in texts
    with (page / "kernels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert not [
        v for row in rows for k, v in row.items() if k.startswith("match") and v[:1] in ("=", "+", "-", "@", "\t")
    ]
    for name in ("motifs.txt", "kernels.csv", "index.html"):
        assert_harmless((page / name).read_text())


@pytest.mark.parametrize("kind", ["input", "version", "summary", "folder", "extra file", "index", "assembly"])
@pytest.mark.parametrize(
    "command", [["info"], ["verify", "--quick"], ["verify"], ["rm", "NONE"], ["export", "out.zip"]], ids=" ".join
)
def test_strange_texts_of_a_sealed_store_are_harmless(files, kind, command, capsys, monkeypatch):
    store = files / "s.zarr"
    build(files)
    monkeypatch.chdir(files)
    cell = store / "cells/A"

    def edit(group, change):
        attributes = json.loads((group / "zarr.json").read_text())["attributes"]
        change(attributes)
        write_group(group, attributes)

    {
        "input": lambda: edit(store, lambda a: a["provenance"].update(inputs=[{"name": ESCAPES[:-2] + MARKUP, "size": 1, "sha256": ESCAPES[:-2]}])),
        "version": lambda: edit(store, lambda a: a["provenance"].update(factornet=ESCAPES[:-2])),
        "summary": lambda: edit(cell, lambda a: a["summary"].update(factors={"[/red]" + ESCAPES[:-2]: a["summary"]["factors"]["TF"]})),
        "folder": lambda: shutil.copytree(cell, store / f"cells/x{ESCAPES[:-2]}"),
        "extra file": lambda: (cell / f"x{ESCAPES[:-1]}").write_text("x"),
        "index": lambda: write_group(store / "cells", {"cells": {ESCAPES[:-2]: "x"}}),
        "assembly": lambda: edit(store, lambda a: a.update(assembly=ESCAPES[:-2])),
    }[kind]()  # fmt: skip
    assert etl.main([command[0], str(store), *command[1:]]) in (0, 1, 2)
    shown = capsys.readouterr()
    assert_harmless(shown.out, shown.err)


FORKS = """
import json, os, sys
from factornet.cli import etl
for arguments in json.loads(sys.argv[1]):
    if os.fork() == 0:
        sys.argv[1:] = arguments
        from factornet.cli.entry_points import etl
        sys.exit(etl())
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)  # or the next child prints it, too
"""


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_errors_and_wrong_arguments_are_lines_of_text(files, verbose):
    strange = files / "x\x1b[2J\nall is well\udc80"
    calls = (
        ["build", str(files / "s.zarr"), str(strange)],
        ["verify", str(strange)],
        ["info", str(files / "s.zarr"), f"--{ESCAPES[:-2]}"],
        ["build", str(files / "s.zarr"), str(files / "A"), "-p", "\x1b[2J"],
    )
    command = [sys.executable, "-c", FORKS, json.dumps([[*arguments, *verbose] for arguments in calls])]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    statuses = [int(line) for line in done.stdout.split()]
    assert len(statuses) == len(calls)
    assert set(statuses) == {2}
    shown = done.stderr.decode()
    assert shown.count(": error: ") >= len(calls)
    assert_harmless(shown.replace("Traceback", "") if verbose else shown)


def test_letters_that_the_terminal_lacks_are_escaped(files):
    (files / "A/meta.txt").write_text("1.5\tΔNp63α\n")
    code = "import sys; from factornet.cli.entry_points import etl; sys.exit(etl())"
    command = [sys.executable, "-c", code, "build", files / "s.zarr", files / "A", "-p", "1"]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert rb"\u0394Np63\u03b1" in done.stdout
    assert open_store(files / "s.zarr").cell("A").meta == ("ΔNp63α",)


@pytest.mark.parametrize("name", ["GEPC\u200b1", "GEPC\x1b[2J", "\u202eGEPC"])
def test_feature_that_no_store_could_have_is_refused_by_line(files, name, capsys):
    """Such names were written, and the cell line could not be opened."""
    (files / "A/meta.txt").write_text(f"1.5\tGEPC0\n1.5\t{name}\n")
    assert etl.main(["build", str(files / "s.zarr"), str(files / "A"), "-p", "1"]) == 2
    shown = capsys.readouterr().err
    assert f"meta.txt:2: name {name!r} has characters that cannot be printed; type it again" in shown
    assert_harmless(shown)


def test_picture_with_a_strange_title_can_be_saved(tmp_path):
    figure = Figure()
    figure.suptitle(plain_text(r"$x \frac{" + ESCAPES))
    save_figure(figure, tmp_path / "x.svg")
    assert "pwned" in (tmp_path / "x.svg").read_text() or (tmp_path / "x.svg").stat().st_size > 500
