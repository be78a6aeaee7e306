"""Ways to spoil a file: each makes a change, a function that is given the path of a clean one."""

from __future__ import annotations

import gzip
import random
import struct
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
    """Change the bytes."""

    def apply(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return apply


def both(*changes: Change) -> Change:
    """One after the other."""

    def apply(path: Path) -> None:
        for change in changes:
            change(path)

    return apply


def beside(name: str, change: Change) -> Change:
    """Change another file of the folder."""
    return lambda path: change(path.parent / name)


def write(content: str | bytes) -> Change:
    """Another content."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode()) and None


def swap(old: str | bytes, new: str | bytes, count: int = -1) -> Change:
    """One string for another, which must be there."""
    a, b = (x if isinstance(x, bytes) else x.encode() for x in (old, new))

    def change(content: bytes) -> bytes:
        assert a in content
        return content.replace(a, b, count)

    return edit(change)


def line(number: int, text: str) -> Change:
    """Another text in a line (from 1)."""

    def change(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[number - 1] = text.encode()
        return b"\n".join(lines)

    return edit(change)


def cut(size: float) -> Change:
    """Only the first bytes; less than 1: that share of them; negative: all but so many."""
    return edit(lambda b: b[: int(len(b) * size) if 0 < size < 1 else int(size)])


def packed(*, then: Callable[[bytes], bytes] = bytes) -> Change:
    """Gzipped, and then changed."""
    return edit(lambda b: then(gzip.compress(b, mtime=0)))


def in_members(size: int) -> Change:
    """Gzipped in two parts, the first of so many bytes, as bgzip and `cat a.gz b.gz` do."""
    return edit(lambda b: gzip.compress(b[:size], mtime=0) + gzip.compress(b[size:], mtime=0))


def flip(content: bytes, place: float) -> bytes:
    """One bit flipped, at that share of the length."""
    at = int(len(content) * place)
    return content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def flips(seed: int, count: int) -> Change:
    """Random bits flipped between the header and the zoom levels, which nothing here reads."""

    def change(content: bytes) -> bytes:
        rng, spoilt = random.Random(seed), bytearray(content)
        (index,) = struct.unpack_from("<Q", content, 24)
        for _ in range(count):
            spoilt[rng.randrange(struct.unpack_from("<Q", content, 16)[0], index)] ^= 1 << rng.randrange(8)
        return bytes(spoilt)

    return edit(change)


def poke(layout: str, value: int, at: int, *, pointer: int | None = None) -> Change:
    """A number written at a byte, or so many bytes after the place to which the one at `pointer` points."""

    def change(content: bytes) -> bytes:
        spoilt = bytearray(content)
        base = 0 if pointer is None else struct.unpack_from("<Q", content, pointer)[0]
        struct.pack_into("<" + layout, spoilt, base + at, value)
        return bytes(spoilt)

    return edit(change)


def zeros(at: int, size: int, *, pointer: int) -> Change:
    """Zeros, as a disk leaves where a block was lost; from `at` bytes after the place to which `pointer` points."""

    def change(content: bytes) -> bytes:
        start = struct.unpack_from("<Q", content, pointer)[0] + at
        return content[:start] + bytes(size) + content[start + size :]

    return edit(change)


def rewrite(change: Edit) -> Change:
    """A sound bigWig of other content: `change` is given lengths and entries, to alter."""

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
    """A bigWig with other names for its chromosomes."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        for old, new in names.items():
            lengths[new], entries[new] = lengths.pop(old), entries.pop(old)

    return rewrite(change)


def value(number: float, size: int = 10) -> Change:
    """A bigWig that has this value on the first bases of its first entry on chr7."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        start, stop, _ = entries["chr7"][0]
        assert stop - start >= size
        entries["chr7"][0] = (start, start + size, number)

    return rewrite(change)


def without(name: str, *, header: bool) -> Change:
    """A bigWig that lacks a chromosome, or has it without a value."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        entries[name] = []
        if header:
            del lengths[name], entries[name]

    return rewrite(change)


def longer(name: str, by: int) -> Change:
    """A bigWig in which a chromosome has another length."""
    return rewrite(lambda lengths, entries: lengths.update({name: lengths[name] + by}))


def explicit_gaps(path: Path) -> None:
    """NaN written as values where the file has nothing."""

    def change(lengths: dict[str, int], entries: Entries) -> None:
        for rows in entries.values():
            gaps = [(a[1], b[0], np.nan) for a, b in pairwise(rows) if a[1] < b[0]]
            rows[:] = sorted([*rows, *gaps])

    rewrite(change)(path)


def remove(path: Path) -> None:
    """The file is gone."""
    path.unlink()


def dangling(path: Path) -> None:
    """The file is a link to nowhere."""
    path.unlink()
    path.symlink_to(path.parent / "gone" / path.name)


def folder(path: Path) -> None:
    """A folder in its place."""
    path.unlink()
    path.mkdir()


def stale_index(path: Path) -> None:
    """An index beside it, newer than it, of a FASTA with the same records under longer headings."""
    path.with_name(path.name + ".fai").write_text("chr7\t150000\t20\t60\t61\nchr21\t100000\t152541\t60\t61\n")


def shuffled(path: Path) -> None:
    """Lines in another order."""
    lines = path.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    path.write_bytes(b"".join(lines))


def copy_of(name: str) -> Change:
    """The content of another file of the experiment."""
    return lambda path: path.write_bytes((path.parent / name).read_bytes()) and None
