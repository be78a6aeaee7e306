"""All benchmarks, each in a process of its own: one table, and `results.json` beside this file.

`results.json` is a list of {name, ours, theirs, unit, ratio, spread}, see `rows`; it is written only where all
benchmarks are run. A benchmark that fails is named, does not cost the rows of the others, and makes the exit status 1.
A peer that is not installed is named too. Nothing here is a test: no figure makes anything fail.

Apart from these, `layout.py` compares layouts of arrays, `model_types.py` kinds of model, and `check_store.py` a store
with its sources.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from rows import Row, make_parser, table

HERE = Path(__file__).parent
BENCHMARKS = (
    "loader",
    "raw",
    "genvarloader_peer",
    "codes",
    "training",
    "etl",
    "predict",
    "predict_many",
    "predict_preset",
    "memory",
)


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=f"which of {', '.join(BENCHMARKS)}; all")
    options = parser.parse_args()
    unknown = set(options.benchmarks) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    path = options.json or (None if options.benchmarks else HERE / "results.json")
    rows, failed = [], []
    for name in options.benchmarks or BENCHMARKS:
        found, problem = run(name, options.repeats)
        rows += found
        failed += [f"{name}: {problem}"] if problem else []
    print(table(rows))
    for line in failed:
        print(f"failed: {line}")
    if path is not None:
        measured = [row for row in rows if "skipped" not in row]
        path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


def run(name: str, repeats: int) -> tuple[list[Row], str]:
    """The rows of a benchmark, and what went wrong; what it prints goes to standard error only where it fails."""
    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
    begin = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        command = [sys.executable, HERE / f"{name}.py", "--json", path, "--repeats", str(repeats)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    print(f"{perf_counter() - begin:.0f} s", file=sys.stderr)
    problem = ""
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        last = done.stdout.strip().splitlines()[-1:]
        problem = " ".join([f"exit status {done.returncode}", *last])
    elif not rows:
        problem = "left no rows"
    return rows, problem


if __name__ == "__main__":
    sys.exit(main())
