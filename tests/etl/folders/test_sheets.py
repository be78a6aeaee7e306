"""Sheets that are written are read back as they were meant, and those of people are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.etl.folders.names import distinct_names, safe_name
from factornet.etl.folders.sheets import ChipRow, TrackRow, differing_sheets, sheet_texts, write_sheets, write_sources
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.etl.inputs.provenance import read_sources
from factornet.store import InputError
from factornet.store.schema import check_name

TEXTS = sheet_texts(
    [TrackRow("#1 a.bw", "DNase", "DNase-seq", "1x"), TrackRow("b.bw", "ATAC")],
    [ChipRow("my peaks.bed", "MAX", "r.bed"), ChipRow("p.bed", "CTCF")],
)


def test_sheets_are_read_back(tmp_path):
    folder = tmp_path / "K562"
    folder.mkdir()
    for name in ("#1 a.bw", "b.bw", "my peaks.bed", "r.bed", "p.bed"):
        (folder / name).touch()
    assert write_sheets(folder, TEXTS, force=False) == {"bigwig.txt": "written", "chip.txt": "written"}
    found = read_cell_folder(folder)
    tracks = [(t.path.name, t.name, t.assay, t.units) for t in found.tracks]
    assert tracks == [("#1 a.bw", "DNase", "DNase-seq", "1x"), ("b.bw", "ATAC", "", "")]
    assert [(c.conservative.name, c.factor, c.relaxed and c.relaxed.name) for c in found.chip] == [
        ("my peaks.bed", "MAX", "r.bed"), ("p.bed", "CTCF", None),
    ]  # fmt: skip
    assert write_sheets(folder, TEXTS, force=False) == {"bigwig.txt": "unchanged", "chip.txt": "unchanged"}


def test_other_sheets_are_kept_or_replaced(tmp_path):
    (tmp_path / "chip.txt").write_text("mine\n")
    assert differing_sheets(tmp_path, TEXTS) == [tmp_path / "chip.txt"]
    assert write_sheets(tmp_path, TEXTS, force=False) == {"bigwig.txt": "written", "chip.txt": "kept"}
    assert (tmp_path / "chip.txt").read_text() == "mine\n"
    assert write_sheets(tmp_path, TEXTS, force=True)["chip.txt"] == "replaced"
    assert write_sheets(tmp_path, {**TEXTS, "bigwig.txt": ""}, force=True)["bigwig.txt"] == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bigwig.txt", "chip.txt"]


def test_sources_are_read_back(tmp_path):
    sources = {"a.bw": {"accession": "ENCFF001AAA", "lab": "Müller"}}
    write_sources(tmp_path, sources)
    assert read_sources(tmp_path) == sources
    write_sources(tmp_path, {"b.bw": {"lab": "x"}})
    assert read_sources(tmp_path) == {**sources, "b.bw": {"lab": "x"}}


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', '{"a": {"b": 1}}', '{"a": {"b": "\\u001b"}}', "{"])
def test_sources_of_another_form_are_refused(tmp_path, text):
    (tmp_path / "sources.json").write_text(text)
    with pytest.raises(InputError, match=r"sources.json.*or remove it"):
        read_sources(tmp_path)


@given(st.lists(st.text(max_size=4), unique=True, max_size=8))
def test_names_are_safe_and_differ_in_more_than_case(texts):
    names = distinct_names({text: safe_name(text) or "x" for text in texts})
    assert len({name.casefold() for name in names.values()}) == len(texts)
    assert all(check_name(name, "name") for name in names.values())
