"""Read fragment files: tables of chromosome, start, end, barcode and count, as 10x, ArchR and ENCODE write them.

Starts are 0-based, ends exclusive. Both ends are places of cuts, which who wrote the file has shifted already (+4, -5).
The count, of read pairs with these ends, is not used: a fragment counts once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....store.errors import InputError
from ....store.files.limited_read import check_is_file
from ....store.text import format_foreign
from ...inputs.bed import text_lines

_ROWS = 1 << 20  # of a batch
_LEADING = 100_000  # lines before the first fragment, at most
_COLUMNS = "chromosome, start, end, barcode and count, separated by tabs"
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class FragmentBatch:
    """Fragments, one a row, (n,) each.

    Attributes:
        chrom: number in `chroms`.
        start: first base, 0-based.
        stop: past the last base.
        barcode: number in `barcodes`; of equal barcodes everywhere in a file the same.
        chroms: names of chromosomes so far.
        barcodes: barcodes so far; one empty name where the file has no such column.
    """

    chrom: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    barcode: NDArray[np.int32]
    chroms: list[str]
    barcodes: list[str]

    def __len__(self) -> int:
        return self.chrom.size


def read_fragments(path: Path) -> Iterator[FragmentBatch]:
    """Yield the fragments of a file, plain or gzipped, in its order.

    Raises:
        InputError: no such file, or a line is no fragment; the message says which.
    """
    check_is_file(path)
    skipped, n_columns = _leading_lines(path)
    chroms, barcodes = _Numbers(), _Numbers()
    names = ["chrom", "start", "stop", "barcode"][: min(n_columns, 4)]
    options: dict[str, Any] = {
        "sep": "\t",
        "header": None,
        "names": names,
        "usecols": range(len(names)),
        "dtype": {"chrom": "category", "start": "int64", "stop": "int64", "barcode": "category"},
        "skiprows": skipped,
        "chunksize": _ROWS,
        "na_filter": False,
        "quoting": 3,
        "compression": "gzip" if _is_gzipped(path) else None,
    }
    try:
        with pd.read_csv(path, **options) as tables:
            for table in tables:
                start, stop = (table[name].to_numpy() for name in ("start", "stop"))
                if ((start < 0) | (start >= stop) | (stop > _LARGEST)).any():
                    raise _wrong_line(path, skipped)
                barcode = barcodes.of(table["barcode"]) if n_columns > 3 else np.zeros(start.size, np.int32)
                yield FragmentBatch(
                    chroms.of(table["chrom"]),
                    start.astype(np.int32),
                    stop.astype(np.int32),
                    barcode,
                    chroms.names,
                    barcodes.names if n_columns > 3 else [""],
                )
    except (ValueError, OverflowError) as error:  # of pandas, whose messages name no line
        raise _wrong_line(path, skipped) from error
    except (OSError, EOFError) as error:
        raise InputError(path, f"is damaged ({error})", hint="copy or download it again") from error


class _Numbers:
    """Numbers of names, in the order in which they are met."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def of(self, column: pd.Series[Any]) -> NDArray[np.int32]:
        """Return the number of each row's name, (n,)."""
        own = [self._number(str(name)) for name in column.cat.categories]
        found: NDArray[np.int32] = np.array(own, np.int32)[column.cat.codes.to_numpy()]
        return found

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]


def _is_gzipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _leading_lines(path: Path) -> tuple[int, int]:
    """Return the lines before the first fragment (comments, a heading), and its number of columns."""
    is_first = True
    for number, line in islice(text_lines(path), _LEADING):
        fields = line.split("\t")
        if not line.strip() or line.startswith("#"):
            continue
        is_heading = (
            is_first and len(fields) > 2 and not any(text[:1].isdigit() or text[:1] == "-" for text in fields[1:3])
        )
        is_first = False
        if is_heading:
            continue
        if problem := _problem(fields):
            raise InputError(path, problem, hint=f"give fragments: {_COLUMNS}", line=number)
        return number - 1, len(fields)
    raise InputError(path, "has no fragment", hint=f"give fragments: {_COLUMNS}")


def _problem(fields: list[str]) -> str:
    """Return what is wrong with a line; empty if nothing is."""
    if len(fields) < 3:
        return f"{len(fields)} columns, expected three or more"
    if not all(text.isascii() and text.isdigit() for text in fields[1:3]):
        return (
            f"start {format_foreign(fields[1], 40)!r} and end {format_foreign(fields[2], 40)!r} are not whole numbers"
        )
    if not int(fields[1]) < int(fields[2]) <= _LARGEST:
        return f"the fragment ends at {fields[2]}, not behind its start {fields[1]}"
    return ""


def _wrong_line(path: Path, skipped: int) -> InputError:
    """Return the error of the first line that is no fragment; found line by line, as it ends the reading."""
    hint, n_columns = f"give fragments: {_COLUMNS}", 0
    for number, line in text_lines(path):
        if number <= skipped or not line:
            continue
        fields = line.split("\t")
        n_columns = n_columns or len(fields)
        problem = _problem(fields)
        if not problem and len(fields) != n_columns:
            problem = f"{len(fields)} columns, where lines before have {n_columns}"
        if problem:
            return InputError(path, problem, hint=hint, line=number)
    return InputError(path, "cannot be read as a table of fragments", hint=hint)
