"""``factornet-etl fetch``: download the public inputs of a store."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ....etl.download.fetch import DownloadedFile, download_files
from ....etl.download.registry import Download, default_registry, read_registry, select_downloads
from ....etl.download.user_data import user_data_folder
from ....store.storage.retry import RetryPolicy
from ....store.text import format_bytes, format_count, shell_word
from ...common.arguments import HelpFormatter, add_common_options
from ...common.output import print_json, print_line, print_warning
from ...common.progress import DownloadedBytes, progress_line
from ...common.runner import report_interrupt
from .encode import add_encode_options, check_no_encode_options, run_encode

_ASSEMBLY = "hg19"
MOTIFS = "motifs"
"""Group of the registry that is downloaded into the user's folder, where -mo looks, if its name stands for a folder."""

_ASSEMBLY = "hg19"
"""The assembly where neither the options nor the folder name one."""


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fetch",
        help="download public inputs: genome sequence, annotation, blacklist, uniqueness, FactorNet's own data",
        description="Download public inputs into a folder, each from the first of several servers that has it, and "
        "compare them with their published digests. The same command resumes an interrupted download; files that "
        "already exist are compared and kept. With --encode: make cell-line folders of the files of an ENCODE cart.",
        epilog="examples:\n  factornet-etl fetch data/hg19\n  factornet-etl fetch data/hg38\n"
        "  factornet-etl fetch data/hg19 --only hg19.fa.gz gencode.v19.annotation.gtf.gz\n"
        "  factornet-etl fetch data --only factornet-data           # 13 cell lines: sheets and peaks\n"
        "  factornet-etl fetch data --only factornet-data/HepG2 ladder\n"
        "  factornet-etl fetch motifs                               # HOCOMOCO v9, for factornet-train -mo\n"
        "  factornet-etl fetch --encode metadata.tsv cells --assembly GRCh38 --dry-run",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "folder",
        help=f"folder for the files; created if needed. The word {MOTIFS}: the motifs of HOCOMOCO v9, into "
        f"$FACTORNET_DATA or the user's data folder, where factornet-train -mo looks (for a folder, write ./{MOTIFS})",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="files or groups of files to download (see --list); default: what a store of the assembly needs",
    )
    parser.add_argument(
        "--assembly",
        metavar="NAME",
        help=f"genome assembly; default: the name of the folder, if there are files of it (hg38), else {_ASSEMBLY}; "
        "with --encode the only one of the table",
    )
    parser.add_argument("--list", action="store_true", help="list all files with their URLs, and exit")
    parser.add_argument(
        "--registry",
        type=Path,
        metavar="FILE",
        help="another list of files, in the format of resources/registry.json; default: $FACTORNET_REGISTRY, or "
        "factornet's own",
    )
    add_encode_options(parser)
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    if options.encode is not None:
        return run_encode(options)
    check_no_encode_options(options)
    registry = read_registry(options.registry or default_registry())
    if options.list:
        _print_registry(registry)
        return 0
    folder, only = Path(options.folder), options.only
    if options.folder == MOTIFS and not only:
        folder, only = user_data_folder(), [MOTIFS]
    known = {d.assembly for d in registry}
    assembly = options.assembly or (folder.name if folder.name in known else _ASSEMBLY)
    downloads = select_downloads(registry, only, assembly)
    on_interrupt = report_interrupt("run the same command again to resume")
    with on_interrupt, progress_line("fetch", 0, unit="MB") as line:
        on_bytes = DownloadedBytes(line)
        found = download_files(downloads, folder, retry_policy=RetryPolicy.from_environment(), on_bytes=on_bytes)
    _print(found, folder, options)
    return 0


def _print_registry(registry: Sequence[Download]) -> None:
    for group, items in groupby(registry, key=lambda d: d.group):
        files = list(items)
        if group:
            unknown = sum(not d.size for d in files)
            size = format_bytes(sum(d.size for d in files)) + (f", {unknown} of unknown size" if unknown else "")
            print_line(f"{files[0].assembly}  {group}  {files[0].what} ({format_count(len(files), 'file')}, {size})")
            print_line(f"      {files[0].urls[0]}" + (", ..." if len(files) > 1 else ""))
            continue
        for d in files:
            print_line(f"{d.assembly}  {d.name}  {d.what}")
            for url in d.urls:
                print_line(f"      {url}")


def _print(found: Sequence[DownloadedFile], folder: Path, options: argparse.Namespace) -> None:
    if options.json:
        rows = [
            {
                "name": f.download.name,
                "group": f.download.group,
                "path": str(f.path),
                "new": f.new,
                "compared_with": f.compared_with,
                "differs": f.differs,
            }
            for f in found
        ]
        print_json(rows)
        return
    for f in found:
        if f.differs:
            print_warning(f"{f.path}: kept, differs from the registry's; remove it to download that")
    for group, items in groupby(found, key=lambda f: f.download.group):
        files = list(items)
        if group:
            _print_group(group, files, folder)
        else:
            _print_files(files)


def _print_files(files: Sequence[DownloadedFile]) -> None:
    for f in files:
        state = "downloaded" if f.new else "already exists"
        print_line(f"{f.path}: {state}, {format_bytes(f.path.stat().st_size)}, compared with {f.compared_with}")
    words = [_genome_option(f) for f in files] + [f.download.more_options for f in files if f.download.more_options]
    arguments = " ".join(words)
    print_line(f"next: factornet-etl genome {files[0].download.assembly}.zarr {arguments}")


def _genome_option(file: DownloadedFile) -> str:
    """Return the option of ``factornet-etl genome`` that takes a file, as for a shell."""
    option, path = file.download.option, shell_word(file.path)
    return f"{option}{path}" if option.endswith("=") else f"{option} {path}"


def _print_group(group: str, files: Sequence[DownloadedFile], folder: Path) -> None:
    new, differ = sum(f.new for f in files), sum(f.differs for f in files)
    counts = [f"{new} downloaded"] if new else []
    counts += [f"{len(files) - new - differ} already exist"] if len(files) > new + differ else []
    counts += [f"{differ} kept that differ from the registry's"] if differ else []
    size = format_bytes(sum(f.path.stat().st_size for f in files))
    print_line(
        f"{folder}: {format_count(len(files), 'file')} of {group}: {', '.join(counts)}, {size}, compared with "
        f"{files[0].compared_with}"
    )
    if files[0].download.next:
        print_line(f"next: {files[0].download.next.replace('{folder}', shell_word(folder))}")
