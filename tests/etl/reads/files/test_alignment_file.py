"""BAM, CRAM and SAM files that are damaged or unusual."""

import gzip
import subprocess
import sys

import numpy as np
import pysam
import pytest
from support.read_signals import LENGTHS, assert_equal, write
from support.simulated_reads import simulate_bam

from factornet.etl.reads.read_set import open_reads
from factornet.etl.reads.signal_options import SignalOptions
from factornet.store.errors import InputError


@pytest.mark.parametrize("kind", ["cut", "flipped", "within a read", "text", "unaligned"])
def test_damaged_bams_are_refused(bam, tmp_path, kind):
    data, path = bam.read_bytes(), tmp_path / "x.bam"
    middle = len(data) // 2
    path.write_bytes(
        {
            "cut": data[:middle],
            "flipped": data[:middle] + bytes(b ^ 255 for b in data[middle : middle + 9]) + data[middle + 9 :],
            "within a read": b"",
            "text": b"hello",
            "unaligned": b"",
        }[kind]
    )
    if kind == "within a read":
        with pysam.BGZFile(str(bam), "rb", None) as file, pysam.BGZFile(str(path), "wb", None) as cut:
            cut.write(file.read()[:50_000])
    if kind == "unaligned":
        pysam.AlignmentFile(str(path), "wb", header={"HD": {"VN": "1.6"}}).close()
    expected = {
        "cut": "cannot be read as BAM, CRAM or SAM",
        "flipped": "is damaged",
        "within a read": "ends within a read, behind",
        "text": "cannot be read as BAM, CRAM or SAM",
        "unaligned": "is unaligned",
    }
    with pytest.raises(InputError, match=f"x.bam: {expected[kind]}"):
        write([path], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))
    assert [p.name for p in tmp_path.iterdir()] == ["x.bam"]


def test_htslib_writes_nothing_to_standard_error(bam, tmp_path):
    (tmp_path / "x.bam").write_bytes(bam.read_bytes()[:-40])
    code = "from factornet.etl.reads.files.alignment_file import read_header; import pathlib, sys; read_header(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.bam"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "[E::" not in done.stderr
    assert "[W::" not in done.stderr


@pytest.mark.parametrize("name", ["\x1b[2Jchr9", "chr9\u202e", "chr\u00e9"])
def test_chromosome_that_no_bigwig_can_name_is_refused_before_reads_are_counted(tmp_path, name):
    path = tmp_path / "r.sam"
    path.write_text(f"@SQ\tSN:chr1\tLN:30000\n@SQ\tSN:{name}\tLN:5000\nr\t0\tchr1\t9\t60\t4M\t*\t0\t0\tACGT\tIIII\n")
    with pytest.raises(InputError, match=r"r.sam: a chromosome is named .*; correct its header"):
        open_reads([path])
    assert open_reads([path], aliases={name: "chr9"}).coordinates.names == ("chr1", "chr9")


def test_cram_without_its_last_container_is_refused(tmp_path):
    path = simulate_bam(tmp_path / "r.cram", LENGTHS, 2_000, seed=5)
    path.write_bytes(path.read_bytes()[:-38])
    with pytest.raises(InputError, match=r"r.cram: cannot be read .*the container that ends a CRAM is missing"):
        open_reads([path])


def test_bam_of_plain_gzip_is_told_what_to_do(bam, tmp_path):
    with pysam.BGZFile(str(bam), "rb", None) as file, gzip.open(tmp_path / "r.bam", "wb") as plain:
        plain.write(file.read())
    with pytest.raises(InputError, match="it is compressed with gzip, not bgzip; convert it by samtools"):
        write([tmp_path / "r.bam"], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))


def test_long_cigars_are_found_in_their_tag(tmp_path):
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "chr1", "LN": 500_000}]}
    with pysam.AlignmentFile(str(tmp_path / "r.bam"), "wb", header=header) as file:
        for flag in (0, 16):
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.flag, read.reference_id, read.reference_start = "r", flag, 0, 1_000
            read.cigartuples = [(4, 3), *[(0, 2), (2, 1)] * 40_000, (0, 1), (4, 2)]
            read.query_sequence = "A" * read.infer_query_length(always=True)
            read.set_tags([("XA", "text"), ("NM", 5), ("XB", [1, 2, 3])])
            file.write(read)
    found = write([tmp_path / "r.bam"], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))[1]["both"]
    assert np.flatnonzero(found["chr1"]).tolist() == [1_000, 121_000]


@pytest.mark.parametrize("ending", [".cram", ".sam"])
def test_cram_and_sam_count_as_bam(tmp_path, ending):
    other = simulate_bam(tmp_path / f"r{ending}", LENGTHS, 2_000, seed=5)
    same = simulate_bam(tmp_path / "r.bam", LENGTHS, 2_000, seed=5)
    options = SignalOptions(assay="DNase-seq", scale="none")
    a, b = (write([file], tmp_path, options)[1]["both"] for file in (other, same))
    assert_equal(a, b)
