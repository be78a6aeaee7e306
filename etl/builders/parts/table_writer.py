"""Write the small tables of a store (peaks, blacklist, meta) from xarray datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from ....store.files.atomic_write import naming_file
from ....store.format.tables import Peaks
from ...inputs.chip_peaks import FactorPeaks


def write_dataset(dataset: xr.Dataset, store: Path, group: str) -> None:
    """Write a dataset into a group of a store, each variable as one checksummed chunk."""
    encoding = {
        str(name): {
            "chunks": tuple(max(1, n) for n in variable.shape),
            "compressors": (ZstdCodec(level=3, checksum=True),),
        }
        for name, variable in dataset.variables.items()
    }
    with naming_file(store / group if group else store):
        dataset.to_zarr(str(store), group=group, mode="a", zarr_format=3, consolidated=False, encoding=encoding)


def peaks_dataset(peaks: Peaks) -> xr.Dataset:
    """Return peaks along the dimension ``peak``; ``chrom`` indexes the store's chromosomes."""
    return xr.Dataset(
        {
            "chrom": ("peak", peaks.chrom.astype(np.int16)),
            "start": ("peak", peaks.start.astype(np.int32)),
            "stop": ("peak", peaks.stop.astype(np.int32)),
            "summit": ("peak", peaks.summit.astype(np.int32)),
        }
    )


def intervals_dataset(chrom: NDArray[np.int64], start: NDArray[np.int64], stop: NDArray[np.int64]) -> xr.Dataset:
    """Return intervals along the dimension ``interval``; ``chrom`` indexes the store's chromosomes."""
    return xr.Dataset(
        {
            "chrom": ("interval", chrom.astype(np.int16)),
            "start": ("interval", start.astype(np.int32)),
            "stop": ("interval", stop.astype(np.int32)),
        }
    )


def write_tables(staged: Path, factors: Sequence[FactorPeaks], meta: Sequence[tuple[str, float]]) -> None:
    """Write the peaks of factors and the meta values of a cell line, in its group `staged`."""
    for factor in factors:
        write_dataset(peaks_dataset(factor.conservative.peaks), staged, f"peaks/{factor.name}/conservative")
        if factor.relaxed is not None:
            write_dataset(peaks_dataset(factor.relaxed.peaks), staged, f"peaks/{factor.name}/relaxed")
    values = np.array([value for _, value in meta], np.float32)
    write_dataset(xr.Dataset({"meta": ("feature", values)}), staged, "")
