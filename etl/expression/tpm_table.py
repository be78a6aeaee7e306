"""Read tables of TPMs: genes in rows, samples in columns, replicates of a cell line averaged.

Read are tables with tabs, as R, pandas and spreadsheets write them (also with the first title missing), and GCT, with
or without a column of gene names after that of identifiers. Versions of Ensembl identifiers are left out; rows of one
gene are added up, since a TPM is a share of transcripts. A file of one sample with a column ``TPM``, as RSEM writes it
(gene quantifications of ENCODE), is a table of one column; several files are joined by their genes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.text import format_count, format_foreign
from ..inputs.bed import text_lines

Float = NDArray[np.float64]
_VERSION = re.compile(r"(ENS[A-Z]*G\d{11})\.\d+")
_REPLICATE = re.compile(r"[._ -](biorep|rep|replicate|r|br)[._ -]?\d+$", re.IGNORECASE)
_USUAL_SUM = (100_000, 2_000_000)
"""TPMs of all genes add up to a million; those of the coding ones to somewhat less."""
_LONG = 1e12
_GENE = re.compile(r"ENS[A-Z]*G\d{11}(\.\d+)?")
_HINT = "give TPMs, a gene in each row, a sample in each column, the first row the names of the samples, with tabs"


@dataclass(frozen=True, eq=False)
class TpmTable:
    """Expression of genes in cell lines.

    Attributes:
        genes: identifiers, without versions; each once.
        names: name of each gene; empty where the table has none.
        cells: cell lines.
        values: mean over the replicates of log2(TPM + 1), float64 (genes, cells).
        replicates: samples of each cell line.
        notes: what is unusual, for users.
    """

    genes: tuple[str, ...]
    names: tuple[str, ...]
    cells: tuple[str, ...]
    values: Float
    replicates: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Rows:
    genes: list[str]
    names: list[str]
    values: Float
    samples: list[str]


@dataclass(frozen=True)
class TpmFile:
    """A file to read; `sample` names the sample of a file that has one, empty: after the file."""

    path: Path
    sample: str = ""


def read_tpm_table(files: Sequence[TpmFile], *, samples: Mapping[str, str] | None = None) -> TpmTable:
    """Read a table from one or several files.

    Args:
        files: gzipped or not; genes that are not in all of them are left out.
        samples: sample -> cell line; None: samples of one name, but for an end such as ``_rep1``, are of one cell line.

    Raises:
        InputError: not such a table; a value is no finite number of at least 0; a sample is missing in `samples`; the
            files have no gene in common.
    """
    path, parts = files[0].path, [_read_rows(file) for file in files]
    rows, notes = _join(path, parts)
    if samples is not None and (unknown := [s for s in rows.samples if s not in samples]):
        problem = f"sample {format_foreign(unknown[0])!r} is not in the table of samples"
        raise InputError(path, problem, hint=f"add it, and {len(unknown) - 1} more" if len(unknown) > 1 else "add it")
    tpm = rows.values
    genes = rows.genes
    sums = tpm.sum(axis=0)
    if unusual := [s for s, total in zip(rows.samples, sums, strict=True) if not _is_usual(total)]:
        first = sums[rows.samples.index(unusual[0])]
        shown = f"{first:,.0f}" if first < _LONG else f"{first:.3g}"
        notes.append(f"the values of {len(unusual)} of {len(sums)} samples do not add up to about a million as TPMs do "
                     f"({shown} in {unusual[0]})")  # fmt: skip
    if absent := [s for s in samples or () if s not in rows.samples]:
        more = ", ..." if absent[1:] else ""
        said = f"{format_count(len(absent), 'sample')} of the list are not in the table: "
        notes.append(f"{said}{format_foreign(absent[0])}{more}")
    groups: dict[str, list[int]] = defaultdict(list)
    for column, sample in enumerate(rows.samples):
        groups[samples[sample] if samples is not None else _REPLICATE.sub("", sample)].append(column)
    logs = np.log2(tpm + 1)
    values = np.stack([logs[:, columns].mean(axis=1) for columns in groups.values()], axis=1)
    replicates = {cell: tuple(rows.samples[i] for i in columns) for cell, columns in groups.items()}
    return TpmTable(tuple(genes), tuple(rows.names), tuple(groups), values, replicates, tuple(notes))


def _join(path: Path, parts: Sequence[_Rows]) -> tuple[_Rows, list[str]]:
    """Join tables by their genes, which are sorted; return what is unusual, too."""
    notes = []
    if repeated := sum(len(part.genes) - len({*part.genes}) for part in parts):
        notes.append(f"{format_count(repeated, 'row')} of genes that have several, added up")
    common = {*parts[0].genes}.intersection(*(part.genes for part in parts[1:]))
    if not common:
        raise InputError(path, "has no gene in common with the other files", hint="give files of one annotation")
    if left_out := len({gene for part in parts for gene in part.genes}) - len(common):
        notes.append(f"{format_count(left_out, 'gene')} left out, not in all files")
    genes = sorted(common)
    position = {gene: i for i, gene in enumerate(genes)}
    columns = []
    for part in parts:
        kept = np.array([position.get(gene, -1) for gene in part.genes])
        summed = np.zeros((len(genes), len(part.samples)))
        np.add.at(summed, kept[kept >= 0], part.values[kept >= 0])
        columns.append(summed)
    names = {gene: name for part in reversed(parts) for gene, name in zip(part.genes, part.names, strict=True)}
    titles = [sample for part in parts for sample in part.samples]
    counts = Counter(titles)
    samples = [f"{s}_rep{titles[: i + 1].count(s)}" if counts[s] > 1 else s for i, s in enumerate(titles)]
    return _Rows(genes, [names[gene] for gene in genes], np.concatenate(columns, axis=1), samples), notes


def read_samples(path: Path) -> dict[str, str]:
    """Read a table of two columns, sample and cell line.

    Raises:
        InputError: a row has other columns, or a sample is listed twice.
    """
    found: dict[str, str] = {}
    for number, line in text_lines(path):
        fields = [cell.strip() for cell in line.split("\t") if cell.strip()] if "\t" in line else line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) != 2:
            raise InputError(path, f"{len(fields)} columns", hint="write SAMPLE and CELL_LINE, with a tab", line=number)
        if fields[0] in found:
            raise InputError(path, f"sample {format_foreign(fields[0])!r} is listed twice", line=number)
        found[fields[0]] = fields[1]
    return found


def _is_usual(total: float) -> bool:
    return _USUAL_SUM[0] <= total <= _USUAL_SUM[1]


def _read_rows(file: TpmFile) -> _Rows:
    path, lines = file.path, _table_lines(file.path)
    _, header = next(lines, (0, []))
    number, first = next(lines, (0, []))
    if not first:
        raise InputError(path, "has no row of a gene", hint=_HINT)
    if len(header) == len(first) - 1:
        header = ["gene", *header]  # R's write.table leaves out the title of the names of rows
    titles = [title.strip().strip('"') for title in header]
    if "TPM" in titles[1:]:
        samples, columns, named = [file.sample or _stem(path)], [titles.index("TPM", 1)], False
    else:
        named = len(first) > 2 and not _is_number(first[1])
        columns = list(range(1 + named, len(titles)))
        samples = [titles[i] for i in columns]
        if file.sample and len(samples) > 1:
            problem = f"has {len(samples)} samples, and {file.sample!r} would name one"
            raise InputError(path, problem, hint="leave out the name")
        samples = [file.sample] if file.sample else samples
    if not samples:
        raise InputError(path, "has no column of a sample", hint=_HINT, line=1)
    if "" in samples:
        raise InputError(path, f"column {columns[samples.index('')] + 1} has no title", hint=_HINT, line=1)
    if all(map(_GENE.fullmatch, samples)):
        problem = f"the first row has genes ({format_foreign(samples[0])}, ...) in place of the names of samples"
        raise InputError(path, problem, hint=f"transpose the table; {_HINT}", line=1)
    if not file.sample and all(map(_is_number, samples)):
        problem = f"the first row has numbers ({format_foreign(samples[0])}, ...) in place of the names of samples"
        raise InputError(path, problem, hint="name the samples; a first row that begins with # is a comment", line=1)
    rows = [
        _parse_row(path, number, cells, _Shape(len(titles), tuple(columns), named))
        for number, cells in chain([(number, first)], lines)
    ]
    genes, names, values = zip(*rows, strict=True)
    return _Rows(list(genes), list(names), np.stack(values), samples)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _table_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line of the table, without comments and the first two lines of a GCT."""
    is_gct = False
    for number, line in text_lines(path):
        if line.startswith("#"):
            is_gct |= number == 1 and line.startswith("#1.")
            continue
        if not line.strip() or (is_gct and number == 2):
            continue
        yield number, line.split("\t")


@dataclass(frozen=True)
class _Shape:
    """Number of columns of a table, which of them are samples, and whether the second has the names of genes."""

    width: int
    columns: tuple[int, ...]
    named: bool


def _parse_row(path: Path, number: int, cells: Sequence[str], shape: _Shape) -> tuple[str, str, Float]:
    if len(cells) != shape.width:
        problem = f"{format_count(len(cells), 'column')}, the first row has {shape.width}"
        raise InputError(path, problem, hint=_HINT, line=number)
    texts = [cells[i] for i in shape.columns]
    try:
        values = np.array(texts, np.float64)
    except ValueError as e:
        wrong = next(text for text in texts if not _is_number(text))
        raise InputError(path, f"{format_foreign(wrong)!r} is not a number", hint=_HINT, line=number) from e
    if not np.all(valid := np.isfinite(values) & (values >= 0)):
        wrong = texts[int(np.argmin(valid))]
        hint = "a TPM is a finite number of at least 0; give TPMs, not their logarithms"
        raise InputError(path, f"a value is {format_foreign(wrong)}", hint=hint, line=number)
    gene = cells[0].strip().strip('"')
    if not gene or not gene.isprintable():
        raise InputError(path, f"{gene!r} is not the name of a gene", hint=_HINT, line=number)
    return _VERSION.sub(r"\1", gene), format_foreign(cells[1].strip('"'), 100) if shape.named else "", values


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"'))
    except ValueError:
        return False
    return True
