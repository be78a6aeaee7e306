"""Make cell-line folders of a cart: plan them, download their files, write their sheets and a table of all files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ...store.errors import UsageError
from ...store.files.atomic_write import write_atomic
from ...store.files.limited_read import is_there, read_limited
from ...store.files.outputs import output_lock
from ...store.storage.retry import RetryPolicy
from ...store.text import format_count, printable, spreadsheet_text
from ..download.fetch import DownloadedFile, OnBytes, download_files, download_text
from ..download.registry import Download
from ..folders.sheets import ChipRow, TrackRow, differing_sheets, sheet_texts, write_sheets, write_sources
from ..inputs.bed import text_lines
from ..publish.disk_space import check_disk_space
from .eligible import UNITS, CartOptions
from .metadata import EncodeFile, parse_metadata, read_file_list
from .selection import Decision, Selection, select

TABLE = "encode_files.tsv"
"""Name of the table of all files of a cart."""
_MAX_TABLE = 500_000_000  # bytes of a metadata.tsv that is downloaded
_TITLES = (
    *("file", "experiment", "assay", "target", "biosample", "output_type", "format", "assembly", "replicates"),
    *("analysis", "status", "bytes", "md5", "cell_line", "role", "name", "path", "reason", "detail"),
)


@dataclass(frozen=True)
class CartFolder:
    """A cell-line folder to be made.

    Attributes:
        name: of the cell line.
        downloads: its files.
        sheets: text by name of the sheet.
        sources: where its files are from, by name.
    """

    name: str
    downloads: tuple[Download, ...]
    sheets: dict[str, str]
    sources: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Cart:
    """What is made of a cart: the decisions on its files, and the folders, by name."""

    selection: Selection
    folders: tuple[CartFolder, ...]

    @property
    def size(self) -> int:
        """Bytes of all files to be downloaded."""
        return sum(d.size for folder in self.folders for d in folder.downloads)

    @property
    def left_out(self) -> dict[str, int]:
        """Number of files that are left out, by reason, the most frequent first."""
        return dict(Counter(d.reason for d in self.selection.decisions if not d.taken).most_common())


@dataclass(frozen=True)
class CartReport:
    """What was done.

    Attributes:
        files: those of all folders.
        kept: sheets that the cart has no rows of, and that were there.
    """

    files: tuple[DownloadedFile, ...]
    kept: tuple[Path, ...]


def plan_cart(path: Path, options: CartOptions, *, retry_policy: RetryPolicy) -> Cart:
    """Decide what is taken from a cart; nothing is written.

    Args:
        path: metadata.tsv, or files.txt, whose first line is the address of the metadata.tsv; of the others, if there
            are any, only files that it lists are taken.
        options: what is taken.
        retry_policy: for the download of metadata.tsv.

    Raises:
        InputError: the table cannot be read.
        StoreError: it cannot be downloaded.
        UsageError: it has several assemblies and none is chosen, or no file of it can be used.
    """
    urls = read_file_list(path)
    if urls:
        text = download_text(urls[0], max_size=_MAX_TABLE, retry_policy=retry_policy)
        # As `text_lines` does; splitlines would end lines at other characters, too.
        lines = (line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
        files = parse_metadata(urls[0], enumerate(lines, 1))
    else:
        files = parse_metadata(path, text_lines(path))
    selection = select(files, options, listed=frozenset(urls[1:]))
    known = {url for f in files for url in f.urls}
    if unknown := [url for url in urls[1:] if url not in known]:
        more = ", ..." if len(unknown) > 1 else ""
        said = f"{format_count(len(unknown), 'file')} of files.txt are not in the table: {printable(unknown[0])}{more}"
        selection = replace(selection, warnings=(*selection.warnings, said))
    cart = Cart(selection, tuple(_plan_folders(selection)))
    if not cart.folders:
        reasons = ", ".join(f"{n} {reason}" for reason, n in cart.left_out.items())
        raise UsageError(f"{path}: no file can be used ({reasons})")
    return cart


def download_cart(
    cart: Cart,
    directory: Path,
    *,
    retry_policy: RetryPolicy,
    force: bool = False,
    on_bytes: OnBytes = lambda name, done, total: None,
) -> CartReport:
    """Write the table of files, then make folder by folder: download its files, then write its sheets.

    A folder that has sheets has all its files. The same call resumes an interrupted one. Sheets that the cart has no
    rows of, and meta.txt, are kept: a folder may have tracks of its own. So are rows of the table of files of other
    carts that were made into the directory before.

    Args:
        cart: what to make.
        directory: of the folders; created if needed.
        retry_policy: for requests.
        force: replace sheets that exist and are others.
        on_bytes: told of the progress of each file.

    Raises:
        UsageError: a sheet exists and is another, and `force` is false, or the table of files is no such table;
            nothing was downloaded.
        StoreError: a file cannot be downloaded from any address, or the disk is full.
        InputError: another process writes the directory, or something cannot be written.
    """
    with output_lock(directory, parents=True):
        directory.mkdir(exist_ok=True)
        if not force:
            _check_sheets(cart, directory)
        missing = sum(d.size for f in cart.folders for d in f.downloads if not (directory / d.name).exists())
        check_disk_space(directory / TABLE, missing, what="the cart", hint="or download to another disk")
        write_atomic(directory / TABLE, _with_earlier(_table(cart.selection.decisions), directory / TABLE).encode())
        done, kept = list[DownloadedFile](), list[Path]()
        for folder in cart.folders:
            done += download_files(folder.downloads, directory, retry_policy=retry_policy, on_bytes=on_bytes)
            write_sources(directory / folder.name, folder.sources)
            states = write_sheets(directory / folder.name, folder.sheets, force=force)
            kept += [directory / folder.name / name for name, state in states.items() if state == "kept"]
        return CartReport(tuple(done), tuple(kept))


def _check_sheets(cart: Cart, directory: Path) -> None:
    for folder in cart.folders:
        for path in differing_sheets(directory / folder.name, folder.sheets):
            raise UsageError(f"{path}: already exists with other rows; move it away, or use the force option")


def _plan_folders(selection: Selection) -> Iterable[CartFolder]:
    by_cell: dict[str, list[Decision]] = defaultdict(list)
    for decision in selection.decisions:
        if decision.taken:
            by_cell[decision.cell].append(decision)
    for cell, decisions in sorted(by_cell.items()):
        tracks = [_track_row(d) for d in _sorted(decisions, "bigwig", "reads")]
        relaxed = {d.name: local_name(d) for d in decisions if d.role == "relaxed"}
        chip = [ChipRow(local_name(d), d.name, relaxed.get(d.name, "")) for d in _sorted(decisions, "conservative")]
        yield CartFolder(
            cell,
            tuple(_download(d) for d in decisions),
            sheet_texts(tracks, chip),
            {local_name(d): _source(d.file) for d in decisions},
        )


def _sorted(decisions: Sequence[Decision], *roles: str) -> list[Decision]:
    """Return decisions of some roles: DNase before ATAC, as more cell lines have it, and factors by name."""
    chosen = [d for d in decisions if d.role in roles]
    return sorted(chosen, key=lambda d: (d.file.assay != "DNase-seq", d.name, d.file.replicates, d.file.accession))


def _track_row(decision: Decision) -> TrackRow:
    assay = "DNase-seq" if decision.file.assay == "DNase-seq" else "ATAC-seq"
    units = UNITS[decision.file.output_type] if decision.role == "bigwig" else ""
    return TrackRow(local_name(decision), decision.name, assay, units)


def local_name(decision: Decision) -> str:
    """Return the name of a file in its folder: its accession, and what tells readers of files what it is."""
    if decision.role == "bigwig":
        return f"{decision.file.accession}.bigWig"
    if decision.role == "reads":
        return f"{decision.file.accession}.{'bam' if decision.file.format == 'bam' else 'fragments.tsv.gz'}"
    zipped = ".gz" if urlsplit(decision.file.urls[0]).path.endswith(".gz") else ""
    return f"{decision.file.accession}.narrowPeak{zipped}"


def _download(decision: Decision) -> Download:
    file = decision.file
    name = f"{decision.cell}/{local_name(decision)}"
    what = f"{file.output_type} of {file.assay}"
    return Download(name, file.assembly, what, "", file.urls, digest=f"md5:{file.md5}", size=file.size)


def _source(file: EncodeFile) -> dict[str, str]:
    """Return where a file is from, as recorded in the store."""
    described = {
        "accession": file.accession,
        "experiment": file.experiment,
        "assay": file.assay,
        "target": file.target,
        "biosample": " ".join(filter(None, (file.biosample, file.treatments, file.modifications))),
        "output_type": file.output_type,
        "assembly": file.assembly,
        "replicates": ", ".join(file.replicates),
        "analysis": file.analysis,
        "lab": file.lab,
        "project": file.project,
        "released": file.released,
        "md5": file.md5,
        "url": file.urls[0],
    }
    return {key: value for key, value in described.items() if value}


def _with_earlier(table: str, path: Path) -> str:
    """Return the table with the rows of the one at `path` of files that it has not."""
    if not is_there(path):
        return table
    titles, *rows = table.split("\n")
    earlier_titles, *earlier = read_limited(path, _MAX_TABLE).decode("utf-8", "replace").split("\n")
    if earlier_titles != titles:
        raise UsageError(f"{path}: exists and is no table of the files of a cart; move it away")
    known = {row.partition("\t")[0] for row in rows}
    kept = [row for row in earlier if row.partition("\t")[0] not in known]
    return "\n".join((titles, *rows[:-1], *kept, ""))


def _table(decisions: Iterable[Decision]) -> str:
    rows = []
    for d in decisions:
        f = d.file
        path = f"{d.cell}/{local_name(d)}" if d.taken else ""
        cells = (f.accession, f.experiment, f.assay, f.target, f.biosample, f.output_type, f.format, f.assembly)
        more = (", ".join(f.replicates), f.analysis, f.status, str(f.size or ""), f.md5)
        rows.append((*cells, *more, d.cell, d.role, d.name, path, d.reason, d.detail))
    return "".join("\t".join(map(spreadsheet_text, row)) + "\n" for row in (_TITLES, *rows))
