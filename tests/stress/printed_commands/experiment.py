"""Write the files that stand for hg19, hg38 and 14 cell lines, under the names that the documentation prints."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from support.keras_folder import GEPC, Spec, write_folder
from support.simulated_reads import simulate_bam

from factornet.etl import write_demo
from factornet.etl.demo import simulate, write_files

LENGTHS = {
    "chr1": 150_000, "chr2": 300_000, "chr7": 200_000, "chr8": 150_000, "chr11": 200_000, "chr20": 150_000, "chr21": 150_000,
}  # fmt: skip
CELLS = tuple("GM12878 HepG2 K562 HeLa-S3 A549 H1-hESC HCT116 MCF-7 Panc1 IMR-90 PC-3 liver iPSC Th17".split())
FACTORS = tuple(replace(f, share=0.3, bound=dict.fromkeys(CELLS, 0.9), promoters_only=False) for f in simulate.FACTORS)
PUBLISHED = {
    "CTCF/metaGENCODE_RNAseq_Unique35_DGF": {"meta": GEPC, "gencode": True},
    "CTCF/meta_RNAseq_Unique35_DGF": {"meta": GEPC},
    "MAX/onePeak_Unique35_DGF": {},
    "MAX/onePeak_Unique35_DGF_2": {},
    "TAF1/GENCODE_Unique35_DGF": {"gencode": True},
    "TAF1/onePeak_Unique35_DGF": {},
    "REST/GENCODE_Unique35_DGF": {"gencode": True},
    "REST/GENCODE_Unique35_DGF_2": {"gencode": True},
}
_LENGTH, _WIDTH = 1002, 26  # of a window and a kernel of the published models


def write_experiment(folder: Path) -> None:
    """Write all files to a new folder.

    genome.fa, annotation/, tracks/, motifs.meme  as the demo's
    cells/CELL                   cell-line folders, of whose factors each is bound everywhere
    published/FACTOR/NAME        model folders as the original wrote them
    reads/                       BAM, fragments and clusters
    tables/                      TPMs, regions
    """
    meta = {
        cell: tuple(row)
        for cell, row in zip(CELLS, np.random.default_rng(5).normal(0, 0.3, (len(CELLS), 8)), strict=True)
    }
    small = {"CELLS": CELLS, "FACTORS": FACTORS}
    with (
        mock.patch.multiple(simulate, **small),
        mock.patch.multiple(write_files, **small, CHROMOSOMES=LENGTHS, META=meta),
    ):
        write_demo(folder)
    for name, spec in PUBLISHED.items():
        task = name.partition("/")[0]
        written = Spec(
            length=_LENGTH, width=_WIDTH, kernels=4, recurrent=2, dense=4, tasks=(task,), published=True, **spec
        )
        write_folder(folder / "published" / name, written)
    _write_reads(folder / "reads")
    _write_tables(folder / "tables", folder)


def _write_reads(folder: Path) -> None:
    folder.mkdir()
    for seed in (1, 2):
        simulate_bam(folder / f"Th17.rep{seed}.bam", LENGTHS, 4000, seed=seed, unusual=False)
    rng, rows = np.random.default_rng(3), []
    for _ in range(4000):
        chrom = rng.choice(list(LENGTHS))
        start = int(rng.integers(1000, LENGTHS[chrom] - 1000))
        rows.append((chrom, start, start + int(rng.integers(50, 400)), f"CELL{rng.integers(0, 40):02d}-1", 1))
    with gzip.open(folder / "fragments.tsv.gz", "wt") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in sorted(rows))
    lines = [f"CELL{i:02d}-1\t{'TB'[i % 2]}\n" for i in range(40)]
    (folder / "clusters.tsv").write_text("".join(lines))


def _write_tables(folder: Path, experiment: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(4)
    genes = [f"ENSG{i:011d}.1" for i in range(300)]
    level, own = rng.gamma(1.0, 30, len(genes)), rng.lognormal(0, 0.8, (len(genes), len(CELLS)))
    tpm = level[:, None] * own
    tpm *= 1e6 / tpm.sum(axis=0)
    for name, cells in {"tpm.tsv": [c for c in CELLS if c != "Th17"], "new.tsv": ["Th17"]}.items():
        rows = ["\t".join(["gene", *cells])]
        rows += ["\t".join([g, *(f"{tpm[i, CELLS.index(c)]:.3f}" for c in cells)]) for i, g in enumerate(genes)]
        (folder / name).write_text("\n".join(rows) + "\n")
    bins = [f"{c}\t{s}\t{s + 200}\n" for c in ("chr1", "chr8", "chr21") for s in range(50_000, 90_000, 50)]
    for name in ("regions.bed.gz", "ladder.bed.gz"):
        with gzip.open(folder / name, "wt") as file:
            file.writelines(bins)
    (folder / "dream_pairs.tsv").write_text("MAX\tliver\tH1-hESC HepG2\n")
    peaks = gzip.decompress((experiment / "cells/K562/ChIPseq.K562.CTCF.relaxed.narrowPeak.gz").read_bytes())
    (folder / "peaks.bed").write_bytes(peaks)
    for name in (
        "cpgisland",
        *(f"wgEncodeGencodeBasicV19.{kind}.merged" for kind in ("cds", "intron", "promoter", "utr5", "utr3")),
    ):
        with gzip.open(folder / f"{name}.bed.gz", "wt") as file:
            file.writelines(f"chr1\t{start}\t{start + 601}\n" for start in range(20_000, 100_000, 4000))
