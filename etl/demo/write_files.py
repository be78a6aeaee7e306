"""Write the simulated experiment as source files: FASTA, GTF, bigWig, narrowPeak and cell-line folders."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.files.atomic_write import naming_file
from ...store.files.outputs import output_lock, staged_folder
from ...store.genome.bigwig_encoder import BigwigEncoder
from ...store.genome.intervals import IntArray
from .simulate import (
    CELLS,
    CHROMOSOMES,
    FACTORS,
    META,
    PeakCall,
    Rng,
    SimulatedChromosome,
    accessibility,
    call_peaks,
    simulate_chromosome,
    uniqueness,
)

_ZOOM = 800  # bases in a window of the first zoom level of a bigWig


@dataclass(frozen=True)
class DemoSummary:
    """Summary of what was written.

    Attributes:
        directory: of the files.
        chromosomes: bases by chromosome.
        peaks: number of conservative peaks by cell line and factor.
    """

    directory: Path
    chromosomes: dict[str, int]
    peaks: dict[str, dict[str, int]]


def write_demo(directory: Path, *, seed: int = 420) -> DemoSummary:
    """Write the experiment to a new folder; the same seed gives the same bytes.

    The folder appears when it is complete.

    Raises:
        UsageError: the folder exists and is not empty.
        InputError: it cannot be created or written, or another process writes it.
    """
    with output_lock(directory, parents=True):
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UsageError(f"{directory}: already exists and is not empty; give a new folder")
        with staged_folder(directory) as staged:
            peaks = _write_experiment(staged, seed)
    return DemoSummary(directory, dict(CHROMOSOMES), peaks)


def _write_experiment(directory: Path, seed: int) -> dict[str, dict[str, int]]:
    """Write all files; return the number of conservative peaks by cell line and factor."""
    for folder in ("annotation", "tracks", *(f"cells/{cell}" for cell in CELLS)):
        (directory / folder).mkdir(parents=True)
    root = np.random.SeedSequence(seed)
    rngs = [np.random.default_rng(s) for s in root.spawn(len(CHROMOSOMES) + 1 + len(CELLS))]
    genome = {n: simulate_chromosome(size, rngs[i]) for i, (n, size) in enumerate(CHROMOSOMES.items())}
    shared = rngs[len(CHROMOSOMES)]
    _write_fasta(directory / "genome.fa", genome, shared)
    _write_annotation(directory / "annotation", genome, shared)
    _write_motifs(directory / "motifs.meme")
    _write_bigwig(directory / "tracks" / "Unique35.bw", {n: uniqueness(c, shared) for n, c in genome.items()})
    return {
        cell: _write_cell(directory / "cells" / cell, cell, genome, rng)
        for cell, rng in zip(CELLS, rngs[len(CHROMOSOMES) + 1 :], strict=True)
    }


def _write_gz(path: Path, text: str) -> None:
    with naming_file(path), path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        file.write(text.encode())


def _write_text(path: Path, text: str) -> None:
    with naming_file(path):
        path.write_text(text)


def _write_fasta(path: Path, genome: dict[str, SimulatedChromosome], rng: Rng) -> None:
    """Write 60 bases per line, repeats in lower case, a few bases as R."""
    with naming_file(path), path.open("wb") as file:
        for name, chromosome in genome.items():
            letters = np.frombuffer(b"ACGTN", np.uint8)[chromosome.codes].copy()
            ambiguous = rng.integers(0, letters.size, 20)
            letters[ambiguous[letters[ambiguous] != ord("N")]] = ord("R")
            for start, stop in zip(chromosome.repeats.starts, chromosome.repeats.stops, strict=True):
                letters[start:stop] += 32
            file.write(f">{name}\n".encode())
            for start in range(0, letters.size, 60):
                file.write(letters[start : start + 60].tobytes() + b"\n")


def _write_annotation(folder: Path, genome: dict[str, SimulatedChromosome], rng: Rng) -> None:
    gtf, cpg, blacklist = [], [], []
    for name, chromosome in genome.items():
        for i in range(chromosome.genes.starts.size):
            start, stop = int(chromosome.genes.starts[i]), int(chromosome.genes.stops[i])
            gtf += _gene_rows(name, i, start=start, stop=stop, strand="+" if chromosome.plus[i] else "-", rng=rng)
        for start, stop in zip(chromosome.islands.starts, chromosome.islands.stops, strict=True):
            size = stop - start
            cpg.append(
                f"585\t{name}\t{start}\t{stop}\tCpG: {size // 10}\t{size}\t{size // 10}\t{size * 2 // 3}\t20\t66\t0.9\n"
            )
        for start in rng.integers(50_000, chromosome.codes.size - 50_000, 2):
            blacklist.append(f"{name}\t{start}\t{start + 600}\n")
    _write_gz(folder / "genes.gtf.gz", "##description: made-up genes, GENCODE's form\n" + "".join(gtf))
    _write_gz(folder / "cpgIslandExt.txt.gz", "".join(cpg))
    _write_gz(folder / "blacklist.bed.gz", "".join(blacklist))


def _gene_rows(chrom: str, number: int, *, start: int, stop: int, strand: str, rng: Rng) -> list[str]:
    """Return GTF rows of a gene with one transcript of three to five exons; one gene in six is non-coding."""
    coding = rng.random() < 5 / 6
    kind = "protein_coding" if coding else "lincRNA"
    name = f"{chrom}G{number:04d}"
    n_introns = int(rng.integers(2, 5))
    inner_edges = np.sort(rng.choice(np.arange(start + 400, stop - 400, 100), 2 * n_introns, replace=False))
    edges = [start, *inner_edges.tolist(), stop]
    exons = list(zip(edges[::2], edges[1::2], strict=True))
    tag = ' tag "basic";' if rng.random() < 0.9 else ""
    attributes = f'gene_id "{name}"; transcript_id "{name}.1"; gene_type "{kind}"; transcript_type "{kind}";{tag}'

    def row(feature: str, a: int, b: int, frame: str = ".") -> str:
        return f"{chrom}\tdemo\t{feature}\t{a + 1}\t{b}\t.\t{strand}\t{frame}\t{attributes}\n"

    rows = [row("gene", start, stop), row("transcript", start, stop), *(row("exon", a, b) for a, b in exons)]
    if coding:
        first, last = start + 90, stop - 150  # coding span, both in the outer exons (each 400 bases or more)
        stop_codon = (last - 3, last) if strand == "+" else (first, first + 3)
        start_codon = (first, first + 3) if strand == "+" else (last - 3, last)
        low, high = (first, last - 3) if strand == "+" else (first + 3, last)
        rows += [row("CDS", max(a, low), min(b, high), "0") for a, b in exons if max(a, low) < min(b, high)]
        rows += [row("start_codon", *start_codon, "0"), row("stop_codon", *stop_codon, "0")]
        rows += [row("UTR", start, first), row("UTR", last, stop)]
    return rows


def _write_motifs(path: Path) -> None:
    """Write the planted motifs in the form of HOCOMOCO's MEME file."""
    text = [
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n",
        "Background letter frequencies\nA 0.29 C 0.21 G 0.21 T 0.29\n",
    ]
    for factor in FACTORS:
        matrix = factor.probabilities()
        text.append(f"\nMOTIF {factor.name}_demo {factor.name}\n\n")
        text.append(f"letter-probability matrix: alength= 4 w= {len(matrix)} nsites= 200 E= 0\n")
        text += ["".join(f"  {p:.6f}\t" for p in row) + "\n" for row in matrix]
    _write_text(path, "".join(text))


def _write_bigwig(path: Path, signal: dict[str, NDArray[np.float32]]) -> None:
    """Write runs of equal value as entries, and NaN as gaps."""
    with naming_file(path), path.open("wb") as file:
        lengths = {name: values.size for name, values in signal.items()}
        encoder = BigwigEncoder(file, lengths, window=_ZOOM)
        for i, values in enumerate(signal.values()):
            # NaN never equals itself, so a marker stands for it while runs are found.
            marked = np.nan_to_num(values, nan=-1.0)
            starts = np.flatnonzero(np.concatenate([[True], np.diff(marked) != 0]))
            stops = np.append(starts[1:], values.size)
            known = marked[starts] >= 0
            starts, stops = starts[known], stops[known]
            encoder.add(np.full(starts.size, i), starts, stops, values[starts])
        encoder.finish()


def _write_cell(folder: Path, cell: str, genome: dict[str, SimulatedChromosome], rng: Rng) -> dict[str, int]:
    """Write tables, peaks and signal of a cell line; return the number of conservative peaks by factor."""
    counts: dict[str, int] = {}
    chip = []
    bound: dict[str, list[IntArray]] = {name: [] for name in genome}
    for factor in FACTORS:
        if cell not in factor.bound:
            continue
        calls = {name: call_peaks(chromosome, factor, cell, rng) for name, chromosome in genome.items()}
        strong = f"ChIPseq.{cell}.{factor.name}.conservative.train.narrowPeak.gz"
        weak = f"ChIPseq.{cell}.{factor.name}.relaxed.narrowPeak.gz"
        counts[factor.name] = _write_peaks(folder / strong, {n: c[0] for n, c in calls.items()}, rng)
        if (cell, factor.name) == ("K562", "MAX"):  # as for some factors in the original data: no relaxed peaks
            chip.append(f"{strong}\t{factor.name}\n")
        else:
            _write_peaks(folder / weak, {n: c[1] for n, c in calls.items()}, rng)
            chip.append(f"{strong}\t{factor.name}\t{weak}\n")
        for name, (call, _) in calls.items():
            bound[name].append(call.start + call.summit)
    _write_text(folder / "chip.txt", "".join(chip))
    gap = "   " if cell == "K562" else "\t"
    _write_text(folder / "bigwig.txt", f"../../tracks/Unique35.bw{gap}Unique35\n{cell}.DGF.bw{gap}DGF\n")
    _write_text(folder / "meta.txt", "".join(f"{v:.6f}\tGEPC{i}\n" for i, v in enumerate(META[cell], 1)))
    signal = {n: accessibility(c, cell, np.concatenate(bound[n]), rng) for n, c in genome.items()}
    _write_bigwig(folder / f"{cell}.DGF.bw", signal)
    return counts


def _write_peaks(path: Path, calls: dict[str, PeakCall], rng: Rng) -> int:
    """Write a narrowPeak file in random order; return its number of peaks."""
    rows = [
        f"{name}\t{a}\t{b}\t.\t{score}\t.\t{score / 10:.4f}\t-1\t{score / 200:.4f}\t{s}\n"
        for name, call in calls.items()
        for a, b, s, score in zip(
            call.start, call.stop, call.summit, rng.integers(100, 1000, call.start.size), strict=True
        )
    ]
    order = rng.permutation(len(rows))
    _write_gz(path, "".join(rows[i] for i in order))
    return len(rows)
