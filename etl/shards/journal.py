"""Record the finished shards of a build, so that a killed build resumes where it stopped.

In the staging folder of a build (``<store>.building/<name>``)::

    journal.jsonl   first line: what is built, from which inputs, with which options; then one line per finished shard
    try-<random>/   the group being built, a new folder for each try: workers that outlive a killed build may continue
                    to write, and must not write into the next one
    kept/           finished shards of earlier tries, with the digests that the journal lists
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from ...store.files.atomic_write import naming_file
from ...store.files.digest import file_digest
from ..inputs.provenance import describe_changes
from ..inputs.signal_summary import SignalSummary
from .executor import OnReport, Resources, run
from .tasks import ShardReport, ShardTask


class Journal:
    """The journal of a build, and the folder of the current try.

    Args:
        work: staging folder of the build, locked by `publish.transaction.staging`.
        state: description of what is built, from what, as JSON; only shards of a build with an equal state are reused.

    Attributes:
        folder: to build in.
        note: whether an interrupted build was resumed, for the report; empty if there was none.
        known: path of an object -> its SHA-256, of all shards written.
    """

    def __init__(self, work: Path, state: Mapping[str, Any]) -> None:
        state = json.loads(json.dumps(state))
        self._file, self._kept = work / "journal.jsonl", work / "kept"
        self.folder, self.note = work / f"try-{uuid4().hex[:8]}", ""
        self.known: dict[str, str] = {}
        self._done: dict[str, ShardReport] = {}
        self._n_tasks = self._n_kept = 0  # of all calls of `run`
        before, reports = _read(self._file)
        if before is not None and before == state:
            self._done = {r.key: r for r in reports if self._keep(work, r)}
        elif before is not None:
            changed = describe_changes(before, state)
            self.note = f"did not resume an interrupted build, changed since then: {changed}"
        for folder in work.iterdir():
            if folder.name.startswith("try-") or (folder == self._kept and not self._done):
                shutil.rmtree(folder, ignore_errors=True)
        self.folder.mkdir()
        if self._done:
            self._log: IO[str] = self._file.open("a", encoding="utf-8")
            self._log.write("\n")  # the last line may be incomplete
        else:
            self._log = self._file.open("w", encoding="utf-8")
            self._write_line(state)

    def _keep(self, work: Path, report: ShardReport) -> bool:
        """Move the shard of a report to those kept; return whether one with the reported digest was found."""
        if not report.sha256:
            return True  # a task that writes no shard
        kept = self._kept / report.key
        for file in (kept, *work.glob(f"try-*/*/{report.key}")):
            if file.is_file() and file_digest(file) == report.sha256:
                kept.parent.mkdir(parents=True, exist_ok=True)
                file.replace(kept)
                return True
        return False

    def _write_line(self, content: Any) -> None:
        with naming_file(self._file):
            self._log.write(json.dumps(content) + "\n")
            self._log.flush()

    def run(
        self, tasks: Sequence[ShardTask], staged: Path, resources: Resources, on_report: OnReport
    ) -> list[ShardReport]:
        """Run the tasks that no earlier try finished, and return the reports of all, in the order of the tasks.

        It may be called again, with tasks that need the results of those before.

        Args:
            tasks: that write below `staged`.
            staged: the group or store being built, a folder in `folder`.
            resources: processes and memory.
            on_report: called for each task, including those that an earlier try finished.

        Raises:
            FactorNetError: as `executor.run`.
        """
        reports = {t.key: self._done[t.key] for t in tasks if t.key in self._done}
        for report in reports.values():
            if report.sha256:
                (staged / report.key).parent.mkdir(parents=True, exist_ok=True)
                (self._kept / report.key).replace(staged / report.key)
            on_report(replace(report, peak_rss=0))

        def finished(report: ShardReport) -> None:
            self._write_line(asdict(report))
            on_report(report)

        remaining = [t for t in tasks if t.key not in reports]
        reports |= {r.key: r for r in run(remaining, resources, on_report=finished, location=staged)}
        self._n_tasks, self._n_kept = self._n_tasks + len(tasks), self._n_kept + len(tasks) - len(remaining)
        if self._done:
            self.note = f"resumed an interrupted build: {self._n_kept} of {self._n_tasks} tasks were already done"
        self.known |= {key: r.sha256 for key, r in reports.items() if r.sha256}
        return [reports[t.key] for t in tasks]

    def close(self) -> None:
        """Close the journal file."""
        self._log.close()


def _read(file: Path) -> tuple[Any, list[ShardReport]]:
    """Return the state in a journal (None if there is no journal) and its reports; skip incomplete lines."""
    try:
        first, *lines = file.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        state = json.loads(first)
    except (OSError, ValueError):
        return None, []
    reports = []
    for line in lines:
        try:
            row = json.loads(line)
            signal = SignalSummary.from_json(row["signal"]) if row["signal"] else None
            tuples = {key: tuple(map(tuple, row[key])) for key in ("counts", "gaps")}
            reports.append(ShardReport(**{**row, "signal": signal, **tuples}))
        except (ValueError, TypeError, KeyError):
            continue
    return state, reports
