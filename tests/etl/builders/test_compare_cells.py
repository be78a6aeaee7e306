"""Files that were given twice are named before and after a build; differences to cell lines of the store by a plan."""

import json
import shutil

import pytest
from support.tiny_experiment import OPTIONS, build, write_cell, write_tiny

from factornet.etl import Resources
from factornet.etl.builders.compare_cells import difference_notes
from factornet.etl.builders.planning.plan import plan_build
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.store import StoreError, open_store
from factornet.store.format import with_self_digest

SIGNAL = "track DNase: s.bw is identical to a file of cell line"
PEAKS = "factor TF: p.bed is identical to a file of cell line"


@pytest.fixture
def tiny(tmp_path):
    """A genome's store, and two cell lines of which no file equals another."""
    write_tiny(tmp_path)
    write_cell(tmp_path / "B", 2.5)
    (tmp_path / "B" / "p.bed").write_text("chrA\t6000\t6200\n")
    return tmp_path


def plan_notes(tiny, *cells):
    return plan_build(open_store(tiny / "s.zarr"), [tiny / c for c in cells], OPTIONS, Resources(1)).notes


def test_no_notes_where_all_files_differ(tiny):
    assert plan_notes(tiny, "A", "B") == ()
    build(tiny, "A")
    assert not [note for note in build(tiny, "B").notes if "identical" in note]


def test_signal_and_peaks_of_another_cell_line_are_noticed(tiny):
    for file in ("s.bw", "p.bed"):
        shutil.copy(tiny / "A" / file, tiny / "B" / file)
    assert plan_notes(tiny, "A", "B") == (
        f"B: {SIGNAL} A (track DNase); check to which it belongs",
        f"B: {PEAKS} A (factor TF); check to which it belongs",
    )
    build(tiny, "A")
    assert plan_notes(tiny, "B") == (
        f"B: {SIGNAL} A; check to which it belongs",
        f"B: {PEAKS} A; check to which it belongs",
    )
    notes = build(tiny, "B").notes
    assert f"{SIGNAL} A; check to which it belongs" in notes
    assert f"{PEAKS} A; check to which it belongs" in notes


def test_one_file_for_two_uses_of_a_cell_line_is_noticed(tiny):
    shutil.copy(tiny / "A" / "s.bw", tiny / "A" / "copy.bw")
    (tiny / "A" / "bigwig.txt").write_text("s.bw\tDNase\ncopy.bw\tATAC\n")
    (tiny / "A" / "chip.txt").write_text("p.bed\tTF\tp.bed\np.bed\tSECOND\n")
    expected = [
        "track ATAC: copy.bw is identical to s.bw (track DNase); check to which it belongs",
        "factor SECOND: p.bed is identical to p.bed (factor TF); check to which it belongs",
    ]
    assert list(plan_notes(tiny, "A")) == [f"A: {note}" for note in expected]
    assert [note for note in build(tiny, "A").notes if "identical" in note] == expected


def test_a_plan_compares_with_the_cell_lines_of_the_store(tiny):
    build(tiny, "A")
    (tiny / "B" / "bigwig.txt").write_text("s.bw\tDNAse\n")
    (tiny / "B" / "meta.txt").unlink()
    assert plan_notes(tiny, "B") == (
        "track DNAse: A lacks it; training on all takes tracks that all have",
        "track DNase: B lacks it; training on all takes tracks that all have",
        "meta values differ between cell lines (1 in A, 0 in B); training with them needs the same in all",
    )
    build(tiny, "B")
    write_cell(tiny / "B", 3.5)  # differences of others are not those of a new cell line
    shutil.copytree(tiny / "A", tiny / "C")
    write_cell(tiny / "C", 7.5)
    (tiny / "C" / "p.bed").write_text("chrA\t7000\t7200\n")
    notes = plan_notes(tiny, "C")
    assert "track DNAse: A, C lack it; training on all takes tracks that all have" in notes
    assert "track DNase: B lacks it; training on all takes tracks that all have" not in notes


@pytest.mark.parametrize("inputs", [5, ["x"], [{"size": 1, "sha256": "a"}], [{"name": "x", "size": "1", "sha256": ""}]])
def test_a_record_of_inputs_of_another_form_is_refused(tiny, inputs):
    build(tiny, "A")
    file = tiny / "s.zarr" / "cells" / "A" / "zarr.json"
    node = json.loads(file.read_bytes())
    node["attributes"]["provenance"]["inputs"] = inputs
    file.write_bytes(with_self_digest(node))
    with pytest.raises(StoreError, match=r"missing|is not of type"):
        open_store(tiny / "s.zarr").cell("A")


def test_tracks_of_the_genome_belong_to_all_cell_lines(tiny):
    build(tiny, "A")
    (tiny / "B" / "bigwig.txt").write_text("s.bw\tDNase\tassay=DNase-seq\ns.bw\tUnique35\n")
    existing, planned = [open_store(tiny / "s.zarr").cell("A")], [read_cell_folder(tiny / "B")]
    alike = "track DNase: assay is not stated alike: not stated in A, DNase-seq in B"
    assert difference_notes(planned, existing, ("Unique35",)) == [alike]
    assert len(difference_notes(planned, existing)) == 2
