"""How the signal of a store is kept and how many bytes it takes, from its manifests; and where it is 0 throughout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count, takewhile

import numpy as np

from .format.value_tables.coded_array import CODES
from .reader import Store
from .spans import read_span

_BLOCK = 1 << 20  # bases that are read at once


@dataclass(frozen=True)
class StoredSignal:
    """One track of a group.

    Attributes:
        track: its name.
        forms: ``float32``, ``uint8 codes`` or ``uint16 codes`` -> number of chromosomes that are kept so.
        bytes: size of all its objects.
    """

    track: str
    forms: dict[str, int]
    bytes: int

    def describe(self) -> str:
        """Return the forms as text: the only one, or each with its number of chromosomes in brackets."""
        if len(self.forms) == 1:
            return next(iter(self.forms))
        return ", ".join(f"{form} ({n})" for form, n in self.forms.items())


def stored_signal(store: Store, group: str) -> tuple[StoredSignal, ...]:
    """Return how each track of a group is kept, in the order of their names.

    Args:
        store: an open store.
        group: ``genome`` or ``cells/<cell>``.

    Raises:
        StoreError: the manifest is missing or damaged.
    """
    lengths = dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
    sizes: Counter[str] = Counter()
    code_sizes: Counter[tuple[str, str]] = Counter()
    forms: dict[str, Counter[str]] = {}
    for name, (size, _) in store.objects(group).items():
        kind, *parts = name.split("/")
        if kind != "tracks" or len(parts) < 3:
            continue
        track, chrom, *rest = parts
        sizes[track] += size
        if rest[:2] == [CODES, "c"]:
            code_sizes[track, chrom] += size
        elif rest == ["c", "0"]:
            forms.setdefault(track, Counter())["float32"] += 1
    for (track, chrom), size in code_sizes.items():
        form = "uint8 codes" if size <= lengths.get(chrom, 0) else "uint16 codes"
        forms.setdefault(track, Counter())[form] += 1
    return tuple(StoredSignal(track, dict(forms[track].most_common()), sizes[track]) for track in sorted(forms))


def chromosomes_of_zeros(store: Store, path: str, chroms: Iterable[str]) -> list[str]:
    """Return the chromosomes on which a track, or the annotation, is 0 throughout.

    Of a compressed store only those are read, up to the first other value, that take as few bytes as zeros may.

    Args:
        store: an open store.
        path: of the arrays, one a chromosome: ``genome/annotation``, or that of a track (`Store.track_path`) without
            the chromosome.
        chroms: names of the chromosomes to look at.

    Raises:
        StoreError: there is no such array, or it is damaged.
    """
    return [chrom for chrom in chroms if _is_zero(store, f"{path}/{chrom}")]


def _is_zero(store: Store, path: str) -> bool:
    array = store.array(path)
    length = array.shape[0]
    # Zeros take about 0.03 bytes a base, and at least 1.8 kB; signal of whole chromosomes half a byte or more.
    if not store.is_raw and _stored_bytes(store, path) > length / 8 + 8192:
        return False
    return not any(np.any(read_span(array, i, min(i + _BLOCK, length))) for i in range(0, length, _BLOCK))


def _stored_bytes(store: Store, path: str) -> int:
    """Return the size of the objects of an array, as the manifest lists them."""
    parts = path.split("/")
    group = "/".join(parts[: 1 if parts[0] == "genome" else 2])
    objects, name = store.objects(group), path.removeprefix(f"{group}/")
    return sum(objects[key][0] for key in takewhile(objects.__contains__, (f"{name}/c/{n}" for n in count())))
