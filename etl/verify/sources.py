"""Compare a store with the files it was made of, at all positions: the inputs are read again, block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.errors import StoreError, UsageError
from ...store.reader import Store, StoredArray, read_span
from ...store.schema import PeakSet
from ..inputs.bed import read_peaks, text_lines
from ..inputs.bigwig import open_bigwig, read_by_pybigwig
from ..inputs.cell_line_folder import ChipFiles, read_cell_folder
from ..inputs.chrom_aliases import file_names
from ..inputs.fasta import FastaReader, prepare_fasta
from ..shards.labels import bin_labels
from .findings import Finding

_BLOCK = 4 * 1024 * 1024
"""Positions to hold at once."""

Block = Callable[[int, int], NDArray[Any]]
"""Rows ``start:stop`` of an array, as the sources say they must be."""
OnBlock = Callable[[int], None]


def compare_with_sources(
    store: Store, sources: Sequence[Path], *, on_block: OnBlock = lambda positions: None
) -> list[Finding]:
    """The first place of each array at which the store is not what its sources say.

    Args:
        store: either encoding.
        sources: cell-line folders (tracks, peaks, labels, values), the genome's FASTA, bigWigs of shared tracks.
        on_block: called with the number of positions compared.

    Raises:
        InputError, UsageError: a source cannot be read, or belongs to nothing in the store.
    """
    findings: list[Finding] = []
    for source in sources:
        if source.is_dir():
            findings += _cell(store, source, on_block)
        elif _shared_track(store, source) is not None:
            name = str(_shared_track(store, source))
            findings += _track(store, f"genome/tracks/{name}", source, _options(store.info.provenance), on_block)
        else:
            findings += _sequence(store, source, on_block)
    return findings


def _options(provenance: dict[str, Any]) -> tuple[dict[str, str], bool]:
    """Aliases of chromosomes and whether some may be missing, as the build had them."""
    options = provenance.get("options", {})
    return dict(options.get("aliases", {})), bool(options.get("allow_missing_chroms"))


def _shared_track(store: Store, source: Path) -> str | None:
    """The shared track that was made from a file of this name; None where there is none."""
    tracks = list(store.genome_attributes.get("tracks", []))
    inputs = [i["name"] for i in store.info.provenance.get("inputs", [])]
    by_file = dict(zip(inputs[len(inputs) - len(tracks) :], tracks, strict=True))
    return by_file.get(source.name)


def _cell(store: Store, folder: Path, on_block: OnBlock) -> Iterator[Finding]:
    sheets = read_cell_folder(folder)
    info = store.cell(sheets.name)
    options = _options(info.provenance)
    home = f"cells/{sheets.name}"
    for what, mine, theirs in (
        ("tracks", info.track_names, tuple(t.name for t in sheets.tracks)),
        ("factors", info.factor_names, tuple(c.factor for c in sheets.chip)),
        ("values", info.meta, tuple(name for name, _ in sheets.meta)),
    ):
        if mine != theirs:
            yield _differs(home, f"has the {what} {', '.join(mine)}; the sheets name {', '.join(theirs)}")
            return
    values = np.array([value for _, value in sheets.meta], np.float32)
    yield from _compare(store, f"{home}/meta", lambda a, b: values[a:b], "meta.txt", on_block)
    for track, signal in zip(info.tracks, sheets.tracks, strict=True):
        location = f"{'genome' if track.shared else home}/tracks/{track.name}"
        yield from _track(store, location, signal.path, options, on_block)
    for row in sheets.chip:
        yield from _peaks(store, sheets.name, row, options[0])
    if sheets.chip:
        yield from _labels(store, sheets.name, sheets.chip, options[0], on_block)


def _track(
    store: Store, location: str, file: Path, options: tuple[dict[str, str], bool], on_block: OnBlock
) -> Iterator[Finding]:
    source = open_bigwig(file, store.coordinates, options[0], allow_missing=options[1])
    for chrom in store.coordinates.names:
        record = source.names.get(chrom)

        def signal(start: int, stop: int, record: str | None = record) -> NDArray[Any]:
            return read_by_pybigwig(file, record, start, stop) if record else np.zeros(stop - start, np.float32)

        found = list(_compare(store, f"{location}/{chrom}", signal, str(file), on_block))
        if found:
            yield found[0]
            return  # the first place of a track is enough


def _sequence(store: Store, file: Path, on_block: OnBlock) -> Iterator[Finding]:
    first = next((line for _, line in text_lines(file)), "") if file.is_file() else ""
    if not first.startswith(">"):
        raise UsageError(
            f"{file}: cannot be compared with the store; give cell-line folders, the FASTA, or bigWigs of shared "
            f"tracks by the names they had ({', '.join(i['name'] for i in store.info.provenance.get('inputs', []))})"
        )
    aliases, _ = _options(store.info.provenance)
    with tempfile.TemporaryDirectory() as work:
        fasta = prepare_fasta(file, Path(work))
        records = file_names(store.coordinates.names, fasta.lengths, aliases, file=file)
        with closing(FastaReader(fasta)) as reader:
            for chrom, length in zip(store.coordinates.names, store.coordinates.lengths, strict=True):
                location, record = f"genome/sequence/{chrom}", records.get(chrom)
                if record is None or fasta.lengths[record] != length:
                    has = f"{fasta.lengths[record]} bases" if record else "no such record"
                    yield _differs(location, f"has {length} bases, {file} has {has}")
                    continue

                def codes(start: int, stop: int, record: str = record) -> NDArray[Any]:
                    return reader.codes(record, start, stop)

                yield from _compare(store, location, codes, str(file), on_block)


def _peaks(store: Store, cell: str, row: ChipFiles, aliases: dict[str, str]) -> Iterator[Finding]:
    which: PeakSet
    for which, file in (("conservative", row.conservative), ("relaxed", row.relaxed)):
        location = f"cells/{cell}/peaks/{row.factor}/{which}"
        if file is None:
            continue
        theirs = read_peaks(file, store.coordinates, aliases).peaks
        try:
            mine = store.peaks(cell, row.factor, which)
        except StoreError as e:
            yield _differs(location, str(e))
            continue
        for column in ("chrom", "start", "stop", "summit"):
            a, b = getattr(mine, column), getattr(theirs, column)
            if a.size != b.size:
                yield _differs(location, f"has {a.size} peaks, {file} has {b.size}")
                break
            if (wrong := np.flatnonzero(a != b)).size:
                i = int(wrong[0])
                yield _differs(f"{location}/{column}", f"peak {i} (sorted) has {a[i]}, {file} has {b[i]}")


def _labels(
    store: Store, cell: str, rows: Sequence[ChipFiles], aliases: dict[str, str], on_block: OnBlock
) -> Iterator[Finding]:
    pairs = []
    for row in rows:
        conservative = read_peaks(row.conservative, store.coordinates, aliases).peaks
        pairs.append(
            (conservative, read_peaks(row.relaxed, store.coordinates, aliases).peaks if row.relaxed else conservative)
        )
    for i, chrom in enumerate(store.coordinates.names):
        here = [[(p.start[p.chrom == i], p.stop[p.chrom == i]) for p in pair] for pair in pairs]

        def labels(start: int, stop: int, here: list[Any] = here) -> NDArray[Any]:
            return np.stack([bin_labels(c, r, first=start, count=stop - start) for c, r in here], axis=1)

        yield from _compare(store, f"cells/{cell}/labels/{chrom}", labels, "its peaks", on_block)


def _compare(store: Store, path: str, expected: Block, source: str, on_block: OnBlock) -> Iterator[Finding]:
    """The first row at which an array differs from what is expected; bits are compared."""
    try:
        array: StoredArray = store.array(path)
        for start in range(0, array.shape[0], _BLOCK):
            stop = min(start + _BLOCK, array.shape[0])
            mine, theirs = read_span(array, start, stop), np.ascontiguousarray(expected(start, stop))
            if mine.tobytes() != theirs.astype(mine.dtype, copy=False).tobytes():
                location = tuple(np.argwhere(mine != theirs)[0].tolist())
                row = start + location[0]
                yield _differs(
                    path, f"position {row} (row, from 0) is {mine[location]}, by {source} it is {theirs[location]}"
                )
                return
            on_block(stop - start)
    except StoreError as e:
        yield Finding(path, "damaged", str(e), "see factornet-etl verify without --against-sources")


def _differs(path: str, problem: str) -> Finding:
    return Finding(path, "differs", problem, "build this part anew from these sources (factornet-etl build --force)")
