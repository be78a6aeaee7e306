"""Compare every value of a store with its source files, which are read again block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.errors import StoreError, UsageError
from ...store.format.manifest import check_may_be_damaged
from ...store.reader import Store
from ...store.schema import PeakSet
from ...store.spans import StoredArray, read_span
from ..inputs.bed import text_lines
from ..inputs.bigwig import open_bigwig, read_by_pybigwig
from ..inputs.cell_line_folder import ChipFiles, read_cell_folder
from ..inputs.chip_peaks import read_peak_set
from ..inputs.chrom_aliases import file_names
from ..inputs.fasta import FastaReader, prepare_fasta
from ..inputs.sheets.tracks import describe_track
from ..reads.signal_options import SignalOptions
from ..reads.track_signals import make_signals, with_terms
from ..shards.labels import bin_labels
from .findings import Finding

_BLOCK = 4 * 1024 * 1024
"""Rows per comparison."""

ExpectedRows = Callable[[int, int], NDArray[Any]]
"""Returns rows ``start:stop`` of an array, computed from the source files."""
OnBlock = Callable[[int], None]
"""Called with the number of rows compared."""


def compare_with_sources(
    store: Store, sources: Sequence[Path], *, on_block: OnBlock = lambda rows: None
) -> list[Finding]:
    """Return a finding for the first row at which each array (or track) differs from its source files.

    Args:
        store: a compressed or raw store.
        sources: cell-line folders (tracks, peaks, labels, meta values), the genome's FASTA, bigWigs of shared tracks.
        on_block: called with the number of rows compared.

    Raises:
        InputError: a source file cannot be read.
        UsageError: a source belongs to nothing in the store.
    """
    findings: list[Finding] = []
    for source in sources:
        if source.is_dir():
            findings += _compare_cell_line(store, source, on_block)
        elif (track := _shared_track(store, source)) is not None:
            options = _build_options(store.info.provenance)
            findings += _compare_track(store, f"genome/tracks/{track}", source, options, on_block)
        else:
            findings += _compare_sequence(store, source, on_block)
    return findings


def _build_options(provenance: dict[str, Any]) -> tuple[dict[str, str], bool]:
    """Return the build's chromosome aliases, and whether it accepted missing chromosomes."""
    options = provenance.get("options", {})
    return dict(options.get("aliases", {})), bool(options.get("allow_missing_chroms"))


def _shared_track(store: Store, source: Path) -> str | None:
    """Return the shared track built from a file of this name; None if there is none."""
    tracks = list(store.genome_attributes.get("tracks", []))
    inputs = [i["name"] for i in store.info.provenance.get("inputs", [])]
    by_file = dict(zip(inputs[len(inputs) - len(tracks) :], tracks, strict=True))
    return by_file.get(source.name)


def _compare_cell_line(store: Store, folder: Path, on_block: OnBlock) -> Iterator[Finding]:
    sheets = read_cell_folder(folder)
    info = store.cell(sheets.name)
    options = _build_options(info.provenance)
    group = f"cells/{sheets.name}"
    reads = SignalOptions.parse(info.provenance.get("options", {}).get("reads", {}))
    sheets = with_terms(sheets, reads)
    for what, stored, expected in (
        ("tracks", tuple(map(describe_track, info.tracks)), tuple(map(describe_track, sheets.tracks))),
        ("factors", info.factor_names, tuple(c.factor for c in sheets.chip)),
        ("values", info.meta, tuple(name for name, _ in sheets.meta)),
    ):
        if stored != expected:
            yield _differs(group, f"has the {what} {', '.join(stored)}, the sheets list {', '.join(expected)}")
            return
    values = np.array([value for _, value in sheets.meta], np.float32)
    yield from _compare_array(store, f"{group}/meta", lambda a, b: values[a:b], "meta.txt", on_block)
    with tempfile.TemporaryDirectory() as work:
        signals = make_signals(
            Path(work) / "signals", sheets.tracks, store, reads, options[0], state={}, allow_missing=options[1]
        )
        for track, signal in zip(info.tracks, sheets.tracks, strict=True):
            path = f"{'genome' if track.shared else group}/tracks/{track.name}"
            own = ({}, options[1]) if signal.has_reads else options
            yield from _compare_track(store, path, signals.as_bigwig(signal).path, own, on_block)
    for row in sheets.chip:
        yield from _compare_peaks(store, sheets.name, row, options[0])
    if sheets.chip:
        yield from _compare_labels(store, sheets.name, sheets.chip, options[0], on_block)


def _compare_track(
    store: Store, path: str, file: Path, options: tuple[dict[str, str], bool], on_block: OnBlock
) -> Iterator[Finding]:
    source = open_bigwig(file, store.coordinates, options[0], allow_missing=options[1])
    for chrom in store.coordinates.names:
        record = source.names.get(chrom)

        def signal(start: int, stop: int, record: str | None = record) -> NDArray[Any]:
            return read_by_pybigwig(file, record, start, stop) if record else np.zeros(stop - start, np.float32)

        found = list(_compare_array(store, f"{path}/{chrom}", signal, str(file), on_block))
        if found:
            yield found[0]
            return  # the first row of a track is enough


def _compare_sequence(store: Store, file: Path, on_block: OnBlock) -> Iterator[Finding]:
    first_line = next((line for _, line in text_lines(file)), "") if file.is_file() else ""
    if not first_line.startswith(">"):
        names = ", ".join(i["name"] for i in store.info.provenance.get("inputs", []))
        raise UsageError(
            f"{file}: cannot be compared with the store; give cell-line folders, the FASTA file, or bigWigs of shared "
            f"tracks under the file names of the build ({names})"
        )
    aliases, _ = _build_options(store.info.provenance)
    with tempfile.TemporaryDirectory() as work:
        fasta = prepare_fasta(file, Path(work))
        records = file_names(store.coordinates.names, fasta.lengths, aliases, file=file)
        with closing(FastaReader(fasta)) as reader:
            for chrom, length in zip(store.coordinates.names, store.coordinates.lengths, strict=True):
                path, record = f"genome/sequence/{chrom}", records.get(chrom)
                if record is None or fasta.lengths[record] != length:
                    found = f"{fasta.lengths[record]} bases" if record else "no such record"
                    yield _differs(path, f"has {length} bases, {file} has {found}")
                    continue

                def codes(start: int, stop: int, record: str = record) -> NDArray[Any]:
                    return reader.read_codes(record, start, stop)

                yield from _compare_array(store, path, codes, str(file), on_block)


def _compare_peaks(store: Store, cell: str, row: ChipFiles, aliases: dict[str, str]) -> Iterator[Finding]:
    peak_set: PeakSet
    for peak_set, file in (("conservative", row.conservative), ("relaxed", row.relaxed)):
        path = f"cells/{cell}/peaks/{row.factor}/{peak_set}"
        if file is None:
            continue
        expected = read_peak_set(file, store.coordinates, aliases).peaks
        try:
            stored = store.peaks(cell, row.factor, peak_set)
        except StoreError as e:
            check_may_be_damaged(e, path)
            yield _differs(path, str(e))
            continue
        for column in ("chrom", "start", "stop", "summit"):
            a, b = getattr(stored, column), getattr(expected, column)
            if a.size != b.size:
                yield _differs(path, f"has {a.size} peaks, {file} has {b.size}")
                break
            if (wrong := np.flatnonzero(a != b)).size:
                i = int(wrong[0])
                yield _differs(f"{path}/{column}", f"peak {i} (sorted, from 0) has {a[i]}, {file} has {b[i]}")


def _compare_labels(
    store: Store, cell: str, rows: Sequence[ChipFiles], aliases: dict[str, str], on_block: OnBlock
) -> Iterator[Finding]:
    pairs = []
    for row in rows:
        conservative = read_peak_set(row.conservative, store.coordinates, aliases).peaks
        pairs.append(
            (
                conservative,
                read_peak_set(row.relaxed, store.coordinates, aliases).peaks if row.relaxed else conservative,
            )
        )
    for i, chrom in enumerate(store.coordinates.names):
        bounds = [[(p.start[p.chrom == i], p.stop[p.chrom == i]) for p in pair] for pair in pairs]

        def labels(start: int, stop: int, bounds: list[Any] = bounds) -> NDArray[Any]:
            return np.stack([bin_labels(c, r, first=start, count=stop - start) for c, r in bounds], axis=1)

        yield from _compare_array(store, f"cells/{cell}/labels/{chrom}", labels, "its peaks", on_block)


def _compare_array(
    store: Store, path: str, expected_rows: ExpectedRows, source: str, on_block: OnBlock
) -> Iterator[Finding]:
    """Yield a finding for the first row at which an array differs from its source, compared bit by bit."""
    try:
        array: StoredArray = store.array(path)
        for start in range(0, array.shape[0], _BLOCK):
            stop = min(start + _BLOCK, array.shape[0])
            stored, expected = read_span(array, start, stop), np.ascontiguousarray(expected_rows(start, stop))
            if stored.tobytes() != expected.astype(stored.dtype, copy=False).tobytes():
                index = tuple(np.argwhere(stored != expected)[0].tolist())
                row = start + index[0]
                yield _differs(path, f"row {row} (0-based) is {stored[index]}, {source} gives {expected[index]}")
                return
            on_block(stop - start)
    except StoreError as e:
        check_may_be_damaged(e, path)
        yield Finding(path, "damaged", str(e), "see factornet-etl verify without --against-sources")


def _differs(path: str, problem: str) -> Finding:
    return Finding(path, "differs", problem, "rebuild it from these sources (factornet-etl build --force)")
