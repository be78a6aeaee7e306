"""Change one line of the library at a time, for the worse, and see that the tests notice.

    python tests/stress/mutations.py
    python tests/stress/mutations.py auROC    # those with this word in their description

Each mutation is made in a copy of the repository, and the tests that are named for it run there, in a process of their
own. One that passes all of them is survived, and the status is 1: a test is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
COPIED = (
    "__init__.py",
    "cli",
    "data",
    "docs",
    "etl",
    "model",
    "py.typed",
    "pyproject.toml",
    "resources",
    "store",
    "tests",
)


@dataclass(frozen=True)
class Mutation:
    """One change for the worse: `old`, which occurs once in the file, becomes `new`; `tests` have to notice."""

    what: str
    file: str
    old: str
    new: str
    tests: str


MUTATIONS = (
    Mutation(
        "a bin is bound by 100 bases instead of 101",
        "store/schema.py", "BOUND_BASES = 101", "BOUND_BASES = 100", "tests/store/sampling",
    ),
    Mutation(
        "objects are not compared with their SHA-256",
        "store/format/manifest.py", "if hashlib.sha256(content).hexdigest() != sha:", "if False:", "tests/etl/verify/test_objects.py",
    ),
    Mutation(
        "cached objects of servers are not compared with their SHA-256",
        "store/storage/remote.py", " and opened.sha256() != sha:", " and False:", "tests/store/storage/test_cache.py tests/store/storage/test_remote.py",
    ),
    Mutation(
        "bases past the ends of a chromosome are A",
        "store/windows/inputs.py", "np.dtype(np.uint8), pad_value=4", "np.dtype(np.uint8), pad_value=0",
        "tests/store/windows",
    ),
    Mutation(
        "the signal is not reversed for the other strand",
        "model/network/factornet.py", "signal.flip(1)[:, :, self.strand_order]", "signal[:, :, self.strand_order]",
        "tests/model/network/test_factornet.py",
    ),
    Mutation(
        "ATAC cuts of the minus strand are shifted by -4 instead of -5",
        "etl/reads/signal_options.py", '"ATAC-seq": (4, -5)', '"ATAC-seq": (4, -4)', "tests/etl/reads",
    ),
    Mutation(
        "k-mers of four copies count as unique as those of three",
        "etl/uniqueness/values.py", "1 / 3, 1 / 4, 0", "1 / 3, 1 / 3, 0", "tests/etl/uniqueness/test_write_uniqueness.py",
    ),
    Mutation(
        "ties count as won in auROC",
        "model/evaluation/metrics.py", "(true - positives / 2)", "true", "tests/model/evaluation/test_metrics.py",
    ),
    Mutation(
        "sites are called at the highest threshold of a rate, not the lowest",
        "model/model_dir/calibration.py", "self.thresholds[reached[0]]", "self.thresholds[reached[-1]]",
        "tests/model/training/validation/test_calibration_fit.py",
    ),
    Mutation(
        "a table of 256 values has codes of one byte, of which none is left for no value",
        "store/format/value_tables/table.py", "self.values.size <= np.iinfo(t).max", "self.values.size <= np.iinfo(t).max + 1",
        "tests/store/format/value_tables",
    ),
    Mutation(
        "a part of an interrupted prediction counts whatever its digest",
        "model/prediction/region_parts.py", "if sound else", "if True else",
        "tests/model/prediction/test_region_parts.py",
    ),
    Mutation(
        "a bedgraph is not compared with what was written",
        "model/prediction/writers.py", "raise not_read_back(path)", "pass", "tests/model/prediction/test_bedgraph_writer.py",
    ),
)  # fmt: skip


def main() -> int:
    """Try all mutations; print a line each; return 1 if one is survived."""
    chosen = [m for m in MUTATIONS if all(word in m.what for word in sys.argv[1:])]
    survived = 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "factornet")  # so that it is imported by this name, in place of the installed one
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                copy.mkdir(exist_ok=True)
                shutil.copy(source, copy / name)
        for mutation in chosen:
            begin = perf_counter()
            noticed = try_mutation(mutation, copy)
            survived += not noticed
            print(
                f"{'SURVIVED' if not noticed else 'caught  '} {perf_counter() - begin:5.0f} s  {mutation.what}: {noticed}",
                flush=True,
            )
    print(f"{len(chosen) - survived} of {len(chosen)} mutations caught")
    return int(survived > 0)


def try_mutation(mutation: Mutation, copy: Path) -> str:
    """Make the change, run the tests up to the first that fails, and undo it; return that test, or nothing."""
    file = copy / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.file}: {mutation.old!r} occurs {text.count(mutation.old)} times; correct {__file__}"
        )
    file.write_text(text.replace(mutation.old, mutation.new))
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-m",
        "not slow and not alone",
        "--no-header",
        *mutation.tests.split(),
    ]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
    except subprocess.TimeoutExpired:
        return f"{mutation.tests} did not end within 300 s"
    finally:
        file.write_text(text)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode not in (0, 1) or (done.returncode == 1 and not failed):
        raise SystemExit(
            f"{mutation.tests}: pytest ended with status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return failed[0].removeprefix("FAILED ").partition(" - ")[0] if failed else ""


if __name__ == "__main__":
    sys.exit(main())
