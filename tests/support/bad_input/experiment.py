"""The clean experiment from which the corpus is derived: 250,000 bases of the demo, in uncompressed files."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pyBigWig

SPANS = {"chr7": (400_000, 550_000), "chr21": (300_000, 400_000)}
"""Spans of the demo's chromosomes that are kept."""

CELLS = {"CELL": "K562", "OTHER": "HepG2", "BARE": "GM12878"}
"""Name in the demo by name of the cell line; BARE has no track of its own."""

GENOME = (
    "--fasta genome.fa --gtf annotation/genes.gtf --cpg annotation/cpg.txt --blacklist annotation/blacklist.bed "
    "--track Unique35=Unique35.bw --assembly small -p 1"
).split()
"""Options of `factornet-etl genome` for the experiment."""


def write_small(demo: Path, folder: Path) -> Path:
    """Write the experiment to a new folder, from the demo's files."""
    for name in ("annotation", *CELLS):
        (folder / name).mkdir(parents=True)
    _cut_fasta(demo / "genome.fa", folder / "genome.fa")
    _cut_bigwig(demo / "tracks/Unique35.bw", folder / "Unique35.bw")
    tables = {"genes.gtf": (0, 3, 4), "cpg.txt": (1, 2, 3), "blacklist.bed": (0, 1, 2)}
    sources = {"cpg.txt": "cpgIslandExt.txt.gz"}
    for name, columns in tables.items():
        _cut_table(demo / "annotation" / sources.get(name, f"{name}.gz"), folder / "annotation" / name, columns)
    shutil.copy(demo / "motifs.meme", folder / "motifs.meme")
    for cell, original in CELLS.items():
        _cut_cell(demo / "cells" / original, folder / cell, original)
    (folder / "regions.bed").write_text("chr7\t20000\t20200\nchr21\t50000\t50200\n")
    (folder / "aliases.txt").write_text("7 chr7\n21 chr21\n")
    return folder


def _cut_fasta(source: Path, target: Path) -> None:
    records = dict(r.split("\n", 1) for r in source.read_text().split(">")[1:])
    with target.open("w") as file:
        for name, (start, stop) in SPANS.items():
            letters = records[name].replace("\n", "")[start:stop]
            file.write(f">{name}\n" + "".join(letters[i : i + 60] + "\n" for i in range(0, len(letters), 60)))


def _cut_bigwig(source: Path, target: Path) -> None:
    with pyBigWig.open(str(source)) as file:
        values = {n: np.asarray(file.values(n, a, b, numpy=True), np.float32) for n, (a, b) in SPANS.items()}
    write_bigwig(target, {n: v.size for n, v in values.items()}, {n: runs(v) for n, v in values.items()})


def runs(values: np.ndarray) -> list[tuple[int, int, float]]:
    """Return runs of equal values without gaps: (start, stop, value)."""
    edges = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan) != 0)
    spans = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return [(a, b, float(values[a])) for a, b in spans if not np.isnan(values[a])]


def write_bigwig(path: Path, lengths: dict[str, int], entries: dict[str, list[tuple[int, int, float]]]) -> None:
    """Write a bigWig from (start, stop, value) entries by chromosome."""
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(lengths.items()))
    for name, rows in entries.items():
        if rows:
            starts, stops, values = (list(column) for column in zip(*rows, strict=True))
            file.addEntries([name] * len(rows), starts, ends=stops, values=values)
    file.close()


def _cut_table(source: Path, target: Path, columns: tuple[int, int, int]) -> int:
    """Write rows inside `SPANS`, with positions relative to them; return their number."""
    chrom, first, last = columns
    rows = []
    for line in gzip.decompress(source.read_bytes()).decode().splitlines():
        fields = line.split("\t")
        low, high = SPANS.get(fields[min(chrom, len(fields) - 1)], (0, 0))
        if high and low < int(fields[first]) and int(fields[last]) < high:
            fields[first], fields[last] = str(int(fields[first]) - low), str(int(fields[last]) - low)
            rows.append("\t".join(fields) + "\n")
    target.write_text("".join(rows))
    return len(rows)


def _cut_cell(source: Path, folder: Path, original: str) -> None:
    bigwig_rows = ["../Unique35.bw\tUnique35\n"]
    if folder.name != "BARE":
        _cut_bigwig(source / f"{original}.DGF.bw", folder / "signal.bw")
        bigwig_rows.append("signal.bw\tDGF\n")
    (folder / "bigwig.txt").write_text("".join(bigwig_rows))
    shutil.copy(source / "meta.txt", folder / "meta.txt")
    chip = [line.split() for line in (source / "chip.txt").read_text().splitlines()]
    rows = []
    for file, factor, *relaxed in (row for row in chip if row[1] in ("CTCF", "MAX")):
        names = [f"{factor}.conservative.bed", factor, f"{factor}.relaxed.bed"][: 2 + len(relaxed)]
        for name, peaks in zip((names[0], *names[2:]), (file, *relaxed), strict=True):
            assert _cut_table(source / peaks, folder / name, (0, 1, 2)) > 1
        rows.append("\t".join(names) + "\n")
    (folder / "chip.txt").write_text("".join(rows))
