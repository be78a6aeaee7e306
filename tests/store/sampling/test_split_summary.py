"""Bases and positives of a split, compared with plain loops over the files of peaks."""

import gzip
import re

import pytest

from factornet.store import Sampler, open_store, parse_region, split_genome
from factornet.store.sampling.split_summary import summarize_split

LENGTH = 1000
VALID, TEST = ("chr11:200000-900000",), ("chr1", "chr21:0-500000")


def read_bed(path):
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [(fields[0], int(fields[1]), int(fields[2])) for fields in map(str.split, lines)]


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


def sampler_of(store, **options):
    valid, test = ([parse_region(t, store.coordinates) for t in texts] for texts in (VALID, TEST))
    split = split_genome(store.coordinates, valid=valid, test=test)
    return Sampler(store, split=split, window_length=LENGTH, **options)


def runs_of_n(demo_files):
    """Return the runs of at least 200 N of the FASTA."""
    records = (demo_files / "genome.fa").read_text().split(">")[1:]
    sequences = {name.split()[0]: "".join(lines) for name, *lines in (record.splitlines() for record in records)}
    return [(c, m.start(), m.end()) for c, sequence in sequences.items() for m in re.finditer("[Nn]{200,}", sequence)]


def count(demo_files, store, cell):
    """Count the CTCF peaks of a cell line by part.

    A peak counts if its middle 1000 bases are in the part with any jitter, hold no run of N, and it is off the blacklist.
    """
    gaps = runs_of_n(demo_files)
    sizes = dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
    banned = [(c, a - LENGTH, b + LENGTH) for c, a, b in read_bed(demo_files / "annotation/blacklist.bed.gz")]
    banned += [(c, a, b) for c, n in sizes.items() for a, b in ((0, LENGTH), (n - LENGTH, n))]
    parts = {
        "valid": [("chr11", 200_000, 900_000)],
        "test": [("chr1", 0, sizes["chr1"]), ("chr21", 0, 500_000)],
        "train": [
            *((chrom, 0, sizes[chrom]) for chrom in ("chr2", "chr7")),
            *(("chr11", 0, 200_000), ("chr11", 900_000, sizes["chr11"]), ("chr21", 500_000, sizes["chr21"])),
        ],
    }
    found = dict.fromkeys((*parts, "unused"), 0)
    for chrom, start, stop in read_bed(
        demo_files / f"cells/{cell}/ChIPseq.{cell}.CTCF.conservative.train.narrowPeak.gz"
    ):
        middle = (start + stop) // 2
        jitter = stop - (middle - 100) - 75 - 1
        first, last = middle - LENGTH // 2 - jitter, middle + LENGTH // 2 + jitter
        usable = not any(c == chrom and a < stop and start < b for c, a, b in banned)
        usable &= not any(c == chrom and a < last and first < b for c, a, b in gaps)
        inside = [
            part
            for part, regions in parts.items()
            if usable and any(c == chrom and a <= first and last <= b for c, a, b in regions)
        ]
        found[inside[0] if inside else "unused"] += 1
    return found


def test_bases_and_peaks_are_those_of_plain_loops(store, demo_files):
    cells = ("K562", "HepG2")
    summary = summarize_split(sampler_of(store, cells=cells, factor="CTCF"))
    counts = {cell: count(demo_files, store, cell) for cell in cells}
    assert sum(counts["K562"].values()) > 100
    assert any(counts[cell]["unused"] for cell in cells), "nothing is unused: the case would prove little"
    for part in ("train", "valid", "test", "unused"):
        assert summary[part]["positives"] == {cell: counts[cell][part] for cell in cells}
    genome = sum(store.coordinates.lengths)
    bases = {"valid": 700_000, "test": 1_200_000 + 500_000}
    bases["train"] = genome - sum(bases.values())
    assert {part: summary[part]["bases"] for part in bases} == bases
    assert summary["test"]["share"] == pytest.approx(1_700_000 / genome, abs=1e-6)
    assert summary["positives_are"] == "peaks"


def test_cell_lines_count_where_they_are_used(store, demo_files):
    summary = summarize_split(sampler_of(store, cells=("K562",), valid_cells=("HepG2",), factor="CTCF"))
    k562, hepg2 = (count(demo_files, store, cell) for cell in ("K562", "HepG2"))
    assert summary["train"]["positives"] == {"K562": k562["train"]}
    assert summary["valid"]["positives"] == {"HepG2": hepg2["valid"]}
    assert summary["test"]["positives"] == {"K562": k562["test"], "HepG2": hepg2["test"]}
    assert summary["unused"]["positives"] == {
        "K562": k562["unused"] + k562["valid"],
        "HepG2": hepg2["unused"] + hepg2["train"],
    }


def test_bins_of_a_multi_task_training_are_summarized(store):
    sampler = sampler_of(store, cells=("K562",))
    summary = summarize_split(sampler)
    assert summary["positives_are"] == "bins"
    assert summary["train"]["positives"] == {"K562": len(sampler.train_positives[0].positives)}
    swapped = split_genome(
        store.coordinates,
        valid=[parse_region(t, store.coordinates) for t in TEST],
        test=[parse_region(t, store.coordinates) for t in VALID],
    )
    other = Sampler(store, cells=("K562",), split=swapped, window_length=LENGTH)
    assert summary["test"]["positives"] == {"K562": len(other.valid_positives[0].positives)}
