"""Open a store and read from it; nothing here writes.

Every read is checked: a chunk that is missing or altered raises `StoreError`, it is never taken for zeros.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from .axis import GenomeAxis, Intervals, merge
from .errors import StoreError, UsageError
from .layout import MISSING_CODE
from .schema import CellInfo, PeakSet, StoreInfo

CODEC_PIPELINE = "zarrs.ZarrsCodecPipeline"
"""The codec pipeline to open arrays with: three to five times as fast as zarr-python's own (docs/decisions.md)."""
_IMPORTED_IN = os.getpid()


def refuse_forked() -> None:
    """Raise where this process was forked from one that had imported this module.

    The threads behind zarr and its codecs do not survive a fork: reading would hang, now and then.

    Raises:
        StoreError: with the cure.
    """
    if os.getpid() != _IMPORTED_IN:
        raise StoreError(
            "a store cannot be read in a forked process; start workers by spawn or forkserver, as "
            'DataLoader(..., multiprocessing_context="spawn"). A stream reads with threads of its own, without workers'
        )


@dataclass(frozen=True)
class Peaks:
    """Peaks of one factor in one cell line, sorted by chromosome and start.

    `chrom` is an index into the store's chromosomes, `start` and `stop` are bases, `summit` is a position on the
    chromosome or -1 where the file gave none; all of shape (peaks,).
    """

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    summit: NDArray[np.int64]

    def on(self, axis: GenomeAxis) -> Intervals:
        """The peaks in axis coordinates, in their own order, not merged."""
        return Intervals(axis.place(self.chrom, self.start), axis.place(self.chrom, self.stop))


@dataclass(frozen=True)
class Store:
    """An open store. Cheap to pickle: arrays are opened again, on first use, in each process."""

    path: str
    info: StoreInfo
    _opened: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Store, (self.path, self.info))

    @cached_property
    def axis(self) -> GenomeAxis:
        """The chromosomes as one coordinate axis."""
        return self.info.axis

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cell lines, sorted."""
        folder = Path(self.path) / "cells"
        if not folder.is_dir():
            return ()
        return tuple(sorted(p.name for p in folder.iterdir() if (p / "zarr.json").is_file()))

    def cell(self, name: str) -> CellInfo:
        """What the store says about a cell line.

        Raises:
            UsageError: no such cell line; the message lists those there are.
        """
        if f"cells/{name}" not in self._opened and name not in self.cells:
            has = ", ".join(self.cells) or "none yet (add one with `factornet-etl build`)"
            raise UsageError(f"{self.path}: no cell line {name!r} in the store; it has {has}")
        if f"cells/{name}" not in self._opened:
            place = f"{self.path}/cells/{name}"
            self._opened[f"cells/{name}"] = CellInfo.from_attributes(dict(_open_group(place).attrs), place=place)
        info: CellInfo = self._opened[f"cells/{name}"]
        return info

    def sequence(self, chrom: str) -> zarr.Array[Any]:
        """Base codes of a chromosome, uint8 (length,)."""
        return self.array(f"genome/sequence/{chrom}")

    def annotation(self, chrom: str) -> zarr.Array[Any]:
        """Annotation bits of a chromosome, uint8 (length,)."""
        return self.array(f"genome/annotation/{chrom}")

    @cached_property
    def has_annotation(self) -> bool:
        """Whether the store was made with gene annotation."""
        return bool(_open_group(f"{self.path}/genome").attrs.get("annotation"))

    def labels(self, cell: str, chrom: str) -> zarr.Array[Any]:
        """Labels of a chromosome's bins, uint8 (bins, factors)."""
        return self.array(f"cells/{cell}/labels/{chrom}")

    def track(self, cell: str, name: str, chrom: str) -> zarr.Array[Any]:
        """Signal of one track of a cell line on a chromosome, float32 (length,)."""
        for track in self.cell(cell).tracks:
            if track.name == name:
                home = "genome" if track.shared else f"cells/{cell}"
                return self.array(f"{home}/tracks/{name}/{chrom}")
        raise UsageError(f"cell line {cell} has no track {name!r}; it has {', '.join(self.cell(cell).track_names)}")

    def meta(self, cell: str) -> NDArray[np.float32]:
        """Cell-line features (gene-expression components), float32 (features,)."""
        return np.asarray(self.array(f"cells/{cell}/meta")[:], np.float32)

    def blacklist(self) -> Intervals:
        """Blacklisted intervals in axis coordinates, merged; empty when the store has none."""
        chrom, start, stop = (self._column("genome/blacklist", k) for k in ("chrom", "start", "stop"))
        return merge(Intervals(self.axis.place(chrom, start), self.axis.place(chrom, stop)))

    def peaks(self, cell: str, factor: str, which: PeakSet) -> Peaks:
        """Peaks of a factor. Where there is no relaxed set, the conservative one stands in for it."""
        info = self.cell(cell)
        found = info.factors[info.factor_index(factor)]
        which = which if found.relaxed else "conservative"
        group = f"cells/{cell}/peaks/{factor}/{which}"
        return Peaks(*(self._column(group, k) for k in ("chrom", "start", "stop", "summit")))

    def _column(self, group: str, name: str) -> NDArray[np.int64]:
        return np.asarray(self.array(f"{group}/{name}")[:], np.int64)

    def array(self, path: str) -> zarr.Array[Any]:
        """Any array of the store, opened once a process.

        Raises:
            StoreError: there is none at `path`.
        """
        refuse_forked()
        if path not in self._opened:
            try:
                with zarr.config.set({"codec_pipeline.path": CODEC_PIPELINE}):
                    self._opened[path] = zarr.open_array(self.path, path=path, mode="r", zarr_format=3)
            except (FileNotFoundError, zarr.errors.ContainsGroupError, ValueError, KeyError) as e:
                raise StoreError(f"{self.path}/{path}: no such array, or its zarr.json is damaged ({e})") from e
        array: zarr.Array[Any] = self._opened[path]
        return array


def _open_group(place: str) -> zarr.Group:
    return zarr.open_group(place, mode="r", zarr_format=3, use_consolidated=False)


def open_store(path: str | Path) -> Store:
    """The store at `path`, for reading.

    Raises:
        StoreError: there is none, it is damaged, or of a schema version this one does not read.
    """
    place = str(Path(path).resolve())
    if not Path(place).is_dir():
        raise StoreError(f"{path}: no such store; make one with `factornet-etl genome {path} --fasta FILE`")
    try:
        attributes = dict(_open_group(place).attrs)
    except (FileNotFoundError, zarr.errors.ContainsArrayError, ValueError, KeyError) as e:
        raise StoreError(f"{path}: not a FactorNet store (no readable Zarr v3 group at its root: {e})") from e
    return Store(place, StoreInfo.from_attributes(attributes, place=str(path)))


def read_span(array: zarr.Array[Any], start: int, stop: int) -> NDArray[Any]:
    """Rows ``start:stop`` of an array, checked.

    Raises:
        StoreError: a chunk is missing or damaged, or the span lies outside the array; the message names array and
            rows.
    """
    place = f"{array.store_path}[{start}:{stop}]"
    if not 0 <= start <= stop <= array.shape[0]:
        raise StoreError(f"{place}: outside the array of {array.shape[0]} rows")
    try:
        values = np.asarray(array[start:stop])
    except Exception as e:
        raise StoreError(f"{place}: a chunk is damaged ({e}); copy or rebuild this part of the store") from e
    # One pass without a temporary array: 255 is the largest code there is, and a minimum with NaN in it is NaN.
    missing = values.size and (np.isnan(values.min()) if values.dtype.kind == "f" else values.max() == MISSING_CODE)
    if missing:
        raise StoreError(f"{place}: a chunk is missing; copy or rebuild this part of the store")
    return values
