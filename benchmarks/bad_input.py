"""Compare how this project and other tools handle bad input files; print docs/bad-input.md.

    python benchmarks/bad_input.py > docs/bad-input.md

The FASTA and bigWig files of `tests/support/bad_input` are read by factornet-etl, pyfaidx and pyBigWig, pysam and
pybigtools, and GenVarLoader. Each tool reads each file in a separate process, for at most 20 s, and the result is
compared with the content of the clean file. Other tools have their own environments (`make bench-peers`).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from bad_input_side import _codes
from support.bad_input.case import FASTA, SIGNAL, Case
from support.bad_input.cases import CASES
from support.bad_input.corpus import GENOME, arguments_of, write_case, write_experiment
from support.forked import Ended, Forked

ROOT = Path(__file__).parent.parent
TIMEOUT = 20
_VERSIONS = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"


@dataclass(frozen=True)
class Tool:
    """A column of the tables.

    Attributes:
        title: short name.
        packages: distributions, for their versions.
        names: name of the reader in `bad_input_side.py`, by input file.
        python: interpreter that has the packages.
        modules: modules to import before the first fork.
    """

    title: str
    packages: tuple[str, ...]
    names: Mapping[str, str]
    python: Path
    modules: tuple[str, ...]


TOOLS = (
    Tool("alone", ("pyfaidx", "pyBigWig"), {FASTA: "pyfaidx", SIGNAL: "pyBigWig"}, Path(sys.executable), ()),
    Tool(
        "peer1",
        ("pysam", "pybigtools"),
        {FASTA: "pysam", SIGNAL: "pybigtools"},
        ROOT / "build/peers-venv/bin/python",
        ("pysam", "pybigtools"),
    ),
    Tool(
        "peer2",
        ("genvarloader",),
        {FASTA: "GenVarLoader FASTA", SIGNAL: "GenVarLoader bigWig"},
        ROOT / "build/gvl-venv/bin/python",
        ("genvarloader",),
    ),
)
KINDS = {
    "refused": "refused",
    "right": "read correctly",
    "wrong": "read with wrong values",
    "killed": "killed",
    "hung": "hung",
}


@dataclass(frozen=True)
class Outcome:
    """Result of a tool on a file: a key of `KINDS`, and a description or the tool's message."""

    kind: str
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run only cases whose name contains this")
    options = parser.parse_args()
    cases = [c for c in CASES if is_shown(c) and options.only in c.name]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        clean = write_experiment(Path(folder, "clean"))
        factornet = servers.enter_context(Forked())
        built = factornet.run("factornet.cli.etl", ["genome", "s.zarr", *GENOME], clean)
        assert built.status == 0, built.err
        forked = [servers.enter_context(Forked(t.modules, t.python)) for t in TOOLS]
        rows = []
        for number, case in enumerate(cases):
            case_folder = Path(folder, str(number))
            outcomes = [run_factornet(factornet, case, write_case(case, clean, case_folder / "factornet"))]
            for tool, server in zip(TOOLS, forked, strict=True):
                outcomes.append(run_tool(server, tool, case, write_case(case, clean, case_folder / tool.title), clean))
            rows.append((case, outcomes))
            print(f"{number + 1}/{len(cases)} {case.name}", file=sys.stderr)
    print(render_page(rows))


def is_shown(case: Case) -> bool:
    """Return whether a case is a FASTA or bigWig read without additional options."""
    return case.file in (FASTA, SIGNAL) and case.command in ("genome", "build") and not case.options


def run_factornet(server: Forked, case: Case, folder: Path) -> Outcome:
    """Run factornet-etl on a case."""
    arguments = arguments_of(case)
    if case.command == "genome":
        arguments = ["genome", "new.zarr", *arguments[2:]]
    ended = server.run("factornet.cli.etl", arguments, folder, limit=TIMEOUT)
    if ended.status == 0:
        usual = ("shared", "blacklist", "runs of N", "annotation")
        notes = [n for n in json.loads(ended.out.splitlines()[0])["notes"] if not any(word in n for word in usual)]
        return Outcome("right", "; ".join(["accepted", *notes]))
    return failure(ended) or Outcome("refused", ended.err.partition(" error: ")[2])


def run_tool(server: Forked, tool: Tool, case: Case, folder: Path, clean: Path) -> Outcome:
    """Run another tool on a case, and compare what it reads with the expected content."""
    np.savez(folder / "truth.npz", **expected_content(case.file, clean if case.refused or case.same else folder))
    arguments = [tool.names[case.file], str(folder / case.file), str(folder / "truth.npz")]
    ended = server.run("bad_input_side", arguments, ROOT / "benchmarks", limit=TIMEOUT)
    if crashed := failure(ended):
        return crashed
    try:
        result = json.loads(ended.out.splitlines()[-1])
    except (ValueError, IndexError):
        return Outcome("refused", ended.err.strip().splitlines()[-1] if ended.err.strip() else f"status {ended.status}")
    if "error" in result:
        return Outcome("refused", result["error"])
    found = result["found"]
    if not found["wrong"]:
        return Outcome("right", "read correctly")
    wrong = f"read with {found['wrong']:,} of {found['bases']:,} bases wrong"
    return Outcome("wrong", wrong + (f", {found['lost']:,} of them as 0 or missing" if found["lost"] else ""))


def failure(ended: Ended) -> Outcome | None:
    """Return the outcome of a process that was killed, None for one that exited."""
    if ended.hung:
        return Outcome("hung", f"**hung** (killed after {TIMEOUT} s)")
    if ended.signal:
        return Outcome("killed", f"**interpreter killed ({ended.signal})**")
    return None


def expected_content(file: str, folder: Path) -> dict[str, np.ndarray]:
    """Return the content of a valid file by chromosome: upper-case letters as uint8, or signal as float32."""
    if file == FASTA:
        records = (r.split("\n", 1) for r in (folder / file).read_text().split(">")[1:])
        return {head.split()[0]: _codes(text.replace("\n", "")) for head, text in records}
    with pyBigWig.open(str(folder / file)) as bigwig:
        return {n: np.nan_to_num(bigwig.values(n, 0, size, numpy=True)) for n, size in bigwig.chroms().items()}


def render_page(rows: list[tuple[Case, list[Outcome]]]) -> str:
    """Return the page as Markdown."""
    versions = [", ".join(f"{n} {v}" for n, v in zip(t.packages, package_versions(t), strict=True)) for t in TOOLS]
    titles = ["factornet", *versions]
    return "\n".join(
        [*render_summary(rows, titles), *render_table(FASTA, rows, titles), *render_table(SIGNAL, rows, titles)]
    )


def package_versions(tool: Tool) -> list[str]:
    """Return the versions of a tool's packages."""
    command = [tool.python, "-c", _VERSIONS, *tool.packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def render_summary(rows: list[tuple[Case, list[Outcome]]], titles: list[str]) -> list[str]:
    """Return the introduction and the counts."""
    bad = [(c, outcomes) for c, outcomes in rows if c.refused]
    n_valid = len(rows) - len(bad)
    lines = [
        "# Bad input: how factornet and other tools handle it\n",
        "Written by `python benchmarks/bad_input.py` from the files of `PYTHONPATH=tests python -m "
        "support.bad_input.corpus FOLDER`. Each tool reads "
        "all of each file in a separate process. The result is compared, base by base, with the content of the clean "
        "file; gaps count as 0 and letters other than ACGT as N. `inf` and `1e38` are values in the file, which a tool "
        "may rightly return: they count as wrong here because no network can learn from them. The other tools are "
        "libraries: they cannot know which chromosomes and lengths a store has.\n",
        f"Of {len(bad)} invalid files:\n",
        f"| | {' | '.join(titles)} |",
        f"|---|{'---|' * len(titles)}",
    ]
    counts = [Counter(outcomes[i].kind for _, outcomes in bad) for i in range(len(titles))]
    lines += [f"| {text} | {' | '.join(str(c[kind]) for c in counts)} |" for kind, text in KINDS.items()]
    named = [
        sum(outcomes[i].kind == "refused" and (c.named or Path(c.file).name) in outcomes[i].text for c, outcomes in bad)
        for i in range(len(titles))
    ]
    lines.append(f"| refused, naming the file | {' | '.join(map(str, named))} |")
    right = [sum(outcomes[i].kind == "right" for c, outcomes in rows if not c.refused) for i in range(len(titles))]
    return [*lines, f"| of {n_valid} unusual but valid files: read correctly | {' | '.join(map(str, right))} |"]


def render_table(file: str, rows: list[tuple[Case, list[Outcome]]], titles: list[str]) -> list[str]:
    """Return the table of one kind of file."""
    kind = "FASTA" if file == FASTA else "bigWig"
    lines = [f"\n## {kind}\n", f"| file | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for case, (factornet, *others) in rows:
        if case.file == file:
            mark = "" if case.refused else " (valid)"
            cells = [shorten(factornet.text, 170), *(shorten(outcome.text, 80) for outcome in others)]
            lines.append(f"| {case.name}{mark} | {' | '.join(cells)} |")
    return lines


def shorten(text: str, size: int) -> str:
    """Return a text as one line of at most `size` characters, without folders."""
    text = re.sub(r"(/[\w.-]+)+/", "", " ".join(text.split())).replace("|", r"\|").replace("<", "&lt;")
    return text if len(text) <= size else text[: size - 3] + "..."


if __name__ == "__main__":
    main()
