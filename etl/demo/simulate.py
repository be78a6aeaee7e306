"""Simulate a small experiment, as arrays, from which a network can learn something.

Open chromatin differs between cell lines. Motif instances are in open and, more often, in closed chromatin. A site that
is open in a cell line is bound there with a probability that depends on the factor: REST's on the cell line (so that
expression features help), GABPA's on promoters (so that annotation helps). Neither sequence nor accessibility alone
predicts where a factor binds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...store.genome.intervals import IntArray, Intervals

Rng = np.random.Generator
Codes = NDArray[np.uint8]

CHROMOSOMES = {"chr2": 2_400_000, "chr7": 2_200_000, "chr11": 1_200_000, "chr1": 1_200_000, "chr21": 1_000_000}
CELLS = ("GM12878", "HepG2", "K562")
_EDGE = 10_000
"""Bases of N at each end of a chromosome, and of one run inside."""


@dataclass(frozen=True)
class SimulatedFactor:
    """A transcription factor.

    Attributes:
        name: of the factor.
        consensus: consensus sequence, see `probabilities`.
        share: share of sites that have its motif.
        bound: share of open sites with its motif that it binds, by cell line.
        promoters_only: whether that holds only near a TSS (elsewhere it is 0.08).
    """

    name: str
    consensus: str
    share: float
    bound: dict[str, float]
    promoters_only: bool = False

    def probabilities(self) -> NDArray[np.float64]:
        """Return letter probabilities, float64 (w, 4): 0.94 for a capital of the consensus, 0.6 for a small letter."""
        matrix = np.full((len(self.consensus), 4), 0.0)
        for i, letter in enumerate(self.consensus):
            probability = 0.94 if letter.isupper() else 0.6
            matrix[i] = (1 - probability) / 3
            matrix[i, "ACGT".index(letter.upper())] = probability
        return matrix


FACTORS = (
    SimulatedFactor("CTCF", "CCACcAGGGGGCGcT", 0.16, {"GM12878": 0.95, "HepG2": 0.95, "K562": 0.95}),
    SimulatedFactor("MAX", "aCCACGTGGTca", 0.09, {"GM12878": 0.85, "HepG2": 0.85, "K562": 0.85}),
    SimulatedFactor("REST", "TTCAGCACCaCGGAC", 0.09, {"HepG2": 0.92, "K562": 0.25}),
    SimulatedFactor("GABPA", "aCCGGAAGTGcg", 0.12, {"GM12878": 0.95, "HepG2": 0.95}, promoters_only=True),
)
META = {  # expression components; the fifth correlates with the share of sites that REST binds
    "GM12878": (-0.19, 0.22, 0.02, -0.41, 0.10, 0.08, -0.10, 0.44),
    "HepG2": (0.31, -0.15, 0.07, 0.26, 0.92, -0.03, 0.05, -0.21),
    "K562": (-0.20, 0.20, 0.07, -0.36, 0.25, -0.01, 0.19, -0.48),
}


@dataclass(frozen=True)
class SimulatedMotif:
    """Instances of a factor's motif on one chromosome.

    Attributes:
        start: first base, int64 (instances,).
        site: index of the site that contains the instance, -1 for none; int64 (instances,).
    """

    start: IntArray
    site: IntArray


@dataclass(frozen=True)
class SimulatedChromosome:
    """One chromosome of the experiment; intervals are in coordinates of the chromosome.

    Attributes:
        codes: bases 0..3, 4 = N; uint8 (length,).
        repeats: repeat copies, lower case in the FASTA.
        islands: CpG islands.
        genes: genes.
        plus: whether a gene is on the + strand, bool (genes,).
        sites: candidate sites of open chromatin.
        open: whether a site is open, bool (cell lines, sites).
        motifs: motif instances of each factor, in the order of `FACTORS`.
    """

    codes: Codes
    repeats: Intervals
    islands: Intervals
    genes: Intervals
    plus: NDArray[np.bool_]
    sites: Intervals
    open: NDArray[np.bool_]
    motifs: tuple[SimulatedMotif, ...]


@dataclass(frozen=True)
class PeakCall:
    """Peaks of a factor in a cell line on one chromosome, int64 (peaks,) each; `summit` is relative to `start`."""

    start: IntArray
    stop: IntArray
    summit: IntArray


def simulate_chromosome(length: int, rng: Rng) -> SimulatedChromosome:
    """Simulate sequence, genes, open sites and motif instances of one chromosome of `length` bases."""
    islands, genes, plus = _simulate_genes(length, rng)
    codes = _simulate_background(length, islands, rng)
    repeats = _plant_repeats(codes, rng)
    middle = np.arange(_EDGE + 4000, length - _EDGE - 4000, 1600)
    middle = middle + rng.integers(-550, 550, middle.size)
    half = rng.integers(110, 230, middle.size)
    sites = Intervals(middle - half, middle + half)
    kind = rng.random(middle.size)
    cell_specific = rng.random((len(CELLS), middle.size)) < 0.38
    near_promoter = _is_near(middle, np.where(plus, genes.starts, genes.stops), 800)
    is_open = (kind < 0.22) | ((kind < 0.68) & cell_specific) | near_promoter
    motifs = tuple(_plant_motif(codes, sites, factor, rng) for factor in FACTORS)
    for start in (0, length - _EDGE, length // 3):
        codes[start : start + _EDGE] = 4
    return SimulatedChromosome(codes, repeats, islands, genes, plus, sites, is_open, motifs)


def _is_near(positions: IntArray, landmarks: IntArray, distance: int) -> NDArray[np.bool_]:
    """Return whether each position has a landmark within `distance` bases."""
    landmarks = np.sort(landmarks)
    i = np.searchsorted(landmarks, positions)
    left = np.abs(positions - landmarks[np.maximum(i - 1, 0)])
    right = np.abs(positions - landmarks[np.minimum(i, landmarks.size - 1)])
    return np.asarray(np.minimum(left, right) <= distance)


def _simulate_genes(length: int, rng: Rng) -> tuple[Intervals, Intervals, NDArray[np.bool_]]:
    """Simulate CpG islands and genes, about 25 per megabase; two thirds of the genes begin in an island."""
    start = np.arange(_EDGE + 6000, length - _EDGE - 40_000, 40_000)
    start = start + rng.integers(0, 8000, start.size)
    stop = start + rng.integers(6000, 28_000, start.size)
    plus = rng.random(start.size) < 0.5
    tss = np.where(plus, start, stop)
    with_island = rng.random(start.size) < 0.67
    first = tss[with_island] - rng.integers(300, 700, int(with_island.sum()))
    return Intervals(first, first + rng.integers(500, 1200, first.size)), Intervals(start, stop), plus


def _simulate_background(length: int, islands: Intervals, rng: Rng) -> Codes:
    """Simulate bases with a GC content that varies from 36 to 48 %, and is 66 % in islands."""
    wave = np.repeat(rng.normal(0, 1, length // 5000 + 2), 5000)[:length]
    gc = np.clip(0.42 + 0.03 * wave, 0.36, 0.48)
    for start, stop in zip(islands.starts, islands.stops, strict=True):
        gc[start:stop] = 0.66
    strong = rng.random(length) < gc
    side = rng.random(length) < 0.5
    return np.where(strong, np.where(side, 1, 2), np.where(side, 0, 3)).astype(np.uint8)


def _plant_repeats(codes: Codes, rng: Rng) -> Intervals:
    """Write copies of three repeat families of 300 bases, 5 % diverged, into `codes`."""
    families = rng.integers(0, 4, (3, 300)).astype(np.uint8)
    start = np.arange(_EDGE + 500, codes.size - _EDGE - 1000, 25_000)
    start = start + rng.integers(0, 20_000, start.size)
    start = start[start + 300 < codes.size - _EDGE]
    for first, family in zip(start, rng.integers(0, 3, start.size), strict=True):
        copy = families[family].copy()
        changed = rng.random(300) < 0.05
        copy[changed] = rng.integers(0, 4, int(changed.sum()))
        codes[first : first + 300] = copy
    return Intervals(start, start + 300)


def _plant_motif(codes: Codes, sites: Intervals, factor: SimulatedFactor, rng: Rng) -> SimulatedMotif:
    """Write motif instances into `codes`, on both strands: in a share of the sites, and as many elsewhere."""
    matrix = factor.probabilities()
    width = len(matrix)
    chosen = np.flatnonzero(rng.random(sites.starts.size) < factor.share)
    middle = (sites.starts[chosen] + sites.stops[chosen]) // 2
    inside = middle + rng.integers(-40, 40, chosen.size) - width // 2
    elsewhere = rng.integers(_EDGE + 100, codes.size - _EDGE - 100, int(sites.starts.size * factor.share))
    start = np.concatenate([inside, elsewhere])
    drawn = (rng.random((start.size, width, 1)) > np.cumsum(matrix, 1)[None, :, :3]).sum(2).astype(np.uint8)
    reverse = rng.random(start.size) < 0.5
    drawn[reverse] = 3 - drawn[reverse][:, ::-1]
    codes[start[:, None] + np.arange(width)] = drawn
    return SimulatedMotif(start, np.concatenate([chosen, np.full(elsewhere.size, -1)]))


def call_peaks(
    chromosome: SimulatedChromosome, factor: SimulatedFactor, cell: str, rng: Rng
) -> tuple[PeakCall, PeakCall]:
    """Return conservative and relaxed peaks: a relaxed one around each conservative peak, and weaker ones."""
    motif = chromosome.motifs[FACTORS.index(factor)]
    is_open = chromosome.open[CELLS.index(cell)]
    accessible = (motif.site >= 0) & is_open[np.maximum(motif.site, 0)]
    share = np.full(motif.start.size, factor.bound[cell])
    if factor.promoters_only:
        tss = np.where(chromosome.plus, chromosome.genes.starts, chromosome.genes.stops)
        share[~_is_near(motif.start, tss, 1000)] = 0.08
    bound = accessible & (rng.random(motif.start.size) < share)
    summit = motif.start[bound] + len(factor.consensus) // 2
    # A few peaks without the motif, as in real experiments.
    stray = np.flatnonzero(is_open & (rng.random(is_open.size) < 0.004))
    summit = np.concatenate([summit, (chromosome.sites.starts[stray] + chromosome.sites.stops[stray]) // 2])
    strong = _peaks_at(summit, rng)
    weak_sites = np.flatnonzero(is_open & (rng.random(is_open.size) < 0.06))
    weak = (chromosome.sites.starts[weak_sites] + chromosome.sites.stops[weak_sites]) // 2
    start = np.concatenate([strong.start - rng.integers(20, 90, summit.size), weak - 160])
    stop = np.concatenate([strong.stop + rng.integers(20, 90, summit.size), weak + 160])
    relaxed_summit = np.concatenate([summit - start[: summit.size], np.full(weak.size, -1)])
    return strong, PeakCall(start, stop, relaxed_summit)


def _peaks_at(summit: IntArray, rng: Rng) -> PeakCall:
    left, right = rng.integers(90, 160, (2, summit.size))
    return PeakCall(summit - left, summit + right, left)


def accessibility(chromosome: SimulatedChromosome, cell: str, bound: IntArray, rng: Rng) -> NDArray[np.float32]:
    """Simulate DNase-like coverage: Poisson bumps over open sites with dips at bound motifs, and sparse background.

    Args:
        chromosome: the chromosome.
        cell: name of the cell line.
        bound: positions of bound motifs.
        rng: random number generator.

    Returns:
        float32 (length,), NaN where nothing was measured.
    """
    length = chromosome.codes.size
    signal = np.zeros(length, np.float32)
    stray = rng.integers(0, length - 40, length // 1500)
    for start, size, value in zip(
        stray, rng.integers(15, 40, stray.size), rng.choice([0.25, 0.5, 0.75], stray.size), strict=True
    ):
        signal[start : start + size] = value
    height = rng.gamma(4.0, 1.2, chromosome.sites.starts.size)
    for i in np.flatnonzero(chromosome.open[CELLS.index(cell)]):
        start, stop = int(chromosome.sites.starts[i]), int(chromosome.sites.stops[i])
        x = np.linspace(-1, 1, stop - start)
        # Read coverage is smooth: one draw per ten bases.
        expected = (height[i] * (np.cos(np.pi * x) + 1.1) / 2)[::10]
        signal[start:stop] += np.repeat(rng.poisson(4 * expected) / 4, 10)[: stop - start]
    for position in bound:
        signal[position - 8 : position + 8] *= 0.5
    signal = np.round(signal, 2)
    signal[chromosome.codes == 4] = np.nan
    for start in rng.integers(_EDGE, length - 2 * _EDGE, 12):
        block = signal[start : start + 4000]
        block[block == 0] = np.nan
    return signal


def uniqueness(chromosome: SimulatedChromosome, rng: Rng) -> NDArray[np.float32]:
    """Simulate 35-mer uniqueness: 1, less in repeats, NaN in runs of N; float32 (length,)."""
    values = np.ones(chromosome.codes.size, np.float32)
    for start, stop in zip(chromosome.repeats.starts, chromosome.repeats.stops, strict=True):
        values[start:stop] = rng.choice([0.5, 0.33, 0.25])
    values[chromosome.codes == 4] = np.nan
    return values
