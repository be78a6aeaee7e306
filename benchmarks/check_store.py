"""Compare a store with its source files at random positions, read by pyfaidx, pyBigWig and bedtools.

For chr20 of the real data: `python benchmarks/check_store.py build/real/chr20.zarr --fasta 20.fa --record chr20=20
--cells DATA/cells --annotation-bed cpg=... cds=... intron=... promoter=... utr5=... utr3=...`
"""

from __future__ import annotations

import argparse
import gzip
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyBigWig
import pyfaidx

from factornet.store import BASES, FEATURES, Store, open_store, read_span


@dataclass(frozen=True)
class Sources:
    """The files a store was built from: annotation either as GTF and CpG table, or as one BED per feature."""

    fasta: Path
    records: dict[str, str]
    cells: Path
    gtf: Path | None = None
    cpg: Path | None = None
    beds: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Number of positions compared and of those that differ, and number of distinct values expected."""

    what: str
    positions: int
    wrong: int
    distinct: int


def check_store(path: Path, sources: Sources, *, n_positions: int, work: Path) -> list[Check]:
    """Run all checks, with temporary files in `work`."""
    store, rng = open_store(path), np.random.default_rng(1)
    checks = [check_sequence(store, sources, random_positions(store, n_positions, rng), work)]
    for cell in store.cells:
        files = [line.split() for line in (sources.cells / cell / "bigwig.txt").read_text().splitlines()]
        for file, name in files:
            checks.append(
                check_track(store, cell, name, sources.cells / cell / file, random_positions(store, n_positions, rng))
            )
        checks += check_labels(
            store, cell, sources.cells / cell, random_positions(store, n_positions, rng, reach=200), work
        )
    for feature, bed in feature_beds(sources, work).items():
        checks.append(check_feature(store, feature, bed, random_positions(store, n_positions, rng), work))
    return checks


def random_positions(store: Store, n: int, rng: np.random.Generator, reach: int = 1):
    """Return chromosome indices and positions, each of shape (n,), uniform over the genome."""
    sizes = np.array(store.coordinates.lengths)
    chrom = rng.choice(sizes.size, n, p=sizes / sizes.sum())
    return chrom, rng.integers(0, sizes[chrom] - reach)


def stored(array_of, store: Store, chrom, position):
    """Read values of a store's arrays at positions, chromosome by chromosome."""
    result = None
    for c in np.unique(chrom):
        selected = chrom == c
        array = array_of(store.coordinates.names[c])
        values = read_span(array, 0, array.shape[0])[position[selected]]
        result = np.empty((chrom.size, *values.shape[1:]), values.dtype) if result is None else result
        result[selected] = values
    return result


def check_sequence(store: Store, sources: Sources, positions, work: Path) -> Check:
    """Compare the sequence with pyfaidx."""
    path = sources.fasta
    if path.suffix == ".gz":
        path = work / "plain.fa"
        path.write_bytes(gzip.decompress(sources.fasta.read_bytes()))
    fasta = pyfaidx.Fasta(str(path), indexname=str(work / "check.fai"), as_raw=True, sequence_always_upper=True)
    got = stored(store.sequence, store, *positions)
    want = []
    for c, p in zip(*positions, strict=True):
        want.append(BASES.find(fasta[sources.records[store.coordinates.names[c]]][int(p) : int(p) + 1]) % 5)
    fasta.close()
    return Check("sequence", len(want), int((got != np.array(want)).sum()), len(set(want)))


def check_track(store: Store, cell: str, name: str, path: Path, positions) -> Check:
    """Compare a track with pyBigWig, bit by bit; gaps are 0."""
    file = pyBigWig.open(str(path))
    want = [file.values(store.coordinates.names[c], int(p), int(p) + 1)[0] for c, p in zip(*positions, strict=True)]
    file.close()
    want = np.nan_to_num(np.array(want, np.float32), nan=0.0)
    got = stored(lambda chrom: store.track(cell, name, chrom), store, *positions)
    wrong = int((got.view(np.uint32) != want.view(np.uint32)).sum())
    return Check(f"track {name} of {cell}", want.size, wrong, np.unique(want).size)


def bedtools_hits(store: Store, positions, width: int, bed: Path, work: Path, *options: str) -> np.ndarray:
    """Count the features of `bed` that overlap `width` bases from each position, by `bedtools intersect -c`."""
    queries = work / "queries.bed"
    rows = (f"{store.coordinates.names[c]}\t{p}\t{p + width}\n" for c, p in zip(*positions, strict=True))
    queries.write_text("".join(rows))
    command = ["bedtools", "intersect", "-c", *options, "-a", str(queries), "-b", str(bed)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return np.array([int(line.rsplit("\t", 1)[1]) for line in out.splitlines()])


def check_feature(store: Store, feature: str, bed: Path, positions, work: Path) -> Check:
    """Compare one annotation bit with bedtools."""
    got = (stored(store.annotation, store, *positions) >> FEATURES.index(feature)) & 1
    want = bedtools_hits(store, positions, 1, bed, work) > 0
    return Check(f"annotation {feature}", want.size, int((got != want).sum()), np.unique(want).size)


def check_labels(store: Store, cell: str, folder: Path, positions, work: Path) -> list[Check]:
    """Compare labels of random bins with bedtools: bound if 101 bases are in one peak, else ambiguous if relaxed."""
    chrom, position = positions
    bins = position // 50
    got = stored(lambda name: store.labels(cell, name), store, chrom, bins)
    checks = []
    for i, line in enumerate((folder / "chip.txt").read_text().splitlines()):
        conservative, factor, *relaxed = line.split()
        where = (chrom, bins * 50)
        bound = bedtools_hits(store, where, 200, folder / conservative, work, "-f", "0.505") > 0
        touched = bedtools_hits(store, where, 200, folder / (relaxed[0] if relaxed else conservative), work) > 0
        want = np.where(bound, 1, np.where(touched, 2, 0))
        checks.append(
            Check(f"labels {factor} of {cell}", want.size, int((got[:, i] != want).sum()), np.unique(want).size)
        )
    return checks


def feature_beds(sources: Sources, work: Path) -> dict[str, Path]:
    """Return one BED per feature: those given, or derived line by line from the GTF by the README's rules."""
    if sources.beds:
        return sources.beds
    rows: dict[str, list[tuple[str, int, int]]] = {feature: [] for feature in FEATURES}
    for line in gzip.decompress(sources.cpg.read_bytes()).decode().splitlines():
        _, chrom, start, stop, *_ = line.split("\t")
        rows["cpg"].append((chrom, int(start), int(stop)))
    transcripts: dict[str, dict[str, list]] = {}
    for line in gzip.decompress(sources.gtf.read_bytes()).decode().splitlines():
        if line.startswith("#") or 'tag "basic"' not in line:
            continue
        chrom, _, kind, start, stop, _, strand, _, attributes = line.split("\t")
        name = re.search(r'transcript_id "([^"]+)"', attributes)[1]
        parts = transcripts.setdefault(name, {"exon": [], "CDS": [], "stop_codon": [], "transcript": []})
        if kind in parts:
            parts[kind].append((chrom, int(start) - 1, int(stop), strand))
    for parts in transcripts.values():
        _add_transcript(rows, parts)
    beds = {}
    for feature, intervals in rows.items():
        beds[feature] = work / f"{feature}.bed"
        beds[feature].write_text("".join(f"{c}\t{max(a, 0)}\t{b}\n" for c, a, b in intervals if b > a))
    return beds


def _add_transcript(rows, parts) -> None:
    chrom, start, stop, strand = parts["transcript"][0]
    rows["promoter"].append((chrom, start - 300, start + 101) if strand == "+" else (chrom, stop - 101, stop + 300))
    exons = sorted(parts["exon"], key=lambda e: e[1])
    rows["intron"] += [(chrom, a[2], b[1]) for a, b in pairwise(exons)]
    coding = parts["CDS"] + parts["stop_codon"]
    rows["cds"] += [(c, a, b) for c, a, b, _ in coding]
    if not coding:
        return
    first, last = min(c[1] for c in coding), max(c[2] for c in coding)
    left, right = ("utr5", "utr3") if strand == "+" else ("utr3", "utr5")
    rows[left] += [(chrom, a, min(b, first)) for _, a, b, _ in exons if a < first]
    rows[right] += [(chrom, max(a, last), b) for _, a, b, _ in exons if b > last]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--fasta", type=Path, required=True)
    parser.add_argument("--record", nargs="*", default=[], metavar="CHROM=RECORD")
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--annotation-bed", nargs=6, required=True, metavar="FEATURE=FILE")
    parser.add_argument("--positions", type=int, default=10_000)
    options = parser.parse_args()
    names = {name: name for name in open_store(options.store).coordinates.names}
    records = names | dict(item.split("=") for item in options.record)
    beds = {k: Path(v) for k, v in (item.split("=") for item in options.annotation_bed)}
    sources = Sources(options.fasta, records, options.cells, beds=beds)
    with tempfile.TemporaryDirectory() as work:
        checks = check_store(options.store, sources, n_positions=options.positions, work=Path(work))
    for check in checks:
        print(f"{check.what}: {check.wrong} of {check.positions:,} positions differ ({check.distinct} distinct values)")
    return int(any(check.wrong for check in checks))


if __name__ == "__main__":
    sys.exit(main())
