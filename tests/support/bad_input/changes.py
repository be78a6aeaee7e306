"""Changes to input files: each function returns a change, which is called with the path of a clean file."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyBigWig
from support.bad_input.experiment import write_bigwig

Change = Callable[[Path], None]
Entries = dict[str, list[tuple[int, int, float]]]
Edit = Callable[[dict[str, int], Entries], None]


def edit(change: Callable[[bytes], bytes]) -> Change:
    """Apply a function to the bytes."""

    def apply(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return apply


def both(*changes: Change) -> Change:
    """Apply several changes, one after the other."""

    def apply(path: Path) -> None:
        for change in changes:
            change(path)

    return apply


def sibling(name: str, change: Change) -> Change:
    """Change another file of the same folder."""
    return lambda path: change(path.parent / name)


def write(content: str | bytes) -> Change:
    """Replace the content."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode()) and None


def swap(old: str | bytes, new: str | bytes, count: int = -1) -> Change:
    """Replace a string, which must occur."""
    a, b = (x if isinstance(x, bytes) else x.encode() for x in (old, new))

    def change(content: bytes) -> bytes:
        assert a in content
        return content.replace(a, b, count)

    return edit(change)


def line(number: int, text: str) -> Change:
    """Replace a line, numbered from 1."""

    def change(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[number - 1] = text.encode()
        return b"\n".join(lines)

    return edit(change)


def cut(size: float) -> Change:
    """Keep the first `size` bytes: a number, a share of all (below 1), or all but the last (negative)."""
    return edit(lambda b: b[: int(len(b) * size) if 0 < size < 1 else int(size)])


def packed(*, then: Callable[[bytes], bytes] = bytes) -> Change:
    """Gzip the file, then apply a function to the bytes."""
    return edit(lambda b: then(gzip.compress(b, mtime=0)))


def in_members(size: int) -> Change:
    """Gzip the file in two members, the first of `size` bytes, as bgzip and `cat a.gz b.gz` do."""
    return edit(lambda b: gzip.compress(b[:size], mtime=0) + gzip.compress(b[size:], mtime=0))


def bgzipped(*, without_end: bool = False, block: int = 999) -> Change:
    """Compress the file as bgzip does, in blocks of some bytes; without the empty one at the end."""
    return edit(lambda b: bgzip(b, block=block, without_end=without_end))


def bgzip(content: bytes, *, block: int, without_end: bool = False) -> bytes:
    """Return what `bgzipped` writes."""
    pieces = [content[i : i + block] for i in range(0, len(content), block)]
    return b"".join(_bgzip_block(piece) for piece in (pieces if without_end else [*pieces, b""]))


def _bgzip_block(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(content) + packer.flush()
    header = struct.pack("<4B4xBBHBBHH", 31, 139, 8, 4, 0, 255, 6, 66, 67, 2, len(packed) + 25)
    return header + packed + struct.pack("<II", zlib.crc32(content), len(content))


def flip(content: bytes, position: float) -> bytes:
    """Flip one bit, at a position given as a share of the length."""
    offset = int(len(content) * position)
    return content[:offset] + bytes([content[offset] ^ 16]) + content[offset + 1 :]


def flips(seed: int, count: int) -> Change:
    """Flip random bits between the header and the zoom levels of a bigWig, which are not read."""

    def change(content: bytes) -> bytes:
        rng, damaged = random.Random(seed), bytearray(content)
        (index,) = struct.unpack_from("<Q", content, 24)
        for _ in range(count):
            damaged[rng.randrange(struct.unpack_from("<Q", content, 16)[0], index)] ^= 1 << rng.randrange(8)
        return bytes(damaged)

    return edit(change)


def poke(layout: str, value: int, at: int, *, pointer: int | None = None) -> Change:
    """Write a number at byte `at`, counted from the offset stored at byte `pointer` where one is given."""

    def change(content: bytes) -> bytes:
        damaged = bytearray(content)
        base = 0 if pointer is None else struct.unpack_from("<Q", content, pointer)[0]
        struct.pack_into("<" + layout, damaged, base + at, value)
        return bytes(damaged)

    return edit(change)


def zeros(at: int, size: int, *, pointer: int) -> Change:
    """Write zeros, as for a lost disk block, at byte `at`, counted from the offset stored at byte `pointer`."""

    def change(content: bytes) -> bytes:
        start = struct.unpack_from("<Q", content, pointer)[0] + at
        return content[:start] + bytes(size) + content[start + size :]

    return edit(change)


def rewrite(change: Edit) -> Change:
    """Write a valid bigWig with other content: `change` modifies lengths and entries in place."""

    def apply(path: Path) -> None:
        with pyBigWig.open(str(path)) as file:
            lengths = dict(file.chroms())
            entries: Entries = {name: list(file.intervals(name) or ()) for name in lengths}
        lengths = {name: lengths[name] for name in entries}
        change(lengths, entries)
        path.unlink()
        write_bigwig(path, lengths, entries)

    return apply


def renamed(names: dict[str, str]) -> Change:
    """Rename chromosomes of a bigWig."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        for old, new in names.items():
            lengths[new], entries[new] = lengths.pop(old), entries.pop(old)

    return rewrite(change)


def value(number: float, size: int = 10) -> Change:
    """Set the value of the first `size` bases of the first entry on chr7 of a bigWig."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        start, stop, _ = entries["chr7"][0]
        assert stop - start >= size
        entries["chr7"][0] = (start, start + size, number)

    return rewrite(change)


def without(name: str, *, header: bool) -> Change:
    """Remove the values of a chromosome from a bigWig, and with `header` the chromosome too."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        entries[name] = []
        if header:
            del lengths[name], entries[name]

    return rewrite(change)


def longer(name: str, by: int) -> Change:
    """Change the length of a chromosome of a bigWig."""
    return rewrite(lambda lengths, entries: lengths.update({name: lengths[name] + by}))


def explicit_gaps(path: Path) -> None:
    """Write NaN as values in the gaps of a bigWig."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        for rows in entries.values():
            gaps = [(a[1], b[0], np.nan) for a, b in pairwise(rows) if a[1] < b[0]]
            rows[:] = sorted([*rows, *gaps])

    rewrite(change)(path)


def remove(path: Path) -> None:
    """Remove the file."""
    path.unlink()


def dangling(path: Path) -> None:
    """Replace the file by a broken symbolic link."""
    path.unlink()
    path.symlink_to(path.parent / "gone" / path.name)


def folder(path: Path) -> None:
    """Replace the file by a folder."""
    path.unlink()
    path.mkdir()


def stale_index(path: Path) -> None:
    """Write a newer index next to a FASTA, of one with the same records and longer header lines."""
    path.with_name(path.name + ".fai").write_text("chr7\t150000\t20\t60\t61\nchr21\t100000\t152541\t60\t61\n")


def shuffled(path: Path) -> None:
    """Shuffle the lines."""
    lines = path.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    path.write_bytes(b"".join(lines))


def copy_of(name: str) -> Change:
    """Copy the content of another file of the experiment."""
    return lambda path: path.write_bytes((path.parent / name).read_bytes()) and None


def as_spreadsheet(line: bytes) -> bytes:
    """Return a line of a BED file as spreadsheets write it: text in quotes, separators of thousands, decimals."""
    chrom, start, stop, *more = line.decode().split("\t")
    return "\t".join((f'"{chrom}"', f'"{int(start):,}"', f"{stop}.0", *more)).encode() + b"\r\n"


def moved(name: str) -> Change:
    """Move another file of the folder here."""
    return lambda path: path.with_name(name).rename(path) and None


BGZIP_CUT = r"cut short: the empty block in which bgzip files end is missing at byte \d+"
GZIP_CUT = r"gzip data is cut short or damaged"
