"""``factornet-etl fetch --encode``: make cell-line folders of an ENCODE cart."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ....etl.encode.cart import TABLE, Cart, CartReport, download_cart, local_name, plan_cart
from ....etl.encode.eligible import CartOptions
from ....etl.encode.selection import Decision
from ....store.errors import UsageError
from ....store.storage.retry import RetryPolicy
from ....store.text import format_bytes, format_count
from ...common.arguments import naming_option
from ...common.output import print_json, print_line, print_table, print_warning
from ...common.progress import DownloadedBytes, progress_line
from ...common.runner import report_interrupt

_STORES = {"GRCh38": "hg38"}
"""ENCODE's name of an assembly -> the one that stores have, where it is another."""
_FLAGS = ("signal", "exclude", "variants", "tagged", "pool_donors", "archived", "audit_errors", "dry_run", "force")


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that belong to ``--encode``."""
    group = parser.add_argument_group("files of an ENCODE cart")
    group.add_argument(
        "--encode",
        type=Path,
        metavar="TABLE",
        help="metadata.tsv or files.txt of a cart: its bigWigs (or reads) of DNase-seq and ATAC-seq, and its peaks of "
        f"factors, become cell-line folders for `factornet-etl build`; {TABLE} says what became of each file",
    )
    group.add_argument(
        "--signal",
        choices=("bigwig", "reads"),
        help="tracks from bigWigs, or from alignments and fragments; default: bigWigs where a cell line has some",
    )
    group.add_argument(
        "--exclude", nargs="+", default=[], metavar="ACCESSION", help="files and experiments to leave out"
    )
    group.add_argument(
        "--variants",
        action="store_true",
        help="take treated and genetically modified biosamples, too, each as a cell line of its own",
    )
    group.add_argument(
        "--tagged",
        action="store_true",
        help="take cell lines in which the factor has a tag (eGFP-ZNF24) as the plain ones, where there is no other",
    )
    group.add_argument(
        "--pool-donors", action="store_true", help="one folder for a tissue or primary cell, not one for each donor"
    )
    group.add_argument("--archived", action="store_true", help="take archived files, too, after released ones")
    group.add_argument("--audit-errors", action="store_true", help="take files with an audit ERROR, too")
    group.add_argument("--dry-run", action="store_true", help="say what would be taken, and why not the rest")
    group.add_argument("--force", action="store_true", help="replace sheets that exist with other rows")


def check_no_encode_options(options: argparse.Namespace) -> None:
    """Check that no option is given that has a meaning with ``--encode`` only.

    Raises:
        UsageError: one is given.
    """
    for name in _FLAGS:
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} needs --encode TABLE")


def run_encode(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.only or options.list or options.registry:
        raise UsageError("--only, --list and --registry belong to the registry of public inputs, not to --encode")
    policy, directory = RetryPolicy.from_environment(), Path(options.folder)
    taken = CartOptions(
        assembly=options.assembly or "",
        signal=options.signal or "any",
        variants=options.variants,
        tagged=options.tagged,
        pool_donors=options.pool_donors,
        archived=options.archived,
        audit_errors=options.audit_errors,
        excluded=frozenset(options.exclude),
    )
    with naming_option("--encode", hint="see --assembly and the other options of --encode in --help"):
        cart = plan_cart(options.encode, taken, retry_policy=policy)
    if not options.json:
        _print_cart(cart, every_file=options.dry_run)
    report = CartReport((), ())
    if not options.dry_run:
        on_interrupt = report_interrupt("run the same command again to resume")
        with on_interrupt, progress_line("fetch", cart.size // 1_000_000, unit="MB") as line:
            on_bytes = DownloadedBytes(line)
            report = download_cart(cart, directory, retry_policy=policy, force=options.force, on_bytes=on_bytes)
    if options.json:
        _print_json(cart, directory, report, dry_run=options.dry_run)
    elif not options.dry_run:
        _print_done(cart, directory, report)
    return 0


def _print_cart(cart: Cart, *, every_file: bool) -> None:
    decisions = cart.selection.decisions
    if every_file:
        titles = ("file", "experiment", "biosample", "output type", "became")
        print_table("", titles, [_row(d) for d in decisions])
    n_taken = sum(d.taken for d in decisions)
    size = format_bytes(cart.size)
    print_line(f"{format_count(len(decisions), 'file')}, {cart.selection.assembly}: {n_taken} taken, {size}")
    for folder in cart.folders:
        print_line(f"  {folder.name}: {_contents([d for d in decisions if d.cell == folder.name])}")
    for reason, count in cart.left_out.items():
        print_line(f"  left out, {reason}: {count}")
    for warning in cart.selection.warnings:
        print_warning(warning)


def _row(decision: Decision) -> tuple[str, ...]:
    file = decision.file
    became = f"{decision.cell}: {decision.role} of {decision.name}" if decision.taken else f"left out: {_why(decision)}"
    return file.accession, file.experiment, file.biosample, file.output_type, became


def _why(decision: Decision) -> str:
    return f"{decision.reason} ({decision.detail})" if decision.detail else decision.reason


def _contents(decisions: Sequence[Decision]) -> str:
    """Describe the tracks and factors of a cell line."""
    tracks = dict.fromkeys(f"{d.name} ({d.file.output_type})" for d in decisions if d.role in ("bigwig", "reads"))
    relaxed = {d.name for d in decisions if d.role == "relaxed"}
    factors = sorted(d.name for d in decisions if d.role == "conservative")
    described = [name if name in relaxed else f"{name} (without relaxed peaks)" for name in factors]
    return f"tracks {', '.join(tracks) or 'none'}; factors {', '.join(described) or 'none'}"


def _print_done(cart: Cart, directory: Path, report: CartReport) -> None:
    new = sum(f.new for f in report.files)
    print_line(
        f"{directory}: {new} downloaded, {len(report.files) - new} already there, compared with ENCODE's MD5; "
        f"{directory / TABLE} says what became of each file"
    )
    for path in report.kept:
        print_line(f"{path}: kept, the cart has no rows of it")
    assembly = _STORES.get(cart.selection.assembly, cart.selection.assembly)
    words = (f"{assembly}.zarr", *(str(directory / folder.name) for folder in cart.folders))
    print_line(f"next, with a store of {assembly}: factornet-etl build {shlex.join(words)}")


def _print_json(cart: Cart, directory: Path, report: CartReport, *, dry_run: bool) -> None:
    new = {f.download.name: f.new for f in report.files}

    def describe(decision: Decision) -> dict[str, Any]:
        name = f"{decision.cell}/{local_name(decision)}" if decision.taken else ""
        row = {**asdict(decision), "taken": decision.taken, "path": str(directory / name) if name else ""}
        return {**row, "new": new.get(name, False)}

    content = {
        "assembly": cart.selection.assembly,
        "dry_run": dry_run,
        "folders": [str(directory / folder.name) for folder in cart.folders],
        "left_out": cart.left_out,
        "kept": list(map(str, report.kept)),
        "warnings": cart.selection.warnings,
        "files": [describe(d) for d in cart.selection.decisions],
    }
    print_json(content)
