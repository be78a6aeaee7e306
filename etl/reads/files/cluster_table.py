"""Read the table of clusters of cells: barcode and cluster, separated by tabs or commas."""

from __future__ import annotations

from pathlib import Path

from ....store.errors import InputError, UsageError
from ....store.files.limited_read import check_is_file
from ....store.schema import check_name
from ....store.text import format_foreign
from ...inputs.bed import text_lines

_COLUMNS = "two columns, barcode and cluster, separated by a tab or a comma"
_BARCODES = ("barcode", "barcodes", "cell", "cells", "cell_id", "cellid", "cell_barcode", "cb", "")
_CLUSTERS = (
    "cluster",
    "clusters",
    "group",
    "groups",
    "celltype",
    "cell_type",
    "annotation",
    "seurat_clusters",
    "leiden",
)


def read_clusters(path: Path) -> dict[str, str]:
    """Return the cluster of each barcode; clusters become cell lines, so their names are such as folders can have.

    A heading is passed over: a first line that calls its columns by usual names (barcode, cell; cluster, celltype).

    Raises:
        InputError: no such file, a line of other form, a barcode of two clusters, or a name that cannot be a cell line.
    """
    check_is_file(path)
    found: dict[str, str] = {}
    for number, line in text_lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip().strip('"') for field in line.split("\t" if "\t" in line else ",")]
        if len(fields) != 2:
            raise InputError(path, f"{len(fields)} columns", hint=f"give {_COLUMNS}", line=number)
        barcode, cluster = fields
        if not found and (barcode.lower() in _BARCODES or cluster.lower() in _CLUSTERS):
            continue
        try:
            check_name(cluster, "cluster")
        except UsageError as error:
            raise InputError(path, str(error), line=number) from error
        if found.setdefault(barcode, cluster) != cluster:
            problem = f"barcode {format_foreign(barcode, 60)!r} is of {found[barcode]} and of {cluster}"
            raise InputError(path, problem, hint="give one cluster for each barcode", line=number)
    if not found:
        raise InputError(path, "has no barcode", hint=f"give {_COLUMNS}")
    return found
