"""bedtools, through pybedtools, with temporary files that never stay behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pybedtools

from ..store.axis import GenomeAxis, Intervals
from ..store.errors import UsageError

Rows = Iterable[tuple[str, int, int]]


@contextmanager
def bedtools_session() -> Iterator[Path]:
    """A folder for bedtools' temporary files, removed at the end.

    Raises:
        UsageError: bedtools is not installed.
    """
    if shutil.which("bedtools") is None:
        raise UsageError(
            "the program bedtools is not installed; `apt-get install bedtools`, or `conda install -c bioconda bedtools`"
        )
    before = pybedtools.get_tempdir()
    with tempfile.TemporaryDirectory(prefix="factornet-bedtools-") as folder:
        pybedtools.set_tempdir(folder)
        try:
            yield Path(folder)
        finally:
            pybedtools.cleanup(remove_all=False)
            pybedtools.set_tempdir(before)


def merged_on_axis(table: pd.DataFrame, axis: GenomeAxis) -> Intervals:
    """Sorted union of intervals, by bedtools, in axis coordinates.

    Args:
        table: columns chrom, start, stop; chromosomes must be the axis's.
        axis: the genome.
    """
    if table.empty:
        return Intervals(np.array([], np.int64), np.array([], np.int64))
    with bedtools_session() as folder:
        source = folder / "rows.bed"
        table[["chrom", "start", "stop"]].to_csv(source, sep="\t", header=False, index=False)
        merged = pybedtools.BedTool(str(source)).sort().merge()
        frame = pd.read_csv(merged.fn, sep="\t", header=None, names=["chrom", "start", "stop"], dtype={"chrom": str})
    chrom = frame["chrom"].map({name: i for i, name in enumerate(axis.names)}).to_numpy(np.int64)
    starts, stops = (axis.place(chrom, frame[k].to_numpy(np.int64)) for k in ("start", "stop"))
    order = np.argsort(starts, kind="stable")
    return Intervals(starts[order], stops[order])
