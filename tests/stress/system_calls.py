"""Kill commands at the system calls with which they write, and have these calls fail; check what is left.

    PYTHONPATH=tests python -m stress.system_calls --runs 50
    PYTHONPATH=tests python -m stress.system_calls --runs 5 --commands train predict-bigwig --effects EIO

A traced run of each command lists the calls that change something below its output folder. Then the command is killed
(SIGKILL) as it enters one of them, `runs` times, and each call fails (EIO, ENOSPC; at most `failures` of each command).
What is seen at the outputs' names then is what was there before, or what the undisturbed run writes; a command that
failed says so in one line that names the file; and once the command is repeated, resuming where it can, its outputs
equal those of the undisturbed run and nothing else is left. Linux only; exit status 3 where there is no strace.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from support.forked import Ended, Forked
from support.system_calls import Call, Injection, has_strace, hit, run_traced

from .written_outputs import COMMANDS, MODULES, Command, normal, prepare, problems_with, seen, unfinished

EFFECTS = ("SIGKILL", "EIO", "ENOSPC")


@dataclass
class Tally:
    """Counts of one command and one effect.

    Attributes:
        calls: calls of the undisturbed run that change something.
        runs: runs with an injection.
        hits: those in which it took place at the call meant.
        on_outputs: those of `hits` at a call on an output or its temporary file, not on a lock.
        status: how the runs ended.
        resumed: runs after which repeating the command gave the outputs of the undisturbed run, and nothing else.
        wrong: descriptions of what is wrong.
    """

    calls: int
    runs: int = 0
    hits: int = 0
    on_outputs: int = 0
    status: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    wrong: list[str] = field(default_factory=list)


def spread(calls: list[Call], runs: int, *, repeat: bool) -> list[Call]:
    """Choose calls evenly; `repeat` where there are fewer than `runs`."""
    if runs >= len(calls) and not repeat:
        return calls
    return [calls[i * len(calls) // runs] for i in range(runs)]


class Experiment:
    """Runs of one command, each in an output folder as it was before the undisturbed run."""

    def __init__(self, server: Forked, command: Command, work: Path) -> None:
        self.server, self.command, self.folder = server, command, work / command.name
        self.before = work / f"{command.name}.before"
        self.folder.mkdir()
        command.before(work, self.folder)
        shutil.copytree(self.folder, self.before)
        self.old = seen(self.folder)
        arguments = command.arguments(work, self.folder)
        ended, self.calls = run_traced(server, command.module, arguments, self.folder)
        assert ended.status == 0, ended
        assert not unfinished(self.folder), unfinished(self.folder)
        self.new = seen(self.folder)
        self.work = work

    def run(self, injection: Injection, tally: Tally) -> None:
        """Run the command with an injection, check, repeat it and check again."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.before, self.folder)
        arguments = self.command.arguments(self.work, self.folder)
        ended, calls = run_traced(self.server, self.command.module, arguments, self.folder, injection)
        found = hit(ended, calls, injection)
        tally.runs += 1
        tally.hits += found
        tally.on_outputs += found and not injection.call.of_lock
        tally.status[ended.signal or str(ended.status)] += 1
        problems = problems_with(self.command, self.folder, self.old, self.new)
        if not injection.effect.startswith("SIG"):
            problems += self._problems_with_message(ended, found=found)
        problems += self._repeat(tally)
        where = f"{self.command.name}: {injection.effect} at {injection.call.name} {injection.call.number}"
        tally.wrong += [f"{where} of {injection.call.path}: {problem}" for problem in problems]

    def _problems_with_message(self, ended: Ended, *, found: bool) -> list[str]:
        """Check exit status and message of a command that met an error."""
        if ended.status == 0:
            done = normal(self.new) == normal(seen(self.folder))
            return [] if done else ["status 0, but the outputs are not those of an undisturbed run"]
        # What fails in another thread, or too early, may be a file of the store.
        place = self.folder if found else self.work
        # "[bwClose] ...": notes of libBigWig, which writes them straight to file descriptor 2.
        lines = [line for line in ended.err.splitlines() if not line.startswith(("warning: ", "["))]
        if ended.status != 2 or len(lines) != 1 or ": error: " not in lines[0] or str(place) not in lines[0]:
            return [f"status {ended.signal or ended.status} with message {ended.err[-600:]!r}"]
        return []

    def _repeat(self, tally: Tally) -> list[str]:
        """Repeat the command, resuming where it can; compare with the undisturbed run."""
        arguments = self.command.again(self.work, self.folder)
        ended = self.server.run(self.command.module, arguments, self.folder, limit=120)
        done = "already exists" in ended.err and normal(seen(self.folder)) == normal(self.new)
        if ended.status != 0 and not done:
            return [f"repeated, status {ended.signal or ended.status}: {ended.err[-600:]!r}"]
        found, wanted = normal(seen(self.folder)), normal(self.new)
        if found != wanted:
            differ = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
            return [f"repeated, these differ from the undisturbed run: {', '.join(differ)}"]
        if left := unfinished(self.folder):
            return [f"repeated, this is left: {', '.join(left)}"]
        tally.resumed += 1
        return []


def inject(server: Forked, command: Command, work: Path, options: argparse.Namespace) -> dict[str, Tally]:
    """Run a command with every effect; return the counts by effect."""
    experiment = Experiment(server, command, work)
    tallies = {}
    for effect in options.effects:
        tally = tallies[effect] = Tally(len(experiment.calls))
        killed = effect.startswith("SIG")
        calls = spread(experiment.calls, options.runs if killed else options.failures, repeat=killed)
        for call in calls:
            experiment.run(Injection(call, effect), tally)
        print(row(command.name, effect, tally), flush=True)
        for text in tally.wrong:
            print("   ", text, flush=True)
    return tallies


def row(name: str, effect: str, tally: Tally) -> str:
    """Return a line of the table."""
    status = ", ".join(f"{n} x {how}" for how, n in sorted(tally.status.items()))
    numbers = (tally.calls, tally.runs, tally.hits, tally.on_outputs, len(tally.wrong), tally.resumed)
    return f"{name:<26}{effect:<9}" + "".join(f"{n:>9}" for n in numbers) + f"  {status}"


HEADER = f"{'command':<26}{'effect':<9}" + "".join(
    f"{title:>9}" for title in ("calls", "runs", "hit", "writing", "wrong", "resumed")
)


def main() -> int:
    """Run the long test on a tiny experiment."""
    names = [command.name for command in COMMANDS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="kills of each command")
    parser.add_argument("--failures", type=int, default=1000, help="failing calls of each command and error, at most")
    parser.add_argument("--commands", nargs="+", choices=names, default=names, metavar="COMMAND", help=", ".join(names))
    parser.add_argument("--effects", nargs="+", choices=EFFECTS, default=EFFECTS)
    options = parser.parse_args()
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # threads that wait for each other take most of a short command's time
    if not has_strace():
        print("strace is not installed: nothing was tested", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder, Forked(MODULES) as server:
        work = Path(folder).resolve()
        prepare(server, work)
        print(f"{HEADER}  ended with", flush=True)
        tallies = [t for c in COMMANDS if c.name in options.commands for t in inject(server, c, work, options).values()]
    missed, wrong = sum(t.runs - t.hits for t in tallies), sum(len(t.wrong) for t in tallies)
    print(f"{sum(t.runs for t in tallies)} runs, {missed} missed the call meant, {wrong} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
