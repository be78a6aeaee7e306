"""What this project and other tools say to the same bad files, as the Markdown of docs/bad-input.md.

    python benchmarks/bad_input.py > docs/bad-input.md

The FASTA and bigWig files of `tests/support/bad_input`, shown to: our own commands; pyfaidx and pyBigWig alone;
pysam and pybigtools; GenVarLoader. Every tool reads every file in a process of its own with 20 s to do it, and what it
read is compared with what the file held before it was spoilt. Peers live in environments of their own (`make
bench-peers`).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from bad_input_side import _codes
from support.bad_input.cases import CASES, FASTA, SIGNAL, Case
from support.bad_input.corpus import GENOME, arguments_of, write_case, write_experiment
from support.forked import Ended, Forked

ROOT = Path(__file__).parent.parent
LIMIT = 20
_VERSIONS = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
Ask = Callable[[Path], Ended]


@dataclass(frozen=True)
class Tool:
    """A column: which tool reads which kind of file, and the Python that has it."""

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
    "right": "read on, all right",
    "wrong": "read on, wrong",
    "killed": "killed",
    "hung": "hung",
}


@dataclass(frozen=True)
class Answer:
    """What a tool made of a file: a kind (of `KINDS`), and its words."""

    kind: str
    words: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    cases = [c for c in CASES if shown(c) and options.only in c.name]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        clean = write_experiment(Path(folder, "clean"))
        ours = servers.enter_context(Forked())
        built = ours.run("factornet.cli.etl", ["genome", "s.zarr", *GENOME], clean)
        assert built.status == 0, built.err
        sides = [servers.enter_context(Forked(t.modules, t.python)) for t in TOOLS]
        rows = []
        for number, case in enumerate(cases):
            location = Path(folder, str(number))
            answers = [ask_us(ours, case, write_case(case, clean, location / "ours"))]
            for tool, side in zip(TOOLS, sides, strict=True):
                answers.append(ask(side, tool, case, write_case(case, clean, location / tool.title), clean))
            rows.append((case, answers))
            print(f"{number + 1}/{len(cases)} {case.name}", file=sys.stderr)
    print(page(rows))


def shown(case: Case) -> bool:
    """Cases that are the file's own, not those of our options."""
    return case.file in (FASTA, SIGNAL) and case.command in ("genome", "build") and not case.options


def ask_us(server: Forked, case: Case, folder: Path) -> Answer:
    """Our own command."""
    arguments = arguments_of(case)
    if case.command == "genome":
        arguments = ["genome", "new.zarr", *arguments[2:]]
    ended = server.run("factornet.cli.etl", arguments, folder, limit=LIMIT)
    if ended.status == 0:
        notes = [
            n for n in json.loads(ended.out.splitlines()[0])["notes"] if "shared" not in n and "blacklist" not in n
        ]
        return Answer("right", "; ".join(["accepted", *notes]))
    return died(ended) or Answer("refused", ended.err.partition(" error: ")[2])


def ask(server: Forked, tool: Tool, case: Case, folder: Path, clean: Path) -> Answer:
    """Another tool, and whether what it reads is right."""
    held = truth(case.file, folder if not (case.refused or case.same) else clean)
    np.savez(folder / "truth.npz", **held)
    arguments = [tool.names[case.file], str(folder / case.file), str(folder / "truth.npz")]
    ended = server.run("bad_input_side", arguments, ROOT / "benchmarks", limit=LIMIT)
    if died(ended):
        return died(ended)
    try:
        said = json.loads(ended.out.splitlines()[-1])
    except (ValueError, IndexError):
        return Answer("refused", ended.err.strip().splitlines()[-1] if ended.err.strip() else f"status {ended.status}")
    if "error" in said:
        return Answer("refused", said["error"])
    found = said["found"]
    if not found["wrong"]:
        return Answer("right", "reads on, all right")
    share = f"{found['wrong']:,} of {found['bases']:,} bases wrong"
    return Answer(
        "wrong", f"reads on, {share}" + (f", {found['lost']:,} of them as 0 or none" if found["lost"] else "")
    )


def died(ended: Ended) -> Answer | None:
    """Of a tool that did not end by itself."""
    if ended.hung:
        return Answer("hung", f"**hangs** (killed after {LIMIT} s)")
    if ended.signal:
        return Answer("killed", f"**interpreter killed ({ended.signal})**")
    return None


def truth(file: str, folder: Path) -> dict[str, np.ndarray]:
    """What a sound file holds, by chromosome."""
    if file == FASTA:
        records = (r.split("\n", 1) for r in (folder / file).read_text().split(">")[1:])
        return {head.split()[0]: _codes(text.replace("\n", "")) for head, text in records}
    with pyBigWig.open(str(folder / file)) as bigwig:
        return {n: np.nan_to_num(bigwig.values(n, 0, size, numpy=True)) for n, size in bigwig.chroms().items()}


def page(rows: list[tuple[Case, list[Answer]]]) -> str:
    """The Markdown."""
    versions = [", ".join(f"{n} {v}" for n, v in zip(t.packages, versions_of(t), strict=True)) for t in TOOLS]
    titles = ["factornet", *versions]
    return "\n".join([*preface(rows, titles), *table(FASTA, rows, titles), *table(SIGNAL, rows, titles)])


def versions_of(tool: Tool) -> list[str]:
    """Of its packages."""
    command = [tool.python, "-c", _VERSIONS, *tool.packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def preface(rows: list[tuple[Case, list[Answer]]], titles: list[str]) -> list[str]:
    """What was done, and the sums."""
    bad = [(c, a) for c, a in rows if c.refused]
    odd = len(rows) - len(bad)
    lines = [
        "# Bad input: what it is answered, here and elsewhere\n",
        "Made by `python benchmarks/bad_input.py` from the files of `PYTHONPATH=tests python -m "
        "support.bad_input.corpus FOLDER`. Each tool reads "
        "all of each file in a process of its own. What it read is compared, base by base, with what the file held "
        "before it was spoilt; gaps count as 0 and letters but ACGT as N. `inf` and `1e38` stand in the file, so "
        "a tool that hands them on reads what is there: they count as wrong here because no network can learn from "
        "them. The other tools are libraries: they cannot know which chromosomes and lengths a store has.\n",
        f"Of {len(bad)} files that are not what they should be:\n",
        f"| | {' | '.join(titles)} |",
        f"|---|{'---|' * len(titles)}",
    ]
    counts = [Counter(a[i].kind for _, a in bad) for i in range(len(titles))]
    lines += [f"| {text} | {' | '.join(str(c[kind]) for c in counts)} |" for kind, text in KINDS.items()]
    named = [
        sum(a[i].kind == "refused" and (c.named or Path(c.file).name) in a[i].words for c, a in bad)
        for i in range(len(titles))
    ]
    lines.append(f"| refused, naming the file | {' | '.join(map(str, named))} |")
    fine = [sum(a[i].kind == "right" for c, a in rows if not c.refused) for i in range(len(titles))]
    return [*lines, f"| of {odd} odd but sound files: read right | {' | '.join(map(str, fine))} |"]


def table(file: str, rows: list[tuple[Case, list[Answer]]], titles: list[str]) -> list[str]:
    """One kind of file."""
    kind = "FASTA" if file == FASTA else "bigWig"
    lines = [f"\n## {kind}\n", f"| file | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for case, answers in rows:
        if case.file == file:
            mark = "" if case.refused else " (sound)"
            ours, *theirs = answers
            cells = [short(ours.words, 170), *(short(a.words, 80) for a in theirs)]
            lines.append(f"| {case.name}{mark} | {' | '.join(cells)} |")
    return lines


def short(words: str, size: int) -> str:
    """One line that fits a table, without folders."""
    words = re.sub(r"(/[\w.-]+)+/", "", " ".join(words.split())).replace("|", r"\|").replace("<", "&lt;")
    return words if len(words) <= size else words[: size - 3] + "..."


if __name__ == "__main__":
    main()
