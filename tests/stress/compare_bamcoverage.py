"""Compare the signal of BAM files with bamCoverage's, base by base: counts exactly, scaled values to its six digits.

    PYTHONPATH=tests python -m stress.compare_bamcoverage PROGRAM [BAM...]

PROGRAM is bamCoverage, in an environment of its own (deepTools 3.5). Two BAMs with every kind of alignment, and one of plain
reads, are simulated; scaled values are compared where bamCoverage does not estimate by sampling.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyBigWig
import pysam
from support.simulated_reads import simulate_bam

LENGTHS = {"chr1": 300_000, "chr2": 120_000, "chrX": 90_000, "chrM": 16_000}
COUNTS = {
    "all": ("", ""),
    "mapping quality": ("--min-mapq 10", "--minMappingQuality 10"),
    "flags": ("--exclude secondary supplementary duplicate failed", "--samFlagExclude 3840"),
    "mate unmapped": ("--exclude mate-unmapped", "--samFlagExclude 8"),
    "same position": ("--ignore-duplicates", "--ignoreDuplicates"),
    "both": ("--ignore-duplicates --min-mapq 10", "--ignoreDuplicates --minMappingQuality 10"),
    "proper pairs": ("--proper-pairs", "--samFlagInclude 2"),
}
RPGC = "--normalizeUsing RPGC --effectiveGenomeSize 400000 --ignoreForNormalization chrX chrM"
SCALED = {
    "1x": ("--effective-genome-size 400000", RPGC),
    "CPM": ("--scale cpm --ignore-for-scale none", "--normalizeUsing CPM"),
}


def values(path: Path) -> dict[str, np.ndarray]:
    with pyBigWig.open(str(path)) as file:
        return {name: np.nan_to_num(file.values(name, 0, n, numpy=True)) for name, n in (file.chroms() or {}).items()}


def compare(program: str, bam: Path, work: Path, ours: str, theirs: str, *, exact: bool) -> tuple[int, int]:
    """Return the bases with a cut, and those at which the two differ; (0, 0) where both find no read to use."""
    one, other = work / "ours.bw", work / "theirs.bw"
    script = Path(sys.executable).parent / "factornet-etl"
    words = [script, "signal", bam, "--assay", "dnase", "-o", one, "--force", *ours.split()]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        if "no read to use" in ended.stderr:
            return 0, 0
        raise SystemExit(ended.stderr)
    words = [program, "-b", bam, "-o", other, *"--Offset 1 --binSize 1 --skipNonCoveredRegions -p 2".split()]
    subprocess.run([*words, *theirs.split()], capture_output=True, check=True)
    found, expected, n_cuts, n_different = values(one), values(other), 0, 0
    for name, own in found.items():
        row = expected.get(name, np.zeros(own.size))
        rounded = own if exact else np.array([float(f"{v:g}") for v in own[own != 0]], np.float32)
        same = rounded == (row if exact else row[own != 0].astype(np.float32))
        n_cuts += int((row != 0).sum())
        n_different += int((~same).sum()) + int(((own == 0) & (row != 0)).sum())
    return n_cuts, n_different


def main(program: str, *bams: str) -> int:
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        plain = simulate_bam(work / "plain.bam", LENGTHS, 20_000, seed=3, unusual=False)
        files = [plain, *(simulate_bam(work / f"unusual{i}.bam", LENGTHS, 20_000, seed=i) for i in (1, 2))]
        for given in map(Path, bams):
            pysam.sort("-o", str(work / given.name), str(given))
            pysam.index(str(work / given.name))
            files.append(work / given.name)
        blacklist = work / "blacklist.bed"
        blacklist.write_text("chr1\t1000\t3000\nchr1\t50000\t90000\nchr2\t0\t700\nchrX\t5000\t6000\n")
        listed = (f"--blacklist {blacklist}", f"--blackListFileName {blacklist}")
        for bam in files:
            cases = {name: (f"--scale none {a}", b, True) for name, (a, b) in COUNTS.items()}
            cases |= {name: (a, b, False) for name, (a, b) in SCALED.items()}
            if bam in files[:3]:
                cases["blacklist"] = (f"--scale none {listed[0]}", listed[1], True)
                cases["1x, blacklist"] = (f"{SCALED['1x'][0]} {listed[0]}", f"{RPGC} {listed[1]}", False)
            for name, (ours, theirs, exact) in cases.items():
                n_cuts, n_different = compare(program, bam, work, ours, theirs, exact=exact)
                n_wrong += n_different > 0
                print(f"{bam.name}: {name}: {n_cuts:,} bases with a cut, {n_different} differ", flush=True)
    print(f"{n_wrong} wrong")
    return int(n_wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
