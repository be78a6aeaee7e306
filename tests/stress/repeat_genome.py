"""Write a random genome as full of repeats as a mammal's, to measure `factornet-etl uniqueness` on.

    python tests/stress/repeat_genome.py genome.fa --gigabases 3.1
    /usr/bin/time -v factornet-etl uniqueness --fasta genome.fa -o genome.bw

Chromosomes have the proportions of hg38's. Half of the bases are copies of 300 families of 300 to 6,000 bases, as of
transposons: of each copy an end is missing, and 0.5 to 10 % of its bases are changed, by family. 3 % are satellites: a
unit of 171 bases in a row, 1 % changed, and one array whose copies are all alike. 5 % are N: the ends of chromosomes, and
a run in the middle. Some records are named as those that are left out.
"""

import argparse
from pathlib import Path

import numpy as np

LENGTHS = (
    249,
    242,
    198,
    190,
    182,
    171,
    159,
    145,
    138,
    134,
    135,
    133,
    114,
    107,
    102,
    90,
    83,
    80,
    59,
    64,
    47,
    51,
    156,
    57,
)
NAMES = [f"chr{name}" for name in (*range(1, 23), "X", "Y")]
FAMILIES, WIDTH = 300, 60
UNIT, SATELLITE_SHARE, COPIED_SHARE = 171, 0.03, 0.5


def make_families(rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """Return the bases of each family, and the share that is changed in a copy."""
    return [
        (rng.integers(0, 4, rng.integers(300, 6000), np.uint8), rng.choice([0.005, 0.01, 0.02, 0.05, 0.1]))
        for _ in range(FAMILIES)
    ]


def mutate(bases: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return a copy with changed bases."""
    copy = bases.copy()
    at = rng.integers(0, bases.size, rng.poisson(bases.size * share))
    copy[at] = (copy[at] + rng.integers(1, 4, at.size, np.uint8)) % 4
    return copy


def make_chromosome(size: int, families: list, unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return codes of a chromosome, 4 = N."""
    codes = rng.integers(0, 4, size, np.uint8)
    planted = 0
    while planted < COPIED_SHARE * size:
        family, share = families[int(rng.integers(FAMILIES))]
        copy = mutate(family[int(rng.integers(family.size // 2)) :], share, rng)
        at = int(rng.integers(max(size - copy.size, 1)))
        codes[at : at + copy.size] = copy[: size - at]
        planted += copy.size
    middle, satellites = size // 3, int(size * SATELLITE_SHARE)
    array = np.tile(unit, satellites // UNIT + 1)[:satellites]
    codes[middle : middle + satellites] = mutate(array, 0.01, rng)
    codes[middle : middle + satellites // 10] = array[: satellites // 10]
    codes[middle + satellites : middle + satellites + size // 20] = 4
    codes[: min(10_000, size // 100)] = codes[-min(10_000, size // 100) :] = 4
    return codes


def write_record(file, name: str, codes: np.ndarray) -> None:
    """Write a record, 60 bases a line."""
    letters = np.frombuffer(b"ACGTN", np.uint8)[codes]
    whole = letters.size // WIDTH * WIDTH
    lines = np.full((whole // WIDTH, WIDTH + 1), ord("\n"), np.uint8)
    lines[:, :WIDTH] = letters[:whole].reshape(-1, WIDTH)
    file.write(f">{name}\n".encode() + lines.tobytes())
    if whole < letters.size:
        file.write(letters[whole:].tobytes() + b"\n")


def main() -> None:
    """Write the genome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fasta", type=Path)
    parser.add_argument("--gigabases", type=float, default=3.1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    families, unit = make_families(rng), rng.integers(0, 4, UNIT, np.uint8)
    scale = options.gigabases * 1e9 / sum(LENGTHS)
    with options.fasta.open("wb") as file:
        for name, length in zip(NAMES, LENGTHS, strict=True):
            write_record(file, name, make_chromosome(int(length * scale), families, unit, rng))
        for name in ("chr1_KI270706v1_random", "chr6_GL000250v2_alt", "chrUn_KI270302v1"):
            write_record(file, name, make_chromosome(max(int(0.1 * scale), 1000), families, unit, rng))


if __name__ == "__main__":
    main()
