"""Principal components of expression over cell lines, and the projection of new cell lines on them.

Genes are centred over the cell lines of the table. They are not scaled to equal variance: the logarithm has levelled it
already, and scaling would give genes that are hardly expressed, whose differences are noise, the weight of all others.
A component is divided by its standard deviation over those cell lines, so that a network gets values of order 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from .tpm_table import TpmTable

Float = NDArray[np.float64]
_MIN_SHARE = 1e-9  # of the variance: less is rounding


@dataclass(frozen=True, eq=False)
class Loadings:
    """Components over cell lines: value k of a cell line is ``(log2(TPM + 1) - means) @ vectors[:, k] / sds[k]``.

    Attributes:
        genes: identifiers of the genes, those that do not vary left out.
        names: name of each gene; empty where unknown.
        means: mean over the cell lines, float64 (genes,).
        vectors: unit vectors, float64 (genes, components); of each the entry of largest size is positive.
        sds: standard deviation of each component over the cell lines, float64 (components,).
        explained: share of the variance that each component explains, float64 (components,).
        cells: cell lines that the components were computed over.
    """

    genes: tuple[str, ...]
    names: tuple[str, ...]
    means: Float
    vectors: Float
    sds: Float
    explained: Float
    cells: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Projection:
    """Components of cell lines.

    Attributes:
        cells: cell lines.
        values: float64 (cells, components).
        missing: number of genes of the loadings that the table lacks; they count as at their mean.
        missing_weight: largest share of a component's squared loadings that these genes have.
        unused: number of genes of the table that the loadings lack.
        by_name: whether genes were matched by their names, not by identifiers.
    """

    cells: tuple[str, ...]
    values: Float
    missing: int = 0
    missing_weight: float = 0.0
    unused: int = 0
    by_name: bool = False


def fit_components(table: TpmTable, count: int) -> Loadings:
    """Return the first principal components over the cell lines of a table.

    Raises:
        UsageError: the table has too few cell lines, or cell lines that are equal.
    """
    n_cells = len(table.cells)
    if not 0 < count < n_cells:
        raise UsageError(f"{count} components need at least {count + 1} cell lines; the table has {n_cells}")
    means = table.values.mean(axis=1)
    varies = np.ptp(table.values, axis=1) > 0
    if not varies.any():
        raise UsageError("no gene of the table varies between the cell lines")
    centred = (table.values[varies] - means[varies, np.newaxis]).T
    _, sizes, transposed = np.linalg.svd(centred, full_matrices=False)
    shares = sizes**2 / np.sum(sizes**2)
    if (rank := int(np.sum(shares > _MIN_SHARE))) < count:
        raise UsageError(f"the cell lines of the table differ in {rank} components only, {count} are asked for")
    vectors = transposed[:count].T
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(count)]
    kept = np.flatnonzero(varies)
    return Loadings(
        tuple(table.genes[i] for i in kept),
        tuple(table.names[i] for i in kept),
        means[varies],
        vectors * np.where(largest < 0, -1.0, 1.0),
        sizes[:count] / np.sqrt(n_cells),
        shares[:count],
        table.cells,
    )


def project(loadings: Loadings, table: TpmTable, *, max_missing: float = 0.1) -> Projection:
    """Return the components of the cell lines of a table, those of the loadings or new ones.

    Genes are matched by identifier, or by name where that finds more. Missing ones count as at their mean.

    Args:
        loadings: components.
        table: expression.
        max_missing: largest allowed share of a component's squared loadings that missing genes have.

    Raises:
        UsageError: the missing genes have more, or `max_missing` is no share.
    """
    if not 0 <= max_missing <= 1:
        raise UsageError(f"{max_missing} is no share; give a number from 0 to 1")
    rows, by_name = _match_genes(loadings, table)
    missing = rows < 0
    squared = loadings.vectors**2
    weight = float(np.max(squared[missing].sum(axis=0) / squared.sum(axis=0)))
    if weight > max_missing:
        raise UsageError(
            f"{int(missing.sum()):,} of {rows.size:,} genes of the loadings are missing in the table, with "
            f"{weight:.1%} of the weight of a component; at most {max_missing:.0%} may be; the loadings have "
            f"{', '.join(loadings.genes[:2])}, ..., the table has {', '.join(table.genes[:2])}, ..."
        )
    centred = np.where(missing[:, np.newaxis], 0.0, table.values[rows] - loadings.means[:, np.newaxis])
    values = centred.T @ loadings.vectors / loadings.sds
    used = np.unique(rows[~missing]).size
    return Projection(table.cells, values, int(missing.sum()), weight, len(table.genes) - used, by_name)


def _match_genes(loadings: Loadings, table: TpmTable) -> tuple[NDArray[np.int64], bool]:
    """Return the row of the table for each gene of the loadings, -1 where there is none; and whether names matched."""
    index = {gene: i for i, gene in enumerate(table.genes)}
    by_id = np.array([index.get(gene, -1) for gene in loadings.genes], np.int64)
    # A table by names for loadings by identifiers, or the other way round; names that are not unique match nothing.
    index = _unique(table.genes if not any(table.names) else table.names)
    own = loadings.names if any(loadings.names) else loadings.genes
    unique = _unique(own)
    by_name = np.array([index.get(n, -1) if n in unique else -1 for n in own], np.int64)
    if np.sum(by_name >= 0) > np.sum(by_id >= 0):
        return by_name, True
    return by_id, False


def _unique(names: tuple[str, ...]) -> dict[str, int]:
    """Map the names that occur once to their position."""
    found: dict[str, int] = {}
    repeated = set()
    for i, name in enumerate(names):
        if not name or name in found:
            repeated.add(name)
        found[name] = i
    return {name: i for name, i in found.items() if name not in repeated}
