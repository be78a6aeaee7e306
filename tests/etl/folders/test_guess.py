"""What files of a folder are, by name and content: as people, pipelines and the original name them."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.etl.folders.guess import guess_folder
from factornet.etl.folders.name_words import split_name
from factornet.etl.folders.names import READ_TRACKS, safe_name
from factornet.etl.folders.sheets import sheet_texts
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.etl.reads.signal_options import ASSAYS, default_track
from factornet.store import UsageError
from factornet.store.schema import check_name

PEAK = "chr1\t100\t300\t.\t500\t.\t5.5\t-1\t2.1\t100\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "K562"
    path.mkdir()
    return path


def put(folder, *names):
    for name in names:
        path = folder / name
        if name.lower().endswith((".bw", ".bigwig")):
            path.write_bytes(b"\x26\xfc\x8f\x88")
        elif name.endswith(".sam"):
            path.write_text("@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:9\n")
        elif name.endswith(".bam"):
            path.write_bytes(gzip.compress(b"BAM\x01"))
        elif name.endswith(".gz"):
            path.write_bytes(gzip.compress(PEAK.encode()))
        else:
            path.write_text(PEAK)


def rows(folder):
    guess = guess_folder(folder)
    return {line for text in sheet_texts(guess.tracks, guess.chip).values() for line in text.splitlines()}


def reasons(folder):
    return {f.name: f.reason for f in guess_folder(folder).files if not f.use}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("K562.DGF.bw", "K562.DGF.bw\tDGF\tassay=DNase-seq"),
        ("k562_dnase_fc.bigWig", "k562_dnase_fc.bigWig\tDNase\tassay=DNase-seq\tunits=fold-change"),
        ("ATAC.K562.rep1.pval.signal.bigwig", "ATAC.K562.rep1.pval.signal.bigwig\tATAC\tassay=ATAC-seq\tunits=p-value"),
        ("DNase-seq.1x.bw", "DNase-seq.1x.bw\tDNase\tassay=DNase-seq\tunits=1x"),
        ("Unique35.bw", "Unique35.bw\tUnique35"),
        ("ENCFF123ABC.DNase.hg38.bw", "ENCFF123ABC.DNase.hg38.bw\tDNase\tassay=DNase-seq"),
        ("K562 ATAC rep1.bam", "K562 ATAC rep1.bam\tATAC\tassay=ATAC-seq"),
        ("DNase.sam", "DNase.sam\tDGF\tassay=DNase-seq"),
        ("fragments.tsv.gz", "fragments.tsv.gz\tATAC\tassay=ATAC-seq"),
    ],
)
def test_signal_and_reads_become_tracks(folder, name, row):
    put(folder, name)
    assert rows(folder) == {row}


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz", "CTCF"),
        ("CTCF_peaks.narrowPeak", "CTCF"),
        ("K562_CTCF_rep1_peaks.bed", "CTCF"),
        ("CTCF.ENCFF123ABC.hg38.IDR_thresholded_peaks.bed.gz", "CTCF"),
        ("CTCF-rep1_peaks.xls", "CTCF"),
        ("NKX2-5_peaks.narrowPeak", "NKX2-5"),
        ("eGFP-ZNF24.bed.gz", "eGFP-ZNF24"),
        ("GSM822280_K562_MAX_q0.05_peaks.narrowPeak.gz", "MAX"),
        ("TF-ChIP-seq MAX (K562).bed", "MAX"),
    ],
)
def test_peaks_become_the_factor_in_their_name(folder, name, factor):
    put(folder, name)
    assert rows(folder) == {f"{name}\t{factor}"}


def test_conservative_and_relaxed_peaks_are_paired(folder):
    put(folder, "ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz", "ChIPseq.K562.CTCF.relaxed.narrowPeak.gz")
    put(folder, "MAX.optimal.bed", "MAX.conservative.bed", "REST_peaks.bed", "REST_relaxed_peaks.bed")
    assert rows(folder) == {
        "ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz\tCTCF\tChIPseq.K562.CTCF.relaxed.narrowPeak.gz",
        "MAX.conservative.bed\tMAX\tMAX.optimal.bed",
        "REST_peaks.bed\tREST\tREST_relaxed_peaks.bed",
    }
    assert not reasons(folder)
    assert [c.factor for c in guess_folder(folder).chip] == ["CTCF", "MAX", "REST"]


def test_what_cannot_be_told_is_not_placed(folder):
    put(folder, "MAX_rep1.bed", "MAX_rep2.bed", "CTCF_relaxed.bed", "peaks.bed", "CTCF_MAX.bed", "DNase_peaks.bed")
    put(folder, "hg38-blacklist.v2.bed.gz", "CTCF.bam", "rep1.bw", "DNase_fwd.bw")
    (folder / "YY1.bed").write_text("")
    (folder / "REST.narrowPeak.gz").write_bytes(gzip.compress(PEAK.encode() * 99)[:20])
    (folder / "GABPA.bed").symlink_to("gone")
    put(folder, "IgG_peaks.bed", "K562_Input.narrowPeak", "input.bw")
    (folder / "ATAC.bw").write_text("")
    (folder / "EGR1.bed").write_text("<html>")
    os.mkfifo(folder / "REST.bed")
    found = reasons(folder)
    assert not rows(folder)
    assert found == {
        "MAX_rep1.bed": "2 files may be the conservative peaks of MAX; write its row",
        "MAX_rep2.bed": "2 files may be the conservative peaks of MAX; write its row",
        "CTCF_relaxed.bed": "relaxed peaks of CTCF without conservative ones",
        "peaks.bed": "its name has no word for the factor; rename it, such as CTCF.conservative.narrowPeak",
        "CTCF_MAX.bed": "the factor may be CTCF or MAX; rename it, or write its row",
        "DNase_peaks.bed": "peaks of accessibility are in no sheet",
        "hg38-blacklist.v2.bed.gz": "a blacklist belongs to the genome of a store",
        "CTCF.bam": "its name has neither DNase nor ATAC: only such reads are signal",
        "rep1.bw": "its name has no word for the track; rename it, such as DNase.bw",
        "DNase_fwd.bw": "track DNase_fwd has no partner DNase_rev",
        "YY1.bed": "has no line of chromosome, start and stop",
        "REST.narrowPeak.gz": found["REST.narrowPeak.gz"],
        "GABPA.bed": "no such file, or no file",
        "IgG_peaks.bed": "is a control by its name",
        "K562_Input.narrowPeak": "is a control by its name",
        "input.bw": "is a control by its name",
        "ATAC.bw": "is not what its name says",
        "EGR1.bed": "is a web page or XML file",
        "REST.bed": "no such file, or no file",
    }
    assert "cut short or damaged" in found["REST.narrowPeak.gz"]
    assert all(f.is_open for f in guess_folder(folder).files)


def test_several_files_of_one_track(folder):
    put(folder, "K562.DNase.rep1.bw", "K562.DNase.rep2.bw", "ATAC_rep1.bam", "ATAC_rep2.bam", "DNase_reads.bam")
    put(folder, "x_fwd.bw", "x_rev.bw")
    assert rows(folder) == {
        "K562.DNase.rep1.bw\tDNase.rep1\tassay=DNase-seq",
        "K562.DNase.rep2.bw\tDNase.rep2\tassay=DNase-seq",
        "ATAC_rep1.bam\tATAC\tassay=ATAC-seq",
        "ATAC_rep2.bam\tATAC\tassay=ATAC-seq",
        "x_fwd.bw\tx_fwd",
        "x_rev.bw\tx_rev",
    }
    assert reasons(folder) == {"DNase_reads.bam": "K562.DNase.rep2.bw is a bigWig of DNase-seq"}
    (folder / "K562.DNase.rep1.bw").unlink()
    (folder / "K562.DNase.rep2.bw").unlink()
    assert "DNase_reads.bam\tDGF\tassay=DNase-seq" in rows(folder)


def test_companions_and_other_files_are_no_data(folder):
    put(folder, "ATAC.bam")
    for name in ("ATAC.bam.bai", "README.md", "chip.txt", "meta.txt", "sources.json", ".hidden.bed"):
        (folder / name).write_text("x")
    (folder / "more").mkdir()
    guess = guess_folder(folder)
    assert [(f.name, f.kind, f.is_open) for f in guess.files] == [
        ("ATAC.bam", "reads", False), ("ATAC.bam.bai", "companion", False), ("README.md", "other", False),
        ("more", "other", False),
    ]  # fmt: skip


def test_accessibility_of_control_cells_is_no_control(folder):
    put(folder, "DNase_input_cells.bw")
    assert rows(folder) == {"DNase_input_cells.bw\tDNase\tassay=DNase-seq"}


def test_guess_of_the_demo_is_its_sheets(demo_files, tmp_path):
    """But for the shared track, which lies elsewhere."""
    folder = demo_files / "cells/HepG2"
    guess, sheets = guess_folder(folder), read_cell_folder(folder)
    assert [(c.conservative, c.factor, c.relaxed) for c in guess.chip] == sorted(
        ((c.conservative.name, c.factor, c.relaxed.name if c.relaxed else "") for c in sheets.chip), key=lambda c: c[1]
    )
    assert [(t.file, t.track) for t in guess.tracks] == [(t.path.name, t.name) for t in sheets.tracks[1:]]


def test_folder_must_exist_and_have_the_name_of_a_cell_line(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        guess_folder(tmp_path / "K562")
    (tmp_path / "my cells").mkdir()
    with pytest.raises(UsageError, match="cell line 'my cells' cannot be a name in a store"):
        guess_folder(tmp_path / "my cells")


@given(st.text(max_size=30), st.sampled_from(["", ".bw", ".narrowPeak.gz", ".fragments.tsv.gz"]))
def test_names_of_tracks_and_factors_are_safe_whatever_the_file_is_called(text, suffix):
    words = split_name(text + suffix, "K562")
    for name in (words.track, words.stem, *map(safe_name, words.others)):
        assert not name or check_name(name, "name")


def test_tracks_of_reads_are_called_as_where_there_is_no_folder():
    assert {assay: default_track(assay) for assay in ASSAYS} == READ_TRACKS


FRAGMENT = "chr1\t100\t300\tAAACGAAAGAAATACC-1\t2\n"


@pytest.mark.parametrize(
    ("name", "line", "is_reads"),
    [
        ("frag.tsv.gz", FRAGMENT, True),
        ("frag.bed.gz", FRAGMENT, True),
        ("frag.tsv", "chr1\t100\t300\ts1#AAACGAAAGAAATACC-1\n", True),
        ("frag.txt", FRAGMENT, False),  # no name that a build takes for reads
        ("genes.tsv", "chr1\t100\t300\tMAX\t2\n", False),
        ("sites.tsv", "chr1\t100\t110\tACGTACGTAC\t2\n", False),
        ("frag_peaks.bed", FRAGMENT, False),
        ("scores.tsv", "chr1\t100\t300\tAAACGAAAGAAATACC-1\t0.5\n", False),
    ],
)
def test_fragments_are_told_by_content(folder, name, line, is_reads):
    text = f"# id=made up\n{line}{line.replace('300', '301')}".encode()
    (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert (rows(folder) == {f"{name}\tATAC\tassay=ATAC-seq"}) == is_reads


def test_table_that_is_no_text_is_another_file(folder):
    (folder / "x.tsv").write_bytes(b"a\0\xff\xfe" * 99)
    (file,) = guess_folder(folder).files
    assert (file.kind, file.is_open) == ("other", False)
