"""Simulate files of reads with every kind of alignment, and count their cuts slowly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pysam

CIGARS = (
    "50M",
    "20M5D30M",
    "10S40M",
    "40M10S",
    "5H45M",
    "20M3I27M",
    "25M1000N25M",
    "3I47M",
    "47M3I",
    "20=1X29=",
    "2D50M",
    "50M2D",
)
FLAGS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def simulate_bam(
    path: Path, lengths: Mapping[str, int], n_reads: int, *, seed: int, is_sorted: bool = True, unusual: bool = True
) -> Path:
    """Write a BAM, with an index if it is sorted.

    Args:
        path: of the file; the ending decides whether it is BAM, CRAM or SAM.
        lengths: of the chromosomes.
        n_reads: alignments on chromosomes; some unmapped ones come on top.
        seed: of all chance.
        is_sorted: by coordinate.
        unusual: with all flags, CIGARs, mapping qualities and lengths; else single reads of 50 matching bases.
    """
    rng = np.random.default_rng(seed)
    names, sizes = list(lengths), np.array(list(lengths.values()))
    chrom = rng.choice(len(names), n_reads, p=sizes / sizes.sum())
    hot = rng.random(n_reads) < 0.4  # many at few places, so that there are duplicates
    anywhere = (rng.random(n_reads) * (sizes[chrom] - 1200)).astype(int)
    pos = np.where(hot, np.minimum(rng.integers(1, 40, n_reads) * 97, sizes[chrom] - 1200), anywhere)
    order = np.lexsort([pos, chrom]) if is_sorted else np.arange(n_reads)
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate" if is_sorted else "unsorted"},
        "SQ": [{"SN": name, "LN": length} for name, length in lengths.items()],
    }
    mode = {".bam": "wb", ".cram": "wc", ".sam": "w"}[path.suffix]
    with pysam.AlignmentFile(
        str(path), mode, header=header, format_options=[b"no_ref=1"] if mode == "wc" else []
    ) as file:
        for i in order.tolist():
            file.write(_read(file.header, rng, i, int(chrom[i]), int(pos[i]), unusual=unusual))
        for i in range(n_reads // 50 if unusual else 0):
            read = _read(file.header, rng, n_reads + i, -1, -1, unusual=False)
            read.flag |= 4
            read.cigarstring = None
            file.write(read)
    if is_sorted and path.suffix == ".bam":
        pysam.index(str(path))
    return path


def _read(
    header: pysam.AlignmentHeader, rng: np.random.Generator, i: int, chrom: int, pos: int, *, unusual: bool
) -> pysam.AlignedSegment:
    read = pysam.AlignedSegment(header)
    read.query_name, read.flag, read.mapping_quality = f"r{i}", int(rng.choice([0, 16])), 60
    read.reference_id, read.reference_start, read.cigarstring = chrom, pos, "50M"
    if unusual:
        if rng.random() < 0.6:
            read.flag |= 1 | 2 * int(rng.random() < 0.7)
            read.next_reference_id = chrom if rng.random() < 0.9 else 0
            template = int(rng.choice([120, 180, 320]))
            read.next_reference_start = max(0, pos + template - 50 if not read.is_reverse else pos - template + 50)
            read.template_length = -template if read.is_reverse else template
        for flag in FLAGS[1:]:
            read.flag |= flag * int(rng.random() < 0.06 and flag != 16)
        if rng.random() < 0.03:
            read.flag |= 4  # placed beside its mate
        read.cigarstring = str(rng.choice(CIGARS)) if rng.random() < 0.5 else "50M"
        read.mapping_quality = int(rng.choice([0, 1, 9, 10, 29, 30, 60, 255]))
    read.query_sequence = "A" * (read.infer_query_length(always=False) or 50)
    return read


def count_slowly(
    path: Path, lengths: Mapping[str, int], *, shift: tuple[int, int] = (0, 0), min_mapq: int = 0, exclude: int = 0
) -> dict[str, np.ndarray]:
    """Return the cuts of mapped alignments, (2, bases) by chromosome: on the forward and on the reverse strand."""
    found = {name: np.zeros((2, length), int) for name, length in lengths.items()}
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        for read in file.fetch(until_eof=True):
            if read.is_unmapped or read.mapping_quality < min_mapq or read.flag & exclude:
                continue
            bases = read.get_reference_positions()
            if bases:
                cut = bases[-1] + shift[1] if read.is_reverse else bases[0] + shift[0]
                if 0 <= cut < lengths[read.reference_name]:
                    found[read.reference_name][int(read.is_reverse), cut] += 1
    return found


def write_cut_reads(path: Path, counts: Mapping[str, np.ndarray], *, length: int = 36) -> Path:
    """Write a BAM with a read for each cut; those in the last bases of a chromosome are on the reverse strand."""
    header = {
        "HD": {"VN": "1.6", "SO": "unsorted"},
        "SQ": [{"SN": name, "LN": count.size} for name, count in counts.items()],
    }
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for chrom, count in enumerate(counts.values()):
            for cut in np.repeat(np.arange(count.size), count).tolist():
                read = pysam.AlignedSegment(file.header)
                is_reverse = cut + length > count.size or (cut % 2 and cut >= length)
                read.query_name, read.flag, read.mapping_quality = "r", 16 * int(is_reverse), 60
                read.reference_id, read.cigarstring = chrom, f"{length}M"
                read.reference_start = cut - length + 1 if is_reverse else cut
                file.write(read)
    return path
