"""A made-up experiment small enough for a laptop, honest enough to learn from: the simulation, as arrays.

Each cell line has open chromatin of its own. Motif instances stand in open and, more often, in closed places; a site
is bound in a cell line where it is open there, with a share that depends on the factor: REST's on the cell line (so
that expression features help), GABPA's on promoters and CpG islands (so that annotation helps). Neither sequence nor
accessibility alone tells where a factor binds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Codes = NDArray[np.uint8]
IntArray = NDArray[np.int64]

CHROMOSOMES = {"chr2": 2_400_000, "chr7": 2_200_000, "chr11": 1_200_000, "chr1": 1_200_000, "chr21": 1_000_000}
CELLS = ("GM12878", "HepG2", "K562")
_EDGE = 10_000
"""Bases of N at each end of a chromosome, and of one run inside."""


@dataclass(frozen=True)
class FactorModel:
    """A factor: consensus, share of sites that hold its motif, and in which cell lines it binds how many of those."""

    name: str
    consensus: str
    share: float
    bound: dict[str, float]
    promoters_only: bool = False

    def probabilities(self) -> NDArray[np.float64]:
        """Letter probabilities, (w, 4): capitals are nearly certain, small letters half so."""
        matrix = np.full((len(self.consensus), 4), 0.0)
        for i, letter in enumerate(self.consensus):
            certain = 0.94 if letter.isupper() else 0.6
            matrix[i] = (1 - certain) / 3
            matrix[i, "ACGT".index(letter.upper())] = certain
        return matrix


FACTORS = (
    FactorModel("CTCF", "CCACcAGGGGGCGcT", 0.16, {"GM12878": 0.95, "HepG2": 0.95, "K562": 0.95}),
    FactorModel("MAX", "aCCACGTGGTca", 0.09, {"GM12878": 0.85, "HepG2": 0.85, "K562": 0.85}),
    FactorModel("REST", "TTCAGCACCaCGGAC", 0.09, {"HepG2": 0.92, "K562": 0.25}),
    FactorModel("GABPA", "aCCGGAAGTGcg", 0.12, {"GM12878": 0.95, "HepG2": 0.95}, promoters_only=True),
)
META = {  # value of each expression component; the fifth goes with REST's share
    "GM12878": (-0.19, 0.22, 0.02, -0.41, 0.10, 0.08, -0.10, 0.44),
    "HepG2": (0.31, -0.15, 0.07, 0.26, 0.92, -0.03, 0.05, -0.21),
    "K562": (-0.20, 0.20, 0.07, -0.36, 0.25, -0.01, 0.19, -0.48),
}


@dataclass(frozen=True)
class Spans:
    """Intervals on one chromosome, 0-based and half-open, int64 (n,) each."""

    start: IntArray
    stop: IntArray


@dataclass(frozen=True)
class Motif:
    """Motif instances on one chromosome: first base, and the candidate site each lies in (-1: in none)."""

    start: IntArray
    site: IntArray


@dataclass(frozen=True)
class Chromosome:
    """One chromosome of the experiment.

    Attributes:
        codes: bases 0..3, 4 = N; uint8 (length,).
        repeats: repeat copies, lower case in the FASTA.
        islands: CpG islands.
        genes: first and last base (half-open) of each gene, with its strand in `plus`.
        plus: bool (genes,).
        sites: places that may be open.
        open: bool (cells, sites).
        motifs: instances of each factor, in the order of `FACTORS`.
    """

    codes: Codes
    repeats: Spans
    islands: Spans
    genes: Spans
    plus: NDArray[np.bool_]
    sites: Spans
    open: NDArray[np.bool_]
    motifs: tuple[Motif, ...]


@dataclass(frozen=True)
class PeakCall:
    """Peaks of a factor in a cell line on one chromosome; `summit` is relative to the start."""

    start: IntArray
    stop: IntArray
    summit: IntArray


def simulate_chromosome(length: int, rng: Rng) -> Chromosome:
    """Sequence, genes, open sites and motif instances of one chromosome."""
    islands, genes, plus = _genes(length, rng)
    codes = _background(length, islands, rng)
    repeats = _plant_repeats(codes, rng)
    middle = np.arange(_EDGE + 4000, length - _EDGE - 4000, 1600)
    middle = middle + rng.integers(-550, 550, middle.size)
    half = rng.integers(110, 230, middle.size)
    sites = Spans(middle - half, middle + half)
    kind = rng.random(middle.size)
    mine = rng.random((len(CELLS), middle.size)) < 0.38
    near_promoter = _near(middle, np.where(plus, genes.start, genes.stop), 800)
    opened = (kind < 0.22) | ((kind < 0.68) & mine) | near_promoter
    motifs = tuple(_plant_motif(codes, sites, factor, rng) for factor in FACTORS)
    for start in (0, length - _EDGE, length // 3):
        codes[start : start + _EDGE] = 4
    return Chromosome(codes, repeats, islands, genes, plus, sites, opened, motifs)


def _near(places: IntArray, marks: IntArray, reach: int) -> NDArray[np.bool_]:
    """Whether a mark lies within `reach` of each place."""
    marks = np.sort(marks)
    i = np.searchsorted(marks, places)
    left = np.abs(places - marks[np.maximum(i - 1, 0)])
    right = np.abs(places - marks[np.minimum(i, marks.size - 1)])
    return np.asarray(np.minimum(left, right) <= reach)


def _genes(length: int, rng: Rng) -> tuple[Spans, Spans, NDArray[np.bool_]]:
    """CpG islands and genes, about 25 a megabase; two thirds of the genes begin in an island."""
    start = np.arange(_EDGE + 6000, length - _EDGE - 40_000, 40_000)
    start = start + rng.integers(0, 8000, start.size)
    stop = start + rng.integers(6000, 28_000, start.size)
    plus = rng.random(start.size) < 0.5
    tss = np.where(plus, start, stop)
    with_island = rng.random(start.size) < 0.67
    first = tss[with_island] - rng.integers(300, 700, int(with_island.sum()))
    return Spans(first, first + rng.integers(500, 1200, first.size)), Spans(start, stop), plus


def _background(length: int, islands: Spans, rng: Rng) -> Codes:
    """Bases with a GC content that wanders from 36 to 48 %, and 66 % in islands."""
    wave = np.repeat(rng.normal(0, 1, length // 5000 + 2), 5000)[:length]
    gc = np.clip(0.42 + 0.03 * wave, 0.36, 0.48)
    for start, stop in zip(islands.start, islands.stop, strict=True):
        gc[start:stop] = 0.66
    strong = rng.random(length) < gc
    side = rng.random(length) < 0.5
    return np.where(strong, np.where(side, 1, 2), np.where(side, 0, 3)).astype(np.uint8)


def _plant_repeats(codes: Codes, rng: Rng) -> Spans:
    """Copies of three families of 300 bases, 5 % diverged."""
    families = rng.integers(0, 4, (3, 300)).astype(np.uint8)
    start = np.arange(_EDGE + 500, codes.size - _EDGE - 1000, 25_000)
    start = start + rng.integers(0, 20_000, start.size)
    start = start[start + 300 < codes.size - _EDGE]
    for at, family in zip(start, rng.integers(0, 3, start.size), strict=True):
        copy = families[family].copy()
        changed = rng.random(300) < 0.05
        copy[changed] = rng.integers(0, 4, int(changed.sum()))
        codes[at : at + 300] = copy
    return Spans(start, start + 300)


def _plant_motif(codes: Codes, sites: Spans, factor: FactorModel, rng: Rng) -> Motif:
    """Write instances, on both strands: in a share of the sites, and as many again anywhere."""
    matrix = factor.probabilities()
    width = len(matrix)
    chosen = np.flatnonzero(rng.random(sites.start.size) < factor.share)
    middle = (sites.start[chosen] + sites.stop[chosen]) // 2
    inside = middle + rng.integers(-40, 40, chosen.size) - width // 2
    elsewhere = rng.integers(_EDGE + 100, codes.size - _EDGE - 100, int(sites.start.size * factor.share))
    start = np.concatenate([inside, elsewhere])
    drawn = (rng.random((start.size, width, 1)) > np.cumsum(matrix, 1)[None, :, :3]).sum(2).astype(np.uint8)
    reverse = rng.random(start.size) < 0.5
    drawn[reverse] = 3 - drawn[reverse][:, ::-1]
    codes[start[:, None] + np.arange(width)] = drawn
    return Motif(start, np.concatenate([chosen, np.full(elsewhere.size, -1)]))


def call_peaks(chromosome: Chromosome, factor: FactorModel, cell: str, rng: Rng) -> tuple[PeakCall, PeakCall]:
    """Conservative and relaxed peaks: each conservative peak lies in a relaxed one, and there are weaker ones."""
    motif = chromosome.motifs[FACTORS.index(factor)]
    opened = chromosome.open[CELLS.index(cell)]
    placed = motif.site >= 0
    accessible = placed & opened[np.maximum(motif.site, 0)]
    share = np.full(motif.start.size, factor.bound[cell])
    if factor.promoters_only:
        tss = np.where(chromosome.plus, chromosome.genes.start, chromosome.genes.stop)
        share[~_near(motif.start, tss, 1000)] = 0.08
    bound = accessible & (rng.random(motif.start.size) < share)
    summit = motif.start[bound] + len(factor.consensus) // 2
    # A few peaks without the motif: experiments have them.
    stray = np.flatnonzero(opened & (rng.random(opened.size) < 0.004))
    summit = np.concatenate([summit, (chromosome.sites.start[stray] + chromosome.sites.stop[stray]) // 2])
    strong = _peaks_at(summit, rng)
    weak_sites = np.flatnonzero(opened & (rng.random(opened.size) < 0.06))
    weak = (chromosome.sites.start[weak_sites] + chromosome.sites.stop[weak_sites]) // 2
    around = PeakCall(
        np.concatenate([strong.start - rng.integers(20, 90, summit.size), weak - 160]),
        np.concatenate([strong.stop + rng.integers(20, 90, summit.size), weak + 160]),
        np.concatenate([strong.summit, np.full(weak.size, -1)]),
    )
    wide = np.where(around.summit >= 0, np.concatenate([summit, weak]) - around.start, -1)
    return strong, PeakCall(around.start, around.stop, wide)


def _peaks_at(summit: IntArray, rng: Rng) -> PeakCall:
    left, right = rng.integers(90, 160, (2, summit.size))
    return PeakCall(summit - left, summit + right, left)


def accessibility(chromosome: Chromosome, cell: str, bound: IntArray, rng: Rng) -> NDArray[np.float32]:
    """DNase-like cut coverage, float32 (length,), NaN where nothing was measured.

    Bumps over open sites with Poisson noise and a dip at bound motifs, small values here and there elsewhere.

    Args:
        chromosome: where.
        cell: which cell line.
        bound: positions of bound motifs.
        rng: random numbers.
    """
    length = chromosome.codes.size
    signal = np.zeros(length, np.float32)
    stray = rng.integers(0, length - 40, length // 1500)
    for start, size, value in zip(
        stray, rng.integers(15, 40, stray.size), rng.choice([0.25, 0.5, 0.75], stray.size), strict=True
    ):
        signal[start : start + size] = value
    height = rng.gamma(4.0, 1.2, chromosome.sites.start.size)
    for i in np.flatnonzero(chromosome.open[CELLS.index(cell)]):
        start, stop = int(chromosome.sites.start[i]), int(chromosome.sites.stop[i])
        x = np.linspace(-1, 1, stop - start)
        # Coverage of reads is smooth: one draw for every ten bases.
        expected = (height[i] * (np.cos(np.pi * x) + 1.1) / 2)[::10]
        signal[start:stop] += np.repeat(rng.poisson(4 * expected) / 4, 10)[: stop - start]
    for location in bound:
        signal[location - 8 : location + 8] *= 0.5
    signal = np.round(signal, 2)
    signal[chromosome.codes == 4] = np.nan
    for start in rng.integers(_EDGE, length - 2 * _EDGE, 12):
        block = signal[start : start + 4000]
        block[block == 0] = np.nan
    return signal


def uniqueness(chromosome: Chromosome, rng: Rng) -> NDArray[np.float32]:
    """35-mer uniqueness: 1, less in repeats, NaN in runs of N; float32 (length,)."""
    values = np.ones(chromosome.codes.size, np.float32)
    for start, stop in zip(chromosome.repeats.start, chromosome.repeats.stop, strict=True):
        values[start:stop] = rng.choice([0.5, 0.33, 0.25])
    values[chromosome.codes == 4] = np.nan
    return values
