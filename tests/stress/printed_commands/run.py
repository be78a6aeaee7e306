"""Run the commands of a page, each in a shell, in a folder of the page's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .pages import Printed
from .substitutions import Page, Substitution, fill, substitute, why_not_run

_MOST_SECONDS = 900


@dataclass(frozen=True)
class Outcome:
    """What became of something printed.

    Attributes:
        item: as printed.
        text: as run; empty if it was not.
        substitutions: why these differ.
        status: exit status; None if it was not run.
        expected: that it should have.
        output: what it printed.
        seconds: that it took.
        why_not: why it was not run.
    """

    item: Printed
    text: str = ""
    substitutions: tuple[Substitution, ...] = ()
    status: int | None = None
    expected: int = 0
    output: str = ""
    seconds: float = 0.0
    why_not: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it ended otherwise than the page says."""
        return self.status is not None and self.status != self.expected


def save_outcomes(outcomes: list[Outcome], path: Path) -> None:
    """Keep the outcomes of a page as JSON, for a table of pages that are run at several times."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))


def load_outcomes(path: Path) -> list[Outcome]:
    """Read the outcomes of a page."""
    rows = json.loads(path.read_text())
    return [
        Outcome(
            **{
                **row,
                "item": Printed(**row["item"]),
                "substitutions": tuple(Substitution(**s) for s in row["substitutions"]),
            }
        )
        for row in rows
    ]


def run_shell(command: str, folder: Path, log: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command in bash; return status and output. What it leaves in the background is ended, as SLURM does."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        status = process.wait(_MOST_SECONDS)
    except subprocess.TimeoutExpired:
        status = -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return status, log.read_text(errors="replace")


def lay_out(page: Page, folder: Path, prepared: Path) -> None:
    """Make the folder of a page, with copies of what it begins with."""
    folder.mkdir(parents=True)
    for name, source in page.needs.items():
        target, origin = folder / name, prepared / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.rmtree(target, ignore_errors=True)  # a folder within one that was copied before
            shutil.copytree(origin, target)
        else:
            for path in (origin, *origin.parent.glob(f"{origin.name}.*json")):  # predictions and their records
                shutil.copy(path, target.with_name(path.name.replace(origin.name, target.name)))
    for name in ("shared", "scratch", "var/www"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def run_page(
    items: list[Printed], page: Page, folder: Path, values: dict[str, str], environment: dict[str, str]
) -> list[Outcome]:
    """Run what a page prints, in its order, in a folder that is laid out; Python of a page is one program."""
    outcomes, log, program = [], folder.with_suffix(".log"), ""
    values = {**values, "folder": str(folder)}
    for item in items:
        if why := why_not_run(item):
            outcomes.append(Outcome(item, why_not=why))
            continue
        if item.kind == "other":
            outcomes.append(Outcome(item, status=-1, output="neither run nor listed in NOT_RUN"))
            continue
        for begin, step in page.steps.items():
            if item.text.startswith(begin):
                status, output = run_shell(fill(step, values), folder, log, environment)
                assert status == 0, f"{step}: {output}"
        text, made = substitute(item, values)
        command = text
        if item.kind == "python":
            program += f"{text}\n\n"
            (folder / "program.py").write_text(program)
            command = "python program.py"
        begin_time = time.monotonic()
        status, output = run_shell(command, folder, log, environment)
        expected = next((n for begin, n in page.status.items() if item.text.startswith(begin)), 0)
        outcome = Outcome(item, text, tuple(made), status, expected, output, time.monotonic() - begin_time)
        outcomes.append(outcome)
        report_progress(outcome)
    return outcomes


def report_progress(outcome: Outcome) -> None:
    """Print on standard error how a command ended, and what it said if it ended otherwise than it should."""
    item = outcome.item
    head = f"{item.page}:{item.line}: {outcome.text.splitlines()[0]}"
    print(
        f"{'FAULT ' if outcome.is_fault else ''}{outcome.status}  {outcome.seconds:.0f} s  {head}",
        file=sys.stderr,
        flush=True,
    )
    if outcome.is_fault:
        print(outcome.output[-3000:], file=sys.stderr, flush=True)
