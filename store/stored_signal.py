"""How the signal of a store is kept, and how many bytes it takes: from its manifests, without reading it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .format.value_tables.coded_array import CODES
from .reader import Store


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
