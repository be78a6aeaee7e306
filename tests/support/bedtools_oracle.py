"""FactorNet's rules for negatives, by the bedtools program."""

import gzip
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BIN = 200


@dataclass(frozen=True)
class Peak:
    chrom: str
    start: int
    stop: int


def read_bed(path):
    rows = [line.split() for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    return [Peak(r[0], int(r[1]), int(r[2])) for r in rows]


def chip_files(files, cell, factor):
    """Return the conservative and relaxed file of a factor; None where chip.txt has two columns."""
    rows = [line.split() for line in (files / f"cells/{cell}/chip.txt").read_text().splitlines()]
    (row,) = [r for r in rows if r[1] == factor]
    folder = files / "cells" / cell
    return folder / row[0], folder / row[2] if len(row) == 3 else None


class Bedtools:
    """FactorNet's recipe by bedtools: slop, cat, complement."""

    def __init__(self, store, files, work: Path):
        self.store, self.files, self.work = store, files, work
        self.sizes = dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
        self.genome = work / "sizes.txt"  # complement wants the order that `sort` gives
        self.genome.write_text("".join(f"{n}\t{self.sizes[n]}\n" for n in sorted(self.sizes)))

    def run(self, *arguments):
        return subprocess.run(["bedtools", *map(str, arguments)], capture_output=True, text=True, check=True).stdout

    def save(self, name, text):
        (self.work / name).write_text(text)
        return self.work / name

    def blacklist(self, length):
        slopped = self.run("slop", "-g", self.genome, "-b", length, "-i", self.files / "annotation/blacklist.bed.gz")
        ends = "".join(f"{n}\t0\t{length}\n{n}\t{s - length}\t{s}\n" for n, s in self.sizes.items())
        return self.save("blacklist.bed", slopped + ends)

    def usable_peaks(self, path, length):
        """Return the lines of a peak file outside the widened blacklist."""
        return self.run("intersect", "-v", "-a", path, "-b", self.blacklist(length))

    def allowed(self, cell, factor, length):
        """Return where a negative bin may lie: bool array (bases,) of each chromosome."""
        conservative, relaxed = chip_files(self.files, cell, factor)
        avoided = relaxed or self.save("avoided.bed", self.usable_peaks(conservative, length))
        slopped = self.run("slop", "-g", self.genome, "-b", BIN, "-i", avoided)
        both = "".join(
            "\t".join(line.split("\t")[:3]) + "\n"
            for line in (slopped + self.blacklist(length).read_text()).splitlines()
        )
        merged = self.run("sort", "-i", self.save("both.bed", both))
        merged = self.run("merge", "-i", self.save("sorted.bed", merged))
        masks = {n: np.zeros(s, bool) for n, s in self.sizes.items()}
        for line in self.run("complement", "-i", self.save("merged.bed", merged), "-g", self.genome).splitlines():
            chrom, start, stop = line.split("\t")
            masks[chrom][int(start) : int(stop)] = True
        return masks
