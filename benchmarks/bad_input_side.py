"""Read a file with another tool for `bad_input.py`, and compare with the content of the clean file.

Run by the interpreter that has the tool, in a separate process (`tests/support/forked.py`); needs numpy only. Prints
one line of JSON: the error, or the counts of `compare`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Signal = dict[str, np.ndarray]
Letters = dict[str, str]
_WINDOW = 10_000


def main(arguments: Sequence[str]) -> int:
    """Run ``TOOL FILE TRUTH``; TRUTH is a .npz of the expected content by chromosome, float32 or letters as uint8."""
    tool, file, truth = arguments
    with np.load(truth) as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    try:
        found = TOOLS[tool](Path(file), expected)
    except Exception as e:  # whatever the tool raises is the result
        print(json.dumps({"error": f"{type(e).__name__}: {e}"}))
        return 0
    print(json.dumps({"found": compare(expected, found)}))
    return 0


def compare(expected: Signal, found: Signal) -> dict[str, Any]:
    """Return missing chromosomes, and the number of wrong bases and of those that were read as 0 or a gap."""
    missing = sorted(set(expected) - set(found))
    wrong = lost = 0
    for name in set(expected) & set(found):
        a, b = expected[name], found[name]
        size = min(a.size, b.size)
        differs = a[:size] != np.nan_to_num(b[:size], nan=0, posinf=np.inf, neginf=-np.inf)
        wrong += int(differs.sum()) + abs(a.size - b.size)
        lost += int((differs & (np.nan_to_num(b[:size]) == 0)).sum()) + max(a.size - b.size, 0)
    return {"missing": missing, "wrong": wrong, "lost": lost, "bases": int(sum(v.size for v in expected.values()))}


def _codes(letters: str) -> np.ndarray:
    """Return upper-case letters, with all but ACGT as N."""
    codes = np.frombuffer(letters.upper().encode(), np.uint8).copy()
    codes[~np.isin(codes, np.frombuffer(b"ACGT", np.uint8))] = ord("N")
    return codes


def _pybigwig(file: Path, expected: Signal) -> Signal:
    import pyBigWig

    bigwig = pyBigWig.open(str(file))
    return {name: bigwig.values(name, 0, values.size, numpy=True) for name, values in expected.items()}


def _pybigtools(file: Path, expected: Signal) -> Signal:
    import pybigtools

    bigwig = pybigtools.open(str(file))
    return {name: np.float32(bigwig.values(name, 0, values.size)) for name, values in expected.items()}


def _gvl_dataset(expected: Signal, bigwig: Path, reference: Path | None, folder: str) -> Any:
    import genvarloader as gvl
    import polars as pl

    rows = [(n, at, at + _WINDOW) for n, v in expected.items() for at in range(0, v.size, _WINDOW)]
    bed = pl.DataFrame(rows, schema=["chrom", "chromStart", "chromEnd"], orient="row")
    gvl.write(f"{folder}/d", bed, tracks=[gvl.BigWigs("t", {"S": str(bigwig)})], overwrite=True)
    opened = gvl.Dataset.open(f"{folder}/d", reference=reference) if reference else gvl.Dataset.open(f"{folder}/d")
    return rows, opened


def _join(rows: list[tuple[str, int, int]], windows: np.ndarray, expected: Signal) -> Signal:
    found = {name: np.zeros(values.size, windows.dtype) for name, values in expected.items()}
    for (name, start, stop), values in zip(rows, windows, strict=True):
        found[name][start:stop] = values
    return found


def _gvl_signal(file: Path, expected: Signal) -> Signal:
    with tempfile.TemporaryDirectory() as folder:
        rows, dataset = _gvl_dataset(expected, file, None, folder)
        values = np.asarray(dataset.with_tracks(["t"]).with_len(_WINDOW)[np.arange(len(rows)), 0])
        return _join(rows, values.reshape(len(rows), _WINDOW), expected)


def _gvl_letters(file: Path, expected: Signal) -> Signal:
    with tempfile.TemporaryDirectory() as folder:
        rows, dataset = _gvl_dataset(expected, file.parent / "CELL" / "signal.bw", file, folder)
        dataset = dataset.with_tracks(False).with_seqs("reference").with_len(_WINDOW)
        letters = np.asarray(dataset[np.arange(len(rows)), 0]).reshape(len(rows), _WINDOW).view(np.uint8)
        return _join(rows, np.stack([_codes(row.tobytes().decode()) for row in letters]), expected)


def _pyfaidx(file: Path, expected: Signal) -> Signal:
    import pyfaidx

    fasta = pyfaidx.Fasta(str(file))
    return {name: _codes(str(fasta[name][0 : values.size])) for name, values in expected.items()}


def _pysam(file: Path, expected: Signal) -> Signal:
    import pysam

    fasta = pysam.FastaFile(str(file))
    return {name: _codes(fasta.fetch(name, 0, values.size)) for name, values in expected.items()}


TOOLS: dict[str, Callable[[Path, Signal], Signal]] = {
    "pyBigWig": _pybigwig,
    "pybigtools": _pybigtools,
    "GenVarLoader bigWig": _gvl_signal,
    "pyfaidx": _pyfaidx,
    "pysam": _pysam,
    "GenVarLoader FASTA": _gvl_letters,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
