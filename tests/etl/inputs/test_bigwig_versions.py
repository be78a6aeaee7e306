"""bigWigs of every version, byte order and kind of section: values as written, and as pyBigWig reads them."""

import itertools
import struct

import numpy as np
import pyBigWig
import pytest
from support.bigwig_versions import Section, Writer

from factornet.etl.inputs.bigwig import read_by_pybigwig, read_values
from factornet.store import InputError
from factornet.store.genome.bigwig_format import check_structure

LENGTHS = {"chr1": 5000, "chr10": 3000, "chr2": 4000}
SECTIONS = [
    Section("chr1", 1, [(0, 7, 1.5), (7, 20, -2.0), (40, 41, 0.25)]),
    Section("chr1", 2, [(100, 125, 3.0), (150, 175, 4.0), (900, 925, 5.0)]),
    Section("chr1", 3, [(1000 + 10 * i, 1005 + 10 * i, float(i)) for i in range(50)]),
    Section("chr1", 1, [(4990, 5000, 8.0)]),
    Section("chr2", 3, [(i, i + 1, i / 7) for i in range(300)]),
    Section("chr2", 1, [(3000, 3500, 1e-30), (3500, 3900, 123456.789)]),
]
"""chr10 has no data."""


def expected_values(chrom: str) -> np.ndarray:
    values = np.zeros(LENGTHS[chrom], np.float32)
    for section in SECTIONS:
        for start, stop, value in section.items:
            if section.chrom == chrom:
                values[start:stop] = value
    return values


CASES = [
    {"version": version, "order": order, "compressed": compressed, "n_zooms": n_zooms, "per_node": per_node}
    for version, order, compressed, n_zooms, per_node in itertools.product(
        (1, 2, 3, 4), "<>", (True, False), (0, 2), (256, 2)
    )
    if version > 2 or not compressed
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_version_is_read_as_written_and_as_by_pybigwig(tmp_path, case):
    path = tmp_path / "x.bw"
    Writer(**case).write(path, LENGTHS, SECTIONS)
    info = check_structure(path)
    assert (info.version, info.big_endian, info.lengths) == (case["version"], case["order"] == ">", LENGTHS)
    for chrom, length in LENGTHS.items():
        values, summary = read_values(path, chrom, 0, length)
        np.testing.assert_array_equal(values, expected_values(chrom))
        np.testing.assert_array_equal(read_values(path, chrom, 13, 1017)[0], expected_values(chrom)[13:1017])
        np.testing.assert_array_equal(read_by_pybigwig(path, chrom, 0, length), values)
        assert (summary.covered > 0) == (chrom != "chr10")
        if case["order"] == "<":
            with pyBigWig.open(str(path)) as file:
                np.testing.assert_array_equal(np.nan_to_num(file.values(chrom, 0, length, numpy=True)), values)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [True, False])
def test_several_sections_in_a_block_are_all_read(tmp_path, order, compressed):
    """Also of two chromosomes."""
    path = tmp_path / "x.bw"
    Writer(order=order, compressed=compressed, sections_per_block=3).write(path, LENGTHS, SECTIONS)
    check_structure(path)
    for chrom, length in LENGTHS.items():
        np.testing.assert_array_equal(read_values(path, chrom, 0, length)[0], expected_values(chrom))
        np.testing.assert_array_equal(read_by_pybigwig(path, chrom, 0, length), expected_values(chrom))


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("n_zooms", [0, 2])
def test_file_cut_anywhere_is_refused_or_has_all_values(tmp_path, version, n_zooms):
    """Without an end mark only zeros that fill up the last node of an index may be missing."""
    path = tmp_path / "x.bw"
    Writer(version=version, n_zooms=n_zooms, per_node=4).write(path, LENGTHS, SECTIONS)
    data, read = path.read_bytes(), []
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        try:
            check_structure(path)
        except InputError as error:
            assert "empty" in str(error) or "cut short" in str(error) or "past the end" in str(error)  # noqa: PT017
        else:
            read.append(size)
            np.testing.assert_array_equal(read_values(path, "chr2", 0, 4000)[0], expected_values("chr2"))
    assert len(data) - min(read, default=len(data)) <= (64 if version < 4 else 0)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("more", [b"\n", bytes(3_000_000), b"<html>"])
def test_bytes_behind_the_end_mark_are_not_called_a_file_cut_short(tmp_path, order, more):
    """UCSC's validateFiles refuses such a file, too; what is behind the mark may be the rest of another file."""
    path = tmp_path / "x.bw"
    Writer(order=order).write(path, LENGTHS, SECTIONS)
    data = path.read_bytes()
    path.write_bytes(data + more)
    with pytest.raises(InputError, match=rf"{len(more):,} bytes? behind its end mark.*head -c {len(data)}\)"):
        check_structure(path)
    path.write_bytes((data + more)[: len(data)])
    check_structure(path)


def test_unknown_version_is_refused(tmp_path):
    path = tmp_path / "x.bw"
    Writer().write(path, LENGTHS, SECTIONS)
    for version in (0, 5, 2560):
        path.write_bytes(path.read_bytes()[:4] + struct.pack("<H", version) + path.read_bytes()[6:])
        with pytest.raises(InputError, match=f"bigWig version {version}; versions 1 to 4 are read"):
            check_structure(path)


@pytest.mark.parametrize("order", "<>")
def test_bigbed_is_named(tmp_path, order):
    path = tmp_path / "x.bw"
    path.write_bytes(struct.pack(f"{order}IH", 0x8789F2EB, 3) + bytes(100))
    with pytest.raises(InputError, match="not a bigWig but a bigBed"):
        check_structure(path)


@pytest.mark.parametrize(("value", "problem"), [(float("nan"), ""), (float("inf"), "infinite value at chr1:7")])
@pytest.mark.parametrize("order", "<>")
def test_nan_is_a_gap_and_infinity_is_refused(tmp_path, order, value, problem):
    items = [(0, 7, 1.0), (7, 9, value), (9, 12, 2.0)]
    Writer(version=2, order=order).write(tmp_path / "x.bw", {"chr1": 50}, [Section("chr1", 1, items)])
    if problem:
        with pytest.raises(InputError, match=problem):
            read_values(tmp_path / "x.bw", "chr1", 0, 50)
    else:
        values, summary = read_values(tmp_path / "x.bw", "chr1", 0, 50)
        assert values[:13].tolist() == [1.0] * 7 + [0.0] * 2 + [2.0] * 3 + [0.0]
        assert (summary.covered, summary.gaps) == (10, 40)
