"""Run every pair of commands at one place at one time; check how they end and what they leave.

    PYTHONPATH=tests python -m stress.pairs_of_commands --rounds 3
    PYTHONPATH=tests python -m stress.pairs_of_commands --rounds 3 --no-flock

Each command is paired with each, itself included, in two processes that start at one moment in the first round, and one
after a random part of the shorter one's duration in the others. A command must do its work, or be refused (status 2) in
one line that names the process that holds what it needs, says what that process has changed meanwhile, or says the same
where it runs alone afterwards. What is left must be intact, and what one of the two serial orders leaves, or, where a
command was refused, what the other leaves alone; without temporary files and locks. A command that was refused is then
run alone, and must not be refused for another process's sake. With --no-flock the file system has no locks.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from pathlib import Path

from support.forked import Ended, Forked

from . import places_of_commands as places
from .places_of_commands import COMMANDS, MODULES, Known, State, left_over, places_of, state_of

_HOLDER = re.compile(r"process \d+ on \S+ since \d{4}-\d\d-\d\d")
_MEANWHILE = re.compile(
    r"in the meantime|meanwhile|was (created|replaced|removed)|during the (build|copy|copying|import)"
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        kind: "done", "holder" and "meanwhile" where it was refused for the other's sake, "refused" for another reason,
            "error" for all that must not be.
        text: its message.
    """

    kind: str
    text: str = ""

    def __str__(self) -> str:
        """Return a cell of the table."""
        return self.kind if self.kind in ("done", "holder") else f"{self.kind}: {self.text}"


def outcome_of(ended: Ended, place: Path) -> Outcome:
    """Classify how a command ended."""
    if ended.status == 0 and "Traceback" not in ended.err:
        return Outcome("done")
    lines = [line for line in ended.err.splitlines() if "warning: " not in line]
    if ended.status != 2 or len(lines) != 1 or ": error: " not in lines[0]:
        return Outcome("error", f"status {ended.signal or ended.status}, {ended.err[-1500:]!r}")
    text = lines[0].replace(f"{place}/", "").partition(": error: ")[2]
    kind = "holder" if _HOLDER.search(text) else "meanwhile" if _MEANWHILE.search(text) else "refused"
    return Outcome(kind, text)


@dataclass
class Row:
    """A line of the table: a pair at a place, the outcomes, the state afterwards, and what is wrong."""

    pair: tuple[str, str]
    place: str
    offset: float
    outcomes: tuple[Outcome, ...] = ()
    state: str = ""
    again: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the line."""
        names = " + ".join(self.pair)
        cells = [f"{names} ({self.place}, {self.offset:+.2f} s)", *map(str, self.outcomes), self.state, *self.again]
        return " | ".join([*cells, *(f"WRONG: {text}" for text in self.wrong)])


@dataclass
class Experiment:
    """Runs of commands at copies of the places, and what single commands and serial orders leave there."""

    servers: tuple[Forked, Forked]
    work: Path
    known: Known
    serial: dict[tuple[str, ...], State] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """The folder in which all runs take place: stores record the paths of their inputs."""
        return self.work / "place"

    def reset(self, name: str) -> None:
        """Put a copy of a place there."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.work / "kept" / name, self.place)

    def run(self, command: str, server: int = 0, delay: float = 0) -> Outcome:
        """Run a command after a delay."""
        time.sleep(delay)
        begin = time.perf_counter()
        outcome = outcome_of(places.run(self.servers[server], command, self.place), self.place)
        if outcome.kind == "done":
            self.seconds.setdefault(command, time.perf_counter() - begin)
        return outcome

    def left_by(self, place: str, *commands: str) -> State:
        """Return the state that commands leave, run one after the other."""
        key = (place, *commands)
        if key not in self.serial:
            self.reset(place)
            for command in commands:
                self.run(command)
            self.serial[key] = state_of(self.place, self.known)[0]
        return self.serial[key]

    def pair(self, pair: tuple[str, str], place: str, offset: float) -> Row:
        """Run two commands at one time; the second starts `offset` seconds after the first."""
        row = Row(pair, place, offset)
        self.reset(place)
        with ThreadPoolExecutor(2) as pool:
            delays = (max(0.0, -offset), max(0.0, offset))
            row.outcomes = tuple(pool.map(self.run, pair, (0, 1), delays))
        state, wrong = state_of(self.place, self.known)
        left = left_over(self.place)
        repeated = {i: self.run(pair[i]) for i in (0, 1) if row.outcomes[i].kind != "done"}
        if repeated:
            left = [path for path in left if not path.startswith(".m.replaced")] + left_over(self.place)
        last = {pair[i]: repeated.get(i, row.outcomes[i]).kind for i in (0, 1)}
        if last.get("train", "done") != "done":  # the old model is kept until a new one is complete
            left = [path for path in left if not path.startswith(".m.replaced")]
        row.wrong += self._problems_with_rest(left)  # before serial orders are run at the same place
        for i, again in repeated.items():
            row.again.append(f"{pair[i]} again: {again}")
            if again.kind not in ("done", "refused"):
                row.wrong.append(f"{pair[i]} run alone afterwards: {again}")
            if row.outcomes[i].kind == "refused" and not (
                _same_refusal(again, row.outcomes[i]) or self._serial(row, i)
            ):
                row.wrong.append(f"{pair[i]} is refused for a reason that it has in no serial order")
            if row.outcomes[i].kind == "error":
                row.wrong.append(f"{pair[i]} failed")
        row.state = self._compare(row, state)
        if row.state == "mixed" or (wrong and wrong != self._expected_damage(row)):
            row.wrong += [f"state {row.state}: {state}", *wrong]
        return row

    def _serial(self, row: Row, i: int) -> bool:
        """Return whether a refusal is that of the command run after or before the other."""
        for first in (i, 1 - i):
            self.reset(row.place)
            found = [self.run(row.pair[k]) for k in (first, 1 - first)]
            if _same_refusal(found[0 if first == i else 1], row.outcomes[i]):
                return True
        return False

    def _problems_with_rest(self, left: Sequence[str]) -> list[str]:
        """Check that nothing is left, or old versions only, which the next build removes."""
        others = [path for path in left if not re.match(r"[ser]\.zarr\.building(/\.old(/.*)?)?$", path)]
        if left and not others:
            for command in ("genome", "rm", "build"):  # each removes what was kept of its kind
                self.run(command)
            others = left_over(self.place)
        return [f"left behind: {', '.join(others[:5])}"] if others else []

    def _compare(self, row: Row, state: State) -> str:
        """Say which run of one after the other leaves the same."""
        done = [name for name, outcome in zip(row.pair, row.outcomes, strict=True) if outcome.kind == "done"]
        orders = {tuple(done), tuple(reversed(done))}
        # What a training that was stopped leaves is verified, and is not what any whole one leaves.
        stopped = any(n.startswith("train") and o.kind != "done" for n, o in zip(row.pair, row.outcomes, strict=True))
        ignored = {"m"} if stopped and "m" in state and state["m"][0] == "interrupted" else set[str]()
        # The scores of a prediction are compared with those of all weights that there may have been.
        for order in sorted(orders):
            expected = self.left_by(row.place, *order)
            if all(expected.get(k) == state.get(k) for k in (expected | state).keys() - ignored):
                return f"as {', '.join(order)}" if order else "as before"
        return "mixed"

    def _expected_damage(self, row: Row) -> list[str]:
        """Return the findings at a damaged place where its repair was refused and nothing else replaced it."""
        self.reset(row.place)
        return state_of(self.place, self.known)[1]


def _same_refusal(a: Outcome, b: Outcome) -> bool:
    """Compare outcomes but for hints and lists of cell lines: one command publishes several, one after the other."""
    texts = [re.sub(r"(cell lines|it has|the store has) .*|; .*", r"\1", outcome.text) for outcome in (a, b)]
    return a.kind == b.kind and texts[0] == texts[1]


def print_counts(rows: Sequence[Row]) -> None:
    """Print how often each pair of outcomes occurred."""
    for kinds, n in Counter("/".join(sorted(o.kind for o in row.outcomes)) for row in rows).most_common():
        print(f"{n:>5}  {kinds}")
    print(f"{len(rows)} runs of {len({row.pair for row in rows})} pairs, {sum(bool(row.wrong) for row in rows)} wrong")


def main() -> int:
    """Run all pairs on a tiny experiment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each pair")
    parser.add_argument("--seed", type=int, default=1, help="of the offsets")
    parser.add_argument("--no-flock", action="store_true", help="as in a file system without locks")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), metavar="COMMAND")
    options = parser.parse_args()
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # threads that wait for each other take most of a short command's time
    modules = MODULES
    if options.no_flock:
        import support.without_flock  # noqa: F401  what is verified in this process, too

        modules = ("support.without_flock", *MODULES)
    rng, rows = random.Random(options.seed), list[Row]()
    with tempfile.TemporaryDirectory() as folder, Forked(modules) as first, Forked(modules) as second:
        work = Path(folder).resolve()
        (work / "kept").mkdir()
        experiment = Experiment((first, second), work, places.prepare(first, work / "place", work / "kept"))
        for number in range(options.rounds):
            for pair in combinations_with_replacement(options.commands, 2):
                for place in places_of(*pair):
                    shorter = min(experiment.seconds.get(name, 0.5) for name in pair)
                    offset = rng.uniform(-shorter, shorter) if number else 0.0
                    rows.append(experiment.pair(pair, place, offset))
                    print(rows[-1], flush=True)
    print_counts(rows)
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
