"""Write a bigWig of any version and byte order, as UCSC's programs of that time did; shares no code with the reader."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MAGIC, _TREE_MAGIC, _INDEX_MAGIC = 0x888FFC26, 0x78CA8C91, 0x2468ACE0


@dataclass
class Section:
    """Items of one kind on one chromosome: (start, stop, value) each.

    Kind 1 is bedGraph, 2 variableStep, 3 fixedStep.
    """

    chrom: str
    kind: int
    items: Sequence[tuple[int, int, float]]

    def pack(self, order: str, number: int) -> bytes:
        starts = [item[0] for item in self.items]
        span = self.items[0][1] - self.items[0][0]
        step = starts[1] - starts[0] if len(starts) > 1 else span
        head = (number, starts[0], self.items[-1][1], step * (self.kind == 3), span * (self.kind > 1))
        packed = struct.pack(f"{order}IIIIIBBH", *head, self.kind, 0, len(self.items))
        for start, stop, value in self.items:
            packed += {1: struct.pack(f"{order}II", start, stop), 2: struct.pack(f"{order}I", start), 3: b""}[self.kind]
            packed += struct.pack(f"{order}f", value)
        return packed


@dataclass
class Writer:
    """Settings of a file.

    Attributes:
        version: 1 to 4; 1 has neither summary nor compression, 2 no compression, and only 4 an end mark.
        order: ``<`` or ``>``.
        compressed: whether blocks are compressed, from version 3 on.
        n_zooms: number of zoom levels.
        sections_per_block: more than any known writer puts into a block, 1.
        per_node: children of a node of the index.
    """

    version: int = 4
    order: str = "<"
    compressed: bool = True
    n_zooms: int = 1
    sections_per_block: int = 1
    per_node: int = 256
    _file: bytearray = field(default_factory=bytearray)

    def write(self, path: Path, lengths: dict[str, int], sections: Sequence[Section]) -> None:
        """Write the sections, which are in order of the chromosomes and of their items."""
        self._file = bytearray(64 + 24 * self.n_zooms)
        numbers = {name: i for i, name in enumerate(sorted(lengths))}
        summary = len(self._file) if self.version > 1 else 0
        if summary:
            self._file += self._pack("Qdddd", sum(len(s.items) for s in sections), 0, 9, 9, 9)
        tree = self._add(self._tree(lengths, numbers))
        data = self._add(self._pack("Q", len(sections)))
        n = self.sections_per_block
        blocks = [self._block(sections[i : i + n], numbers) for i in range(0, len(sections), n)]
        index = self._index(blocks)
        for level in range(self.n_zooms):
            zoom_data, zoom_index = self._zoom(sections, numbers)
            self._file[64 + 24 * level : 88 + 24 * level] = self._pack("IIQQ", 4**level * 100, 0, zoom_data, zoom_index)
        buffer = 1 << 16 if self._packs else 0
        head = (_MAGIC, self.version, self.n_zooms, tree, data, index, 0, 0, 0, summary, buffer, 0)
        self._file[:64] = self._pack("IHHQQQHHQQIQ", *head)
        if self.version > 3:
            self._file += self._pack("I", _MAGIC)
        path.write_bytes(self._file)

    @property
    def _packs(self) -> bool:
        return self.compressed and self.version > 2

    def _pack(self, layout: str, *values: float) -> bytes:
        return struct.pack(self.order + layout, *values)

    def _add(self, data: bytes) -> int:
        self._file += data
        return len(self._file) - len(data)

    def _tree(self, lengths: dict[str, int], numbers: dict[str, int]) -> bytes:
        size = max(map(len, lengths))
        head = self._pack("IIIIQQ", _TREE_MAGIC, len(lengths), size, 8, len(lengths), 0)
        rows = [name.encode().ljust(size, b"\0") + self._pack("II", i, lengths[name]) for name, i in numbers.items()]
        return head + self._pack("BBH", 1, 0, len(rows)) + b"".join(rows)

    def _block(self, sections: Sequence[Section], numbers: dict[str, int]) -> tuple[int, ...]:
        packed = b"".join(s.pack(self.order, numbers[s.chrom]) for s in sections)
        packed = zlib.compress(packed) if self._packs else packed
        first, last = sections[0], sections[-1]
        bounds = (numbers[first.chrom], first.items[0][0], numbers[last.chrom], last.items[-1][1])
        return *bounds, self._add(packed), len(packed)

    def _zoom(self, sections: Sequence[Section], numbers: dict[str, int]) -> tuple[int, int]:
        data, blocks = self._add(self._pack("I", len(sections))), []
        for s in sections:
            bounds = (numbers[s.chrom], s.items[0][0], s.items[-1][1])
            packed = self._pack("IIIIffff", *bounds, sum(b - a for a, b, _ in s.items), 0, 9, 9, 9)
            packed = zlib.compress(packed) if self._packs else packed
            blocks.append((bounds[0], bounds[1], bounds[0], bounds[2], self._add(packed), len(packed)))
        return data, self._index(blocks)

    def _index(self, blocks: Sequence[tuple[int, ...]]) -> int:
        """Add an index of one or two levels; leaves are filled up with zeros, as UCSC's are."""
        n = self.per_node
        leaves = [blocks[i : i + n] for i in range(0, len(blocks), n)]
        bounds = [(*leaf[0][:2], *max(block[2:4] for block in leaf)) for leaf in leaves]
        whole = (*bounds[0][:2], *max(b[2:] for b in bounds))
        index = self._add(self._pack("IIQIIIIQII", _INDEX_MAGIC, n, len(blocks), *whole, len(self._file), 1, 0))
        if len(leaves) > 1:
            first = index + 48 + 4 + 24 * len(leaves)
            self._add(self._pack("BBH", 0, 0, len(leaves)))
            for i, b in enumerate(bounds):
                self._add(self._pack("IIIIQ", *b, first + i * (4 + 32 * n)))
        for leaf in leaves:
            self._add(self._pack("BBH", 1, 0, len(leaf)))
            for block in leaf:
                self._add(self._pack("IIIIQQ", *block))
            self._add(bytes(32 * (n - len(leaf))))
        return index
