"""What every window reader reads: tracks, meta values and annotation, and the value past the ends of a chromosome."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..reader import Store
from ..schema import FEATURES


@dataclass(frozen=True)
class ArrayKind:
    """A kind of array with one value per base.

    Attributes:
        name: of its group in a store.
        dtype: type of its values.
        pad_value: the value of bases before the first and after the last of a chromosome.
    """

    name: str
    dtype: np.dtype[Any]
    pad_value: int


SEQUENCE = ArrayKind("sequence", np.dtype(np.uint8), pad_value=4)
ANNOTATION = ArrayKind("annotation", np.dtype(np.uint8), pad_value=0)
SIGNAL = ArrayKind("tracks", np.dtype(np.float32), pad_value=0)


def genome_path(kind: ArrayKind, chrom: str) -> str:
    """Return the path of a chromosome's sequence or annotation in a store; of signal see `Store.track_path`."""
    return f"genome/{kind.name}/{chrom}"


@dataclass(frozen=True, eq=False)
class WindowInputs:
    """What a window of some cell lines consists of, next to its sequence.

    Attributes:
        tracks: names of the signal tracks, in order.
        meta: meta values of each cell line, float32 (cells, values); without columns where none are wanted.
        gencode: whether the features include the annotation of the bin.
    """

    tracks: tuple[str, ...]
    meta: NDArray[np.float32]
    gencode: bool

    @classmethod
    def of(
        cls,
        store: Store,
        cells: tuple[str, ...],
        *,
        meta: bool,
        gencode: bool,
        tracks: tuple[str, ...] | None = None,
    ) -> Self:
        """Return the inputs of windows of these cell lines.

        Args:
            store: an open store.
            cells: cell lines.
            meta: whether the features include the meta values.
            gencode: whether the features include the annotation.
            tracks: names of the tracks, in order; None means all, which must then be the same in all cell lines.

        Raises:
            UsageError: there is no cell line or an unknown one, one lacks a track of `tracks`, their tracks or meta
                values differ, or the store lacks meta values or annotation that are asked for.
        """
        if tracks is None:
            tracks = common_tracks(store, cells)
        else:
            check_has_tracks(store, cells, tracks)
        values = np.zeros((len(cells), 0), np.float32)
        if meta:
            common_meta(store, cells)
            values = np.stack([store.meta(cell) for cell in cells])
        if gencode:
            check_annotation(store)
        return cls(tracks, values, gencode)

    @property
    def annotation_columns(self) -> slice:
        """Columns of the features that hold the annotation; they follow the meta values."""
        n_meta = self.meta.shape[1]
        return slice(n_meta, n_meta + len(FEATURES) * self.gencode)

    def features(self, cell: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return features, float32 (n, features), with meta values filled in; the annotation is left undefined.

        Args:
            cell: row of `meta` of each window, (n,).
        """
        columns = self.annotation_columns
        features = np.empty((cell.size, columns.stop), np.float32)
        features[:, : columns.start] = self.meta[cell]
        return features


def common_tracks(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the track names of the cell lines, which must be the same in the same order.

    A track of the genome belongs to all of them if any lists it: those that do not have it at its place in the order of
    the first that lists all such tracks; at the end, where none lists all.

    Raises:
        UsageError: they differ; both lists are named.
    """
    listed = {cell: store.cell(cell).track_names for cell in cells}
    genome = _listed_of_genome(store, cells)
    whole = next((names for names in listed.values() if {*genome} <= {*names}), None)
    if whole is None and cells:
        whole = (*listed[cells[0]], *(name for name in genome if name not in listed[cells[0]]))
    completed = {
        cell: whole if whole is not None and _is_listed_in(names, whole, genome) else names
        for cell, names in listed.items()
    }
    if len(set(completed.values())) > 1:
        _common_names("tracks", listed)
    return _common_names("tracks", completed)


def _is_listed_in(names: tuple[str, ...], whole: tuple[str, ...], genome: Collection[str]) -> bool:
    """Return whether names are those of `whole`, in its order, but for some of the genome's."""
    return names == tuple(name for name in whole if name in names or name not in genome)


def _listed_of_genome(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the tracks of the genome that any of the cell lines lists."""
    tracks = [track for cell in cells for track in store.cell(cell).tracks]
    return tuple(dict.fromkeys(track.name for track in tracks if track.shared))


def shared_tracks(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the tracks that all the cell lines have, in the order of the first; may be empty.

    Tracks of the genome that any of them lists are among them.
    """
    genome = _listed_of_genome(store, cells)
    first, *others = (store.cell(cell).track_names for cell in cells)
    names = dict.fromkeys((*first, *genome))
    return tuple(name for name in names if name in genome or all(name in names for names in others))


def check_has_tracks(store: Store, cells: tuple[str, ...], tracks: tuple[str, ...]) -> None:
    """Check that each cell line has all of the tracks, or shares them, among others and in any order.

    Raises:
        UsageError: no cell line is given, or one lacks some; the message names them, and the tracks that it has.
    """
    _check_given(cells)
    for cell in cells:
        names = [track.name for track in store.tracks_of(cell)]
        if missing := [name for name in tracks if name not in names]:
            noun = "track" if len(missing) == 1 else "tracks"
            raise UsageError(
                f"cell line {cell} has no {noun} {', '.join(map(repr, missing))}; it has {', '.join(names) or 'none'}"
            )


def common_meta(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the cell lines' meta values, which must be the same in the same order.

    Raises:
        UsageError: they differ, or there are none.
    """
    names = _common_names("meta values", {cell: store.cell(cell).meta for cell in cells})
    if not names:
        raise UsageError(
            f"{store.location}: cell line {cells[0]} has no meta values, which the model needs; "
            "rebuild it from a folder with meta.txt"
        )
    return names


def check_annotation(store: Store) -> None:
    """Check that the store has gene annotation.

    Raises:
        UsageError: it has none.
    """
    if not store.has_annotation:
        raise UsageError(
            f"{store.location}: has no annotation, which the model needs; "
            "rebuild the genome: factornet-etl genome --gtf ... --cpg ..."
        )


def _check_given(cells: Collection[str]) -> None:
    if not cells:
        raise UsageError("no cell line is given; name at least one")


def _common_names(noun: str, names: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    _check_given(names)
    first, *others = names
    for other in others:
        if names[other] != names[first]:
            raise UsageError(
                f"cell lines must have the same {noun} in the same order: "
                f"{first} has {', '.join(names[first]) or 'none'}; {other} has {', '.join(names[other]) or 'none'}"
            )
    return names[first]


def annotation_flags(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the six booleans of each bin, uint8 (n, 6), from the annotation bits of its bases, uint8 (n, 200)."""
    any_base = np.bitwise_or.reduce(bits, axis=1)
    return np.unpackbits(any_base[:, None], axis=1, count=len(FEATURES), bitorder="little")
