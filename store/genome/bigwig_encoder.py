"""Write a bigWig in Python: a write that fails is an OSError, where pyBigWig ignores it or crashes the process.

Layout: Kent et al. 2010, supplement (tables 5 to 19), version 4. As pyBigWig's files are, blocks are of up to 32 kB and
compressed, sections are of start, stop and value, and each zoom level has windows four times as long as the one before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .bigwig_format import INDEX_HEADER, INDEX_MAGIC, INNER, ITEM_DTYPES, LEAF, SECTION, SUMMARY
from .bigwig_header import HEADER, HEADER_SIZE, MAGIC, TREE_HEADER, TREE_MAGIC, ZOOM_HEADER
from .intervals import IntArray

_VERSION, _BLOCK_SIZE = 4, 32768
_ITEMS, _SUMMARIES = (_BLOCK_SIZE - struct.calcsize(f"<{SECTION}")) // 12, _BLOCK_SIZE // SUMMARY.itemsize
_NODE = 256  # rows of a node of a tree
_LARGEST = 1e15
_MAX_ZOOMS, _ZOOM_STEP = 10, 4
_TOTAL = "<Qdddd"  # bases with a value; lowest and highest value; sums of values and squares over bases
_ENTRY = np.dtype([("chrom", "<u4"), *((name, ITEM_DTYPES[1][name]) for name in ("start", "stop", "value"))])
_PRECISE = np.dtype([(name, "<f8" if name in ("sum", "squares") else SUMMARY[name]) for name in SUMMARY.names or ()])


class BigwigEncoder:
    """Writes a bigWig to a file that is empty and open for writing; `finish` completes it.

    Args:
        file: to write to.
        lengths: chromosome -> bases; numbers of chromosomes are in this order, from 0.
        window: bases of the first zoom level's windows; levels are made up to the longest chromosome.
        level: of zlib's compression, 1 (fast) to 9.

    Raises:
        ValueError: no chromosome, one without a name, or of more than 2^32 - 1 bases.
    """

    def __init__(self, file: BinaryIO, lengths: Mapping[str, int], *, window: int, level: int = 6) -> None:
        if not lengths or not all(name and 0 < length < 2**32 for name, length in lengths.items()):
            raise ValueError("a bigWig needs chromosomes, each with a name and 1 to 2^32 - 1 bases")
        self._file, self._window, self._level, longest = file, window, level, max(lengths.values())
        self._lengths = np.array(list(lengths.values()), np.int64)
        self._zooms = [z for z in (window * _ZOOM_STEP**i for i in range(_MAX_ZOOMS)) if z <= longest]
        self._pending = np.empty(0, _ENTRY)
        self._leaves: list[tuple[int, ...]] = []
        self._summaries: list[NDArray[np.void]] = []
        self._end = 0  # past the last base added, as chromosome << 32 | base
        self._total = HEADER_SIZE + len(self._zooms) * struct.calcsize(f"<{ZOOM_HEADER}")
        self._tree = self._total + struct.calcsize(_TOTAL)
        tree = _chromosome_list(lengths, self._tree)
        self._data = self._tree + len(tree)
        self._at = 0
        self._write(bytes(self._tree) + tree + bytes(8))  # what is zeros here is known at the end

    def add(self, chroms: IntArray, starts: IntArray, stops: IntArray, values: NDArray[np.float32]) -> None:
        """Append entries, (n,) each: number of the chromosome, bases ``start:stop``, value.

        Raises:
            ValueError: entries are empty, overlap, are not in order or reach past their chromosome's end; or a value is
                not finite, which crashes readers, or beyond 1e15, whose square summaries in float32 cannot hold.
            OSError: a write failed.
        """
        if not starts.size:
            return
        if not (np.abs(values) <= _LARGEST).all():
            raise ValueError(f"values of a bigWig must be finite and at most {_LARGEST:g}")
        if (starts < 0).any() or (stops > self._lengths[chroms]).any():
            raise ValueError("entries of a bigWig must lie inside their chromosomes")
        first, last = (chroms.astype(np.int64) << 32 | at for at in (starts, stops))
        if (starts >= stops).any() or (first < np.concatenate([[self._end], last[:-1]])).any():
            raise ValueError("entries of a bigWig must be sorted, disjoint and not empty")
        self._end = int(last[-1])
        entries = np.empty(starts.size, _ENTRY)
        for name, column in zip(("chrom", "start", "stop", "value"), (chroms, starts, stops, values), strict=True):
            entries[name] = column
        self._summaries.append(_merge(_split(entries, self._window), self._window))
        entries = np.concatenate([self._pending, entries])
        bounds = [0, *(np.flatnonzero(np.diff(entries["chrom"])) + 1).tolist(), entries.size]
        for begin, end in pairwise(bounds):
            for at in range(begin, end, _ITEMS):
                block = entries[at : min(at + _ITEMS, end)]
                if end == entries.size and block.size < _ITEMS:  # what is added next may be of this block
                    self._pending = block
                    return
                self._write_section(block)
        self._pending = entries[:0]

    def finish(self) -> None:
        """Write what is left, index, zoom levels and header; the file stays open.

        Raises:
            OSError: a write failed.
        """
        if self._pending.size:
            self._write_section(self._pending)
        index, zooms = self._at, list[tuple[int, int, int, int]]()
        self._write(_index(np.array(self._leaves, LEAF), index, items=_ITEMS))
        rows = np.concatenate([np.empty(0, _PRECISE), *self._summaries])
        self._summaries.clear()  # of a human genome's bins, 150 MB
        for zoom in self._zooms:
            rows = _merge(rows, zoom)
            zooms.append((zoom, 0, *self._write_zoom(rows)))
        self._write(struct.pack("<I", MAGIC))
        header = (MAGIC, _VERSION, len(zooms), self._tree, self._data, index, 0, 0, 0, self._total, _BLOCK_SIZE, 0)
        self._file.seek(0)
        self._file.write(struct.pack(f"<{HEADER}", *header))
        self._file.write(b"".join(struct.pack(f"<{ZOOM_HEADER}", *zoom) for zoom in zooms))
        extremes = (float(rows["low"].min()), float(rows["high"].max())) if rows.size else (0.0, 0.0)
        sums = (float(rows["sum"].sum()), float(rows["squares"].sum()))
        self._file.write(struct.pack(_TOTAL, int(rows["covered"].sum(dtype=np.int64)), *extremes, *sums))
        self._file.seek(self._data)
        self._file.write(struct.pack("<Q", len(self._leaves)))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)

    def _write_section(self, entries: NDArray[np.void]) -> None:
        """Write a data block: a section of one chromosome."""
        chrom, start, stop = (int(n) for n in (entries["chrom"][0], entries["start"][0], entries["stop"][-1]))
        head = struct.pack(f"<{SECTION}", chrom, start, stop, 0, 0, 1, 0, entries.size)
        items = np.empty(entries.size, ITEM_DTYPES[1])
        for name in items.dtype.names or ():
            items[name] = entries[name]
        data = zlib.compress(head + items.tobytes(), self._level)
        self._leaves.append((chrom, start, chrom, stop, self._at, len(data)))
        self._write(data)

    def _write_zoom(self, rows: NDArray[np.void]) -> tuple[int, int]:
        """Write a zoom level; return the offsets of its data and index."""
        offset, leaves = self._at, list[tuple[int, ...]]()
        self._write(struct.pack("<I", rows.size))
        for at in range(0, rows.size, _SUMMARIES):
            block = rows[at : at + _SUMMARIES].astype(SUMMARY)
            data = zlib.compress(block.tobytes(), self._level)
            bounds = (*block[["chrom", "start"]][0].tolist(), *block[["chrom", "stop"]][-1].tolist())
            leaves.append((*bounds, self._at, len(data)))
            self._write(data)
        index = self._at
        self._write(_index(np.array(leaves, LEAF), index, items=_SUMMARIES))
        return offset, index


def _split(entries: NDArray[np.void], window: int) -> NDArray[np.void]:
    """Return entries as summaries, those that touch several windows once for each."""
    start, stop = entries["start"].astype(np.int64), entries["stop"].astype(np.int64)
    first = start // window
    counts = (stop - 1) // window - first + 1
    row = np.repeat(np.arange(entries.size), counts)
    window_start = (np.arange(row.size) - (np.cumsum(counts) - counts - first)[row]) * window
    found, value = np.empty(row.size, _PRECISE), entries["value"][row]
    found["chrom"] = entries["chrom"][row]
    found["start"] = np.maximum(start[row], window_start)
    found["stop"] = np.minimum(stop[row], window_start + window)
    found["covered"] = found["stop"] - found["start"]
    found["low"] = found["high"] = value
    found["sum"] = value.astype(np.float64) * found["covered"]
    found["squares"] = found["sum"] * value
    return found


def _merge(rows: NDArray[np.void], window: int) -> NDArray[np.void]:
    """Return one summary for each window that summaries touch; none crosses a window's end."""
    if not rows.size:
        return rows
    place = rows["chrom"].astype(np.int64) << 32 | rows["start"] // window
    first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
    found = rows[first]
    found["stop"] = rows["stop"][np.append(first[1:], rows.size) - 1]
    for name in ("covered", "sum", "squares"):
        found[name] = np.add.reduceat(rows[name], first)
    found["low"], found["high"] = np.minimum.reduceat(rows["low"], first), np.maximum.reduceat(rows["high"], first)
    return found


def _index(leaves: NDArray[np.void], at: int, *, items: int) -> bytes:
    """Return the index of blocks that end at byte `at`, where it begins: an R tree."""
    bounds = (
        (*leaves[["chrom", "start"]][0].tolist(), *leaves[["last", "stop"]][-1].tolist()) if leaves.size else (0,) * 4
    )
    head = struct.pack(f"<{INDEX_HEADER}", INDEX_MAGIC, _NODE, leaves.size, *bounds, at, items, 0)

    def parents(rows: NDArray[np.void]) -> NDArray[np.void]:
        found, last = np.zeros(-(-rows.size // _NODE), INNER), np.append(rows[_NODE - 1 : -1 : _NODE], rows[-1:])
        found["chrom"], found["start"] = rows["chrom"][::_NODE], rows["start"][::_NODE]
        found["last"], found["stop"] = last["last"], last["stop"]
        return found

    return head + _nodes(leaves, parents, at + len(head))


def _chromosome_list(lengths: Mapping[str, int], at: int) -> bytes:
    """Return the list of chromosomes that begins at byte `at`: a B+ tree, sorted by name."""
    size = max(len(name.encode()) for name in lengths)
    rows = [(name.encode(), i, length) for i, (name, length) in enumerate(lengths.items())]
    leaves = np.array(sorted(rows), [("key", f"S{size}"), ("number", "<u4"), ("length", "<u4")])
    head = struct.pack(f"<{TREE_HEADER}", TREE_MAGIC, _NODE, size, 8, leaves.size, 0)

    def parents(rows: NDArray[np.void]) -> NDArray[np.void]:
        found = np.zeros(-(-rows.size // _NODE), [("key", f"S{size}"), ("offset", "<u8")])
        found["key"] = rows["key"][::_NODE]
        return found

    return head + _nodes(leaves, parents, at + len(head))


def _nodes(leaves: NDArray[np.void], parents: Any, at: int) -> bytes:
    """Return the nodes of a tree that begins at byte `at`, from the root to the leaves.

    Args:
        leaves: rows of the lowest level.
        parents: makes from the rows of a level those that stand for its nodes, without their `offset`.
        at: byte of the root.
    """
    levels = [leaves]
    while levels[-1].size > _NODE:
        levels.append(parents(levels[-1]))
    found: list[bytes] = []
    for depth in range(len(levels) - 1, -1, -1):
        rows, is_leaf = levels[depth], depth == 0
        n_nodes = max(1, -(-rows.size // _NODE))
        if not is_leaf:
            below = at + 4 * n_nodes + rows.nbytes  # of the next level's first node
            rows["offset"] = below + np.arange(rows.size) * (4 + _NODE * levels[depth - 1].itemsize)
            at = below
        for i in range(n_nodes):
            node = rows[i * _NODE : (i + 1) * _NODE]
            found += struct.pack("<BBH", is_leaf, 0, node.size), node.tobytes()
    return b"".join(found)
