"""Whatever is dropped, clipped or unusual in peaks is counted by `factornet-etl build`, and by `info` ever after."""

import json
import re
from pathlib import Path

import pytest

from factornet.cli import etl

PEAKS = [("chrA", 5000, 5300), ("chrA", 9000, 9300), ("chrB", 4000, 4300)]


def narrow(*peaks):
    rows = ((*(peak if len(peak) == 4 else (*peak, 150)),) for peak in peaks)
    return "".join(f"{c}\t{a}\t{b}\t.\t50\t.\t5.5\t6\t4\t{o}\n" for c, a, b, o in rows)


def run(files, capsys, peaks, relaxed=None, *, name="p.bed"):
    """Build cell line A with these peaks; return what `build` and `info` print, one line each, and the JSON of `info`."""
    (files / "A" / name).write_text(peaks)
    (files / "A/r.bed").write_text(relaxed or "")
    (files / "A/chip.txt").write_text(f"{name}\tTF\tr.bed\n" if relaxed else f"{name}\tTF\n")
    store = str(files / "s.zarr")
    assert etl.main(["build", store, str(files / "A"), "-p", "1"]) == 0
    built = capsys.readouterr().out
    assert etl.main(["info", store]) == 0
    shown = capsys.readouterr().out
    assert etl.main(["info", store, "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    return built, shown, cell["summary"]["factors"]["TF"]


REPEATED = "with the same interval as another peak, and another summit; each is a peak"


@pytest.mark.parametrize(
    ("peaks", "relaxed", "note"),
    [
        (narrow(*PEAKS, ("chrX", 1, 9), ("chrX", 3, 9), ("chrY", 1, 9)), None, "peaks dropped, 2 on chrX, 1 on chrY (not in the store)"),
        (narrow(*PEAKS, ("A", 1, 9)), None, "peaks dropped, 1 on A (not in the store); if these are the same chromosomes, give --chrom-alias A=chrA"),
        (narrow(*PEAKS), narrow(*PEAKS, ("B", 1, 9)), "relaxed peaks dropped, 1 on B (not in the store); if these are the same chromosomes, give --chrom-alias B=chrB"),
        (narrow(*PEAKS, ("chrB", 11_800, 12_021), ("chrA", -2, 300)), None, "2 peaks reached past an end of the chromosome, clipped there"),
        (narrow(*PEAKS), narrow(*PEAKS, ("chrB", 11_800, 12_021)), "1 relaxed peak reached past an end of the chromosome, clipped there"),
        (narrow(*PEAKS, ("chrA", 12_000, 12_300, 300)), None, "1 summit outside the peak, stored as none"),
        (narrow(*PEAKS), narrow(*PEAKS, ("chrA", 12_000, 12_300, 300)), "1 summit outside the relaxed peak, stored as none"),
        (narrow(*PEAKS, ("chrA", 12_000, 12_300, "x")), None, "column 10 of 1 peak is no summit, stored as none"),
        (narrow(*((*p, 1) for p in PEAKS)), None, "column 10 of 3 peaks not read as a summit: by name and content the file is no narrowPeak"),
        (narrow(*PEAKS, PEAKS[0]), None, "1 duplicate peak, kept"),
        (narrow(*PEAKS), narrow(*PEAKS, PEAKS[0]), "1 duplicate relaxed peak, kept"),
        (narrow(*PEAKS, (*PEAKS[0], 30)), None, f"1 line {REPEATED}"),
        (narrow(*PEAKS, *((*p, 30) for p in PEAKS)), None, f"3 lines {REPEATED}"),
        (narrow(*((c, a, a + 1, 0) for c, a, _ in PEAKS)), None, "3 of 3 conservative peaks are shorter than 101 bases, too narrow for any bin to be bound; give whole peaks instead of summits, or widen them (bedtools slop -b 100)"),
        (narrow(*PEAKS, ("chrA", 700, 800)), None, "1 of 4 conservative peaks are shorter than 101 bases, too narrow for any bin"),
        (narrow(*PEAKS), narrow(*((c, (a + b) // 2, (a + b) // 2 + 1) for c, a, b in PEAKS)), "3 of 3 relaxed peaks are shorter than 101 bases; give whole peaks instead of summits"),
        (narrow(*PEAKS, ("chrA", 700, 900), ("chrA", 900, 1300)), narrow(*PEAKS, ("chrA", 1200, 1400)), "1 of 5 conservative peaks overlap no relaxed peak, kept"),
        (narrow(*PEAKS, ("chrA", 5100, 5400)), narrow(*PEAKS), "4 conservative peaks and only 3 relaxed: the columns of chip.txt look exchanged"),
    ],
)  # fmt: skip
def test_what_is_unusual_is_counted_in_build_and_info(files, capsys, peaks, relaxed, note):
    built, shown, _ = run(files, capsys, peaks, relaxed)
    assert f"  factor TF: {note}" in built
    assert f"A: factor TF: {note}" in shown
    assert built.count(note) == 1


def test_ordinary_peaks_have_no_note(files, capsys):
    built, shown, summary = run(files, capsys, narrow(*PEAKS), narrow(*PEAKS), name="p.narrowPeak")
    assert "factor TF" not in built + shown
    assert summary["files"] == {"conservative": {}, "relaxed": {}}


def test_column_of_dropped_peaks_counts_both_files(files, capsys):
    many = [("chrX", 1, 9 + i) for i in range(1200)]
    built, shown, summary = run(files, capsys, narrow(*PEAKS, *many), narrow(*PEAKS, ("B", 1, 9)))
    for text in (built, shown):
        assert re.search(r"TF\W+3\W+3\W+1,201\W+\d+", text)
    assert summary["dropped"] == {"chrX": 1200}
    assert summary["files"]["relaxed"] == {"dropped": {"B": 1}, "aliases": {"B": "chrB"}}


def test_notes_name_the_chromosomes_with_most_dropped_peaks(files, capsys):
    dropped = [(f"c{i}", 1, 9 + n) for i in range(9) for n in range(i + 1)]
    built, _, _ = run(files, capsys, narrow(*PEAKS, *dropped))
    assert "peaks dropped, 9 on c8, 8 on c7, 7 on c6, 6 on c5, 5 on c4, 4 on c3 and 3 more (not in the store)" in built


def test_store_built_before_files_were_counted_is_shown(capsys):
    fixture = Path(__file__).parents[2] / "fixtures/store-schema-1.zip"
    assert etl.main(["info", str(fixture)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"CTCF\W+7\W+\d+\W+0\W+\d+", shown)
    assert "factor CTCF" not in shown


def test_rows_of_the_sheets_behind_a_comment_sign_are_named(files, capsys):
    (files / "A/bigwig.txt").write_text((files / "A/bigwig.txt").read_text() + "# file name\n#p.bed CTCF\n")
    built, _, _ = run(files, capsys, narrow(*PEAKS))
    assert re.search(r"1 row behind a #, not read: bigwig\.txt:\d+ \(#p\.bed CTCF\)", built)
