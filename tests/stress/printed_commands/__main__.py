"""Run the commands of all pages, or of some, and print the table."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .experiment import write_experiment
from .pages import pages, read_page
from .prepared import prepare
from .report import report
from .run import Outcome, lay_out, load_outcomes, run_page, run_shell, save_outcomes
from .servers import Servers, running_servers
from .substitutions import PAGES, Page

_ROOT = Path(__file__).parents[3]


def main() -> int:
    """Run the commands and print the table; return 1 if one ended otherwise than its page says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="README.md docs/store.md ...; default: all")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep all files there, and use what is prepared there")
    parser.add_argument("--report", action="store_true", help="run nothing; print the table of what was run in --work")
    options = parser.parse_args()
    known = pages(_ROOT)
    if unknown := set(options.pages) - set(known):
        parser.error(f"no page {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    begin = time.monotonic()
    names = options.pages or known
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        if not options.report:
            run_pages(names, work)
        outcomes = [outcome for name in names for outcome in load_outcomes(_outcomes_file(work, name))]
    text = report(outcomes)
    sys.stdout.write(f"{text}\n")
    faults = sum(o.is_fault for o in outcomes)
    print(f"{len(outcomes)} printed, {faults} faults, {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return 1 if faults else 0


def run_pages(names: list[str], work: Path) -> None:
    """Run pages in a folder, and keep their outcomes there; what was prepared there is used again."""
    work = work.resolve()
    prepared, done = work / "prepared", work / "prepared.done"
    for name in ("www", "bin", "home", "pages", *([] if done.exists() else ["prepared"])):
        shutil.rmtree(work / name, ignore_errors=True)
    work.mkdir(exist_ok=True)
    if not done.exists():
        write_experiment(prepared)
    with running_servers(work, prepared) as servers:
        if not done.exists():
            prepare(prepared, lambda command, folder: _run_or_raise(command, folder, work, servers))
            done.touch()
        shutil.copy(work / "metadata.tsv", prepared)
        (prepared / "docs").mkdir(exist_ok=True)
        shutil.copy(_ROOT / "docs/dream.sh", prepared / "docs")
        for name in names:
            save_outcomes(_run_page(name, work, prepared, servers), _outcomes_file(work, name))


def _outcomes_file(work: Path, page: str) -> Path:
    return work / "outcomes" / f"{re.sub(r'[^A-Za-z]', '-', page)}.json"


def _run_page(name: str, work: Path, prepared: Path, servers: Servers) -> list[Outcome]:
    folder = work / "pages" / re.sub(r"\W", "-", name)
    page = PAGES.get(name, Page())
    lay_out(page, folder, prepared)
    (folder / "tmp").mkdir()
    environment = servers.environment | {
        "TMPDIR": str(folder / "tmp"),
        "FACTORNET_DATA": str(folder / "user-data"),
        "FACTORNET_CACHE": str(folder / "cache"),
    }
    values = {"web": servers.web, "scheduler": servers.scheduler, "port": str(servers.port), "www": str(servers.folder)}
    return run_page(read_page(_ROOT, name), page, folder, values, environment)


def _run_or_raise(command: str, folder: Path, work: Path, servers: Servers) -> None:
    begin = time.monotonic()
    status, output = run_shell(command, folder, work / "prepare.log", servers.environment)
    print(f"prepared  {time.monotonic() - begin:.0f} s  {command}", file=sys.stderr, flush=True)
    if status:
        raise RuntimeError(f"{command}: status {status}\n{output}")


if __name__ == "__main__":
    sys.exit(main())
