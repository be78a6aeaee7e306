"""Compare what two commits compute: digests of a built store, weights of seeded trainings, bytes of predictions.

    python tests/stress/compare_commits.py 8d89d39 HEAD

Both are checked out into temporary folders and run on the same simulated experiment, one after the other, with one
thread. A restructuring must leave every line equal. Prints one line a result, and exits with 1 where any differs.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.numpy import load_file

_SIZES = "-L 500 -k 8 -r 8 -d 16 -e 2 -n 1 --seed 7".split()
TRAININGS = {
    "onePeak": ["-f", "CTCF", "-i", "GM12878", "HepG2", "-mo", "--motifs", "files/motifs.meme"],
    "meta": ["-f", "CTCF", "-i", "GM12878", "HepG2", "-m"],
    "GENCODE": ["-f", "CTCF", "-i", "GM12878", "HepG2", "-g"],
    "metaGENCODE": ["-f", "CTCF", "-i", "GM12878", "HepG2", "-m", "-g"],
    "multiTask": ["-i", "GM12878"],
}
"""The five FactorNet types, by their options."""


def run_all(checkout: Path, work: Path) -> dict[str, str]:
    """Build, train and predict with the code in `checkout`; returns result name -> digest."""
    (checkout / "importable").mkdir()
    (checkout / "importable/factornet").symlink_to(checkout)
    environment = os.environ | {"PYTHONPATH": str(checkout / "importable"), "OMP_NUM_THREADS": "1"}

    def command(name: str, *arguments: str) -> None:
        code = f"import sys; from factornet.cli.{name} import main; sys.exit(main(sys.argv[1:]))"
        subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL
        )

    command("etl", "demo", "files")
    command(
        "etl", "genome", "s.zarr", "--assembly", "demo", "--fasta", "files/genome.fa", "--gtf",
        "files/annotation/genes.gtf.gz", "--cpg", "files/annotation/cpgIslandExt.txt.gz", "--blacklist",
        "files/annotation/blacklist.bed.gz", "--track", "Unique35=files/tracks/Unique35.bw",
    )  # fmt: skip
    command("etl", "build", "s.zarr", *(f"files/cells/{cell}" for cell in ("GM12878", "HepG2", "K562")))
    command("etl", "unpack", "s.zarr", "raw.zarr")
    found = {f"store {name}": digest for name, digest in _store_digests(work / "s.zarr").items()}
    found |= {f"raw store {name}": digest for name, digest in _store_digests(work / "raw.zarr").items()}
    for name, options in TRAININGS.items():
        store = "raw.zarr" if name == "meta" else "s.zarr"
        command("train", "--store", store, *options, *_SIZES, "-o", name)
        for weights in sorted((work / name).glob("*.safetensors")):
            found[f"{name} {weights.name}"] = _tensors_digest(weights)
        history = json.loads((work / name / "history.json").read_text())
        history = history["epochs"] if isinstance(history, dict) else history  # a list before it was sealed
        found[f"{name} losses"] = _digest(repr([(e["loss"], e["val_loss"]) for e in history]).encode())
        command(
            "predict", "--store", "s.zarr", "-i", "K562", "-m", name, "-f", "CTCF", "--regions", "chr21",
            "-o", f"{name}.bed.gz",
        )  # fmt: skip
        found[f"{name} prediction"] = _digest(gzip.decompress((work / f"{name}.bed.gz").read_bytes()))
    return found


def _store_digests(store: Path) -> dict[str, str]:
    root = json.loads((store / "zarr.json").read_text())["attributes"]
    cells = {
        path.parent.name: json.loads(path.read_text())["attributes"]["manifest"]
        for path in sorted(store.glob("cells/*/zarr.json"))
    }
    return {"genome": root["genome_manifest"], **cells}


def _tensors_digest(path: Path) -> str:
    return _digest(b"".join(name.encode() + value.tobytes() for name, value in sorted(load_file(path).items())))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> int:
    """Run both commits and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="commit")
    parser.add_argument("after", help="commit")
    options = parser.parse_args()
    results = []
    for commit in (options.before, options.after):
        with tempfile.TemporaryDirectory() as folder:
            checkout, work = Path(folder, "checkout"), Path(folder, "work")
            checkout.mkdir()
            work.mkdir()
            archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
            subprocess.run(["tar", "-x", "-C", str(checkout)], input=archive, check=True)
            results.append(run_all(checkout, work))
    before, after = results
    differing = 0
    for name in sorted(before.keys() | after.keys()):
        equal = before.get(name) == after.get(name)
        differing += not equal
        print(f"{'equal' if equal else 'DIFFERS'}  {name}  {before.get(name, '-')[:16]} {after.get(name, '-')[:16]}")
    print(f"{len(before)} results of {options.before} and {len(after)} of {options.after}; {differing} differ")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
