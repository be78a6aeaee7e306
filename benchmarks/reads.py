"""Time `factornet-etl signal` on a simulated BAM, against bamCoverage and bam2bw where their programs are given.

    python benchmarks/reads.py --reads 20000000 --bamcoverage PATH --bam2bw PATH

All count cuts base by base, unscaled, on the same cores. Values are compared with bamCoverage's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pysam

from factornet.etl.inputs.bigwig import read_values
from factornet.store.genome.bigwig_format import check_structure

LENGTHS = {"chr20": 63_025_520, "chr21": 48_129_895, "chr22": 51_304_566}
READ = 76
_BATCH = 100_000


def write_bam(path: Path, n_reads: int, *, seed: int = 0) -> None:
    """Write a sorted BAM of single reads without mismatches, a third of them at few places, and its index."""
    rng = np.random.default_rng(seed)
    text = "@HD\tVN:1.6\tSO:coordinate\n" + "".join(f"@SQ\tSN:{n}\tLN:{size}\n" for n, size in LENGTHS.items())
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(b"BAM\1" + struct.pack("<i", len(text)) + text.encode() + struct.pack("<i", len(LENGTHS)))
        for name, size in LENGTHS.items():
            file.write(struct.pack("<i", len(name) + 1) + name.encode() + b"\0" + struct.pack("<i", size))
        for chrom, size in enumerate(LENGTHS.values()):
            n = round(n_reads * size / sum(LENGTHS.values()))
            open_places = rng.integers(0, size - 2_000, size // 30_000)
            spread = rng.normal(0, 300, n // 3).astype(int) + 1_000
            pos = np.concatenate([rng.integers(0, size - READ, n - n // 3), rng.choice(open_places, n // 3) + spread])
            pos = np.sort(np.clip(pos, 0, size - READ))
            for begin in range(0, pos.size, _BATCH):
                file.write(_records(rng, chrom, pos[begin : begin + _BATCH], begin))
    pysam.index(str(path))


def _records(rng: np.random.Generator, chrom: int, pos: np.ndarray, first: int) -> bytes:
    """Return BAM records (SAM specification, section 4.2) of reads of READ matching bases."""
    fields = (
        "size:i4 chrom:i4 pos:i4 name_size:u1 mapq:u1 bin:u2 operations:u2 flag:u2 bases:i4 mate_chrom:i4 mate_pos:i4"
    )
    fields += f" template:i4 name:S12 cigar:u4 sequence:{READ // 2}u1 quality:{READ}u1"
    record = np.dtype([tuple(field.split(":")) for field in fields.split()])
    rows = np.zeros(pos.size, record)
    rows["size"], rows["chrom"], rows["pos"], rows["name_size"], rows["mapq"] = record.itemsize - 4, chrom, pos, 12, 60
    rows["operations"], rows["flag"], rows["bases"] = 1, rng.choice([0, 16], pos.size), READ
    rows["mate_chrom"] = rows["mate_pos"] = -1
    rows["name"] = [f"R{first + i:010d}".encode() for i in range(pos.size)]
    rows["cigar"] = READ << 4
    bases = np.array([1, 2, 4, 8], np.uint8)
    rows["sequence"] = rng.choice(bases, (pos.size, READ // 2)) << 4 | rng.choice(bases, (pos.size, READ // 2))
    rows["quality"] = rng.choice(np.array([37, 37, 37, 25, 11], np.uint8), (pos.size, READ))
    return rows.tobytes()


def timed(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run a command; return its wall time in s, CPU time in s and peak memory in MB, of its largest process."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    code = "import os, resource, subprocess, sys; r = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode\n"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)"
    words = [sys.executable, "-c", code, *command]
    ended = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=False
    )
    if ended.returncode:
        raise SystemExit(f"{shlex.join(command)}: {ended.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - begin, "cpu": cpu, "memory": int(ended.stdout) / 1e3}


def n_different(one: Path, other: Path) -> int:
    """Return the bases at which two bigWigs differ."""
    lengths = check_structure(one).lengths
    return sum(
        int((read_values(one, n, 0, size)[0] != read_values(other, n, 0, size)[0]).sum()) for n, size in lengths.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=20_000_000)
    parser.add_argument("--bam", type=Path, help="kept, and used again where it exists")
    parser.add_argument("--bamcoverage", help="the program")
    parser.add_argument("--bam2bw", help="the program")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        bam = options.bam or Path(work) / "reads.bam"
        if not bam.exists():
            write_bam(bam, options.reads)
        sizes = Path(work) / "sizes"
        sizes.write_text("".join(f"{name}\t{size}\n" for name, size in LENGTHS.items()))
        ours, theirs, third = (Path(work) / name for name in ("ours.bw", "theirs.bw", "third"))
        program = str(Path(sys.executable).parent / "factornet-etl")
        commands = {
            "factornet-etl signal": [program, *f"signal {bam} --assay dnase --scale none --force -o {ours}".split()]
        }
        if options.bamcoverage:
            words = f"-b {bam} --Offset 1 --binSize 1 --skipNonCoveredRegions -p 2 -o {theirs}"
            commands["bamCoverage"] = [options.bamcoverage, *words.split()]
        if options.bam2bw:
            commands["bam2bw"] = [options.bam2bw, *f"{bam} -s {sizes} -u -p 2 -n {third}".split()]
        for _ in range(options.repeats):
            for name, command in commands.items():
                print(json.dumps({"program": name, **timed(command)}), flush=True)
        if options.bamcoverage:
            print(json.dumps({"bases that differ from bamCoverage": n_different(ours, theirs)}))


if __name__ == "__main__":
    main()
