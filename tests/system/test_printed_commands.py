"""Each command, script and program that the documentation prints has its place in `stress.printed_commands`."""

import os
import re
from pathlib import Path

import pytest
from stress.printed_commands.pages import find_printed, pages, read_page
from stress.printed_commands.report import published_text, report
from stress.printed_commands.run import load_outcomes, run_page, save_outcomes
from stress.printed_commands.substitutions import NOT_RUN, PAGES, SUBSTITUTIONS, Page, substitute, why_not_run

ROOT = Path(__file__).parents[2]
PRINTED = [item for page in pages(ROOT) for item in read_page(ROOT, page)]
VALUES = {"web": "http://127.0.0.1:1", "scheduler": "tcp://127.0.0.1:2", "port": "3", "folder": "/work", "www": "/www"}


def test_each_printed_block_is_run_or_listed_with_a_reason():
    lost = [f"{i.page}:{i.line}: {i.text}" for i in PRINTED if i.kind == "other" and not why_not_run(i)]
    assert not lost, f"neither a command nor in NOT_RUN: {lost}"
    homeless = {i.page for i in PRINTED if i.kind != "other" and not why_not_run(i)} - set(PAGES)
    assert not homeless, f"pages with commands that PAGES lacks: {homeless}"


def test_published_table_has_what_the_pages_print():
    """In the order of the pages; `make printed-commands` writes it anew."""
    published = (ROOT / "docs/printed-commands.md").read_text()
    lacking = [f"{i.page}:{i.line}: {i.text}" for i in PRINTED if published_text(i) not in published]
    assert not lacking, f"run `make printed-commands`: {lacking}"
    assert f"| found | {len(PRINTED)} |" in published
    assert "| ended otherwise than the page says | 0 |" in published


@pytest.mark.parametrize("place", NOT_RUN, ids=lambda place: f"{place[0]}-{place[1][:12]}")
def test_what_is_not_run_is_still_printed(place):
    assert any(i.page == place[0] and i.text.startswith(place[1]) for i in PRINTED)


def test_tables_name_what_is_printed():
    for page, what in PAGES.items():
        texts = [i.text for i in PRINTED if i.page == page]
        for begin in [*what.steps, *what.status]:
            assert any(text.startswith(begin) for text in texts), f"{page}: {begin}"
    made = {s.pattern for i in PRINTED if not why_not_run(i) for s in substitute(i, VALUES)[1]}
    assert made == {s.pattern for s in SUBSTITUTIONS}


def test_blocks_are_found_with_continued_lines_and_without_comments():
    text = "A page.\n\n    factornet-etl a \\\n        b    # why\n    make c\n\nMore.\n\n```sh\nx y\n```\n\n```toml\n[a]\n```\n"
    found = [(i.line, i.kind, i.text) for i in find_printed("p", text)]
    assert found == [
        (3, "command", "factornet-etl a b"),
        (5, "command", "make c"),
        (10, "command", "x y"),
        (14, "other", "[a]"),
    ]


def test_python_of_a_page_is_found():
    (item,) = find_printed("p", "See\n\n    from a import b\n\n    b()\n\nend\n")
    assert (item.kind, item.text) == ("python", "from a import b\n\nb()")
    assert not re.search("factornet", item.text)


def test_commands_run_in_the_order_of_the_page_and_faults_are_counted(tmp_path):
    text = "    factornet() { echo $1 >> log; }; factornet a\n    factornet-none b\n    mkdir c && sleep 100 &\n"
    items = find_printed("p", f"A page.\n\n{text}\nend\n")
    page = Page(steps={"mkdir": "test $(cat log) = a"}, status={"factornet-none": 3})
    (tmp_path / "p").mkdir()
    outcomes = run_page(items, page, tmp_path / "p", VALUES, {"PATH": os.environ["PATH"]})
    assert [(o.status, o.is_fault) for o in outcomes] == [(0, False), (127, True), (0, False)]
    shown = report(outcomes)
    assert "| ended otherwise than the page says | 1 |" in shown
    assert "| `factornet-none b` | as printed: status 127, not 3 |" in shown
    assert str(tmp_path) not in shown
    save_outcomes(outcomes, tmp_path / "kept/p.json")
    assert load_outcomes(tmp_path / "kept/p.json") == outcomes
