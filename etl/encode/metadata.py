"""Read the table of files that ENCODE's cart gives: metadata.tsv, or files.txt, whose first line is its address.

Columns are found by name: newer tables have more of them than older ones. Nothing is selected here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from ...store.errors import InputError
from ...store.text import format_foreign
from ..inputs.bed import text_lines

_ACCESSION = re.compile(r"[A-Za-z0-9]{4,20}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_HINT = "give the metadata.tsv, or the files.txt, of a cart or a search of ENCODE"
_NAMES = {  # field -> names of its column; the first is today's
    "accession": ("File accession",),
    "format": ("File format",),
    "output_type": ("Output type",),
    "assembly": ("File assembly", "Assembly"),
    "experiment": ("Experiment accession",),
    "assay": ("Assay",),
    "biosample": ("Biosample term name",),
    "target": ("Experiment target",),
    "size": ("Size",),
    "md5": ("md5sum",),
    "url": ("File download URL",),
    "status": ("File Status", "File status"),
}
"""Columns that are required."""
_OPTIONAL = {
    "format_type": ("File format type",),
    "biosample_type": ("Biosample type",),
    "biosample_id": ("Biosample term id",),
    "donors": ("Donor(s)", "Donors"),
    "released": ("Experiment date released",),
    "replicates": ("Biological replicate(s)",),
    "technical": ("Technical replicate(s)",),
    "lab": ("Lab",),
    "project": ("Project",),
    "azure_url": ("Azure URL",),
    "s3_uri": ("s3_uri",),
    "analysis": ("File analysis title",),
    "analysis_status": ("File analysis status",),
    "modification_categories": ("Biosample genetic modifications categories",),
    "audit_error": ("Audit ERROR",),
    "audit_not_compliant": ("Audit NOT_COMPLIANT",),
}
_TREATMENTS, _MODIFICATIONS = "Biosample treatments", "Biosample genetic modifications"
"""Beginnings of the names of several columns each."""


@dataclass(frozen=True)
class EncodeFile:
    """One row of metadata.tsv. Texts are those of the table, empty where it has none.

    Attributes:
        line: 1-based line in the table.
        accession: of the file; letters and digits only.
        format: such as ``bed`` or ``bigWig``.
        format_type: such as ``narrowPeak``.
        output_type: such as ``IDR thresholded peaks``.
        assembly: such as ``GRCh38``.
        experiment: its accession.
        assay: such as ``TF ChIP-seq``.
        biosample: its term name.
        biosample_id: its term id.
        biosample_type: such as ``cell line``.
        donors: their accessions, sorted.
        treatments: treatments with amounts and durations, one text.
        modifications: genetic modifications with methods, categories and targets, one text.
        modification_categories: kinds of the genetic modifications, such as ``insertion``, sorted.
        target: name of the target, without its organism.
        released: date of the experiment's release.
        replicates: biological replicates, sorted.
        technical: technical replicates, sorted.
        size: bytes; 0 where unknown.
        md5: 32 hexadecimal digits; empty where there is none.
        urls: addresses of the file, http or https, that of the table first.
        lab, project, status, analysis, analysis_status, audit_error, audit_not_compliant: as in the table.
    """

    line: int
    accession: str
    format: str
    output_type: str
    assembly: str
    experiment: str
    assay: str
    biosample: str
    target: str
    size: int
    md5: str
    urls: tuple[str, ...]
    status: str
    format_type: str = ""
    biosample_id: str = ""
    biosample_type: str = ""
    donors: tuple[str, ...] = ()
    treatments: str = ""
    modifications: str = ""
    modification_categories: tuple[str, ...] = ()
    released: str = ""
    replicates: tuple[str, ...] = ()
    technical: tuple[str, ...] = ()
    lab: str = ""
    project: str = ""
    analysis: str = ""
    analysis_status: str = ""
    audit_error: str = ""
    audit_not_compliant: str = ""


def parse_metadata(where: str | Path, lines: Iterable[tuple[int, str]]) -> tuple[EncodeFile, ...]:
    """Read all rows of a table of files.

    Args:
        where: path or address of the table, for messages.
        lines: number and text of each of its lines.

    Raises:
        InputError: not such a table; a required column is missing; a row has another number of columns, or no accession
            that can be the name of a file; an accession is listed twice.
    """
    filled = ((number, line) for number, line in lines if line.strip())
    first = next(filled, None)
    if first is None:
        raise InputError(where, "is empty", hint=_HINT)
    titles = _cells(first[1])
    columns = _find_columns(where, titles)
    rows: dict[str, EncodeFile] = {}
    for number, line in filled:
        if (cells := _cells(line)) == titles:
            hint = "it is several tables joined: give a table, and a folder, for each"
            raise InputError(where, "repeats the heading", hint=hint, line=number)
        row = _parse_row(where, number, cells, columns)
        if row.accession in rows:
            problem = f"{row.accession} is listed twice, before in line {rows[row.accession].line}"
            raise InputError(where, problem, hint="keep one of the rows", line=number)
        rows[row.accession] = row
    if not rows:
        raise InputError(where, "lists no file", hint=_HINT)
    return tuple(rows.values())


def _cells(line: str) -> list[str]:
    """Return the cells of a line, without quotes that spreadsheets, pandas or R put around them."""
    cells = [cell.strip() for cell in line.split("\t")]
    quoted = (len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
    return [cell[1:-1].replace('""', '"').strip() if q else cell for cell, q in zip(cells, quoted, strict=True)]


def read_file_list(path: Path) -> tuple[str, ...]:
    """Return the addresses in a files.txt, that of its metadata.tsv first; empty if the file is another one.

    Raises:
        InputError: it is not text; it begins with an address, and that is of a file, or a later line is none.
    """
    urls: list[str] = []
    for number, line in text_lines(path):
        url = line.strip().strip('"').strip()
        if not url:
            continue
        if not _is_url(url):
            if not urls:
                return ()
            raise InputError(path, f"{format_foreign(url)!r} is not an address", hint=_HINT, line=number)
        if not urls and "/@@download/" in urlsplit(url).path:
            problem = "begins with a file, not with the address of a metadata.tsv"
            raise InputError(path, problem, hint=_HINT, line=number)
        urls.append(url)
    return tuple(urls)


def _is_url(text: str) -> bool:
    return text.isprintable() and " " not in text and urlsplit(text).scheme in ("http", "https")


@dataclass(frozen=True)
class _Columns:
    """Where the columns are: `named` by field, and those of treatments and modifications; `width` of a row."""

    named: Mapping[str, int]
    treatments: tuple[int, ...]
    modifications: tuple[int, ...]
    width: int


def _find_columns(where: str | Path, header: Sequence[str]) -> _Columns:
    titles = list(header)
    named = {}
    for field, names in {**_NAMES, **_OPTIONAL}.items():
        found = [titles.index(name) for name in names if name in titles]
        if found:
            named[field] = found[0]
        elif field in _NAMES:
            problem = f"has no column {names[0]!r}; its first columns are {format_foreign(', '.join(titles[:3]))}"
            raise InputError(where, problem, hint=_HINT, line=1)
    groups = ([i for i, t in enumerate(titles) if t.startswith(start)] for start in (_TREATMENTS, _MODIFICATIONS))
    treatments, modifications = map(tuple, groups)
    return _Columns(named, treatments, modifications, len(titles))


def _parse_row(where: str | Path, number: int, cells: Sequence[str], columns: _Columns) -> EncodeFile:
    if len(cells) != columns.width:
        problem = f"{len(cells)} columns, the heading has {columns.width}"
        raise InputError(where, problem, hint="download the table again", line=number)
    row = {field: _clean(cells[i]) for field, i in columns.named.items()}
    accession, size, md5 = row.pop("accession"), row.pop("size"), row.pop("md5").lower()
    if not _ACCESSION.fullmatch(accession):
        problem = f"file accession {format_foreign(accession)!r} has other characters than letters and digits"
        raise InputError(where, problem, hint="download the table again", line=number)
    urls = (row.pop("url"), row.pop("azure_url", ""), _s3_url(row.pop("s3_uri", "")))
    target = row.pop("target")
    return EncodeFile(
        line=number,
        accession=accession,
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 16 else 0,
        md5=md5 if _MD5.fullmatch(md5) else "",
        urls=tuple(dict.fromkeys(url for url in urls if _is_url(url))),
        target=re.sub(r"-[a-z]{4,}$", "", target),  # CTCF-human; NKX2-5 stays
        donors=_split(row.pop("donors", ""), strip=True),
        replicates=_split(row.pop("replicates", "")),
        technical=_split(row.pop("technical", "")),
        modification_categories=_split(row.pop("modification_categories", "")),
        treatments=_join(cells, columns.treatments),
        modifications=_join(cells, columns.modifications),
        **row,
    )


def _clean(cell: str) -> str:
    return format_foreign(cell, limit=2000)


def _split(text: str, *, strip: bool = False) -> tuple[str, ...]:
    """Return the items of a list with commas, sorted; of paths (``/human-donors/ENCDO000AAA/``) the last part."""
    items = [item.strip() for item in text.split(",")]
    return tuple(sorted({item.strip("/").rpartition("/")[2] if strip else item for item in items if item}))


def _join(cells: Sequence[str], columns: Sequence[int]) -> str:
    return " ".join(text for text in (_clean(cells[i]) for i in columns) if text)


def _s3_url(uri: str) -> str:
    """Return the address at which S3 serves an object of a public bucket; empty for what is no ``s3://bucket/key``."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9-]{1,61}[a-z0-9])/(\S+)", uri)
    return f"https://{match[1]}.s3.amazonaws.com/{quote(match[2])}" if match else ""
