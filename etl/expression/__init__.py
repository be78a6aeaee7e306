"""Expression components of cell lines, from tables of TPMs.

    components     principal components over cell lines, and the projection of new ones on them
    loadings_file  write and read loadings, as one verifiable file
    meta_sheet     write components into the meta.txt of cell-line folders
    tpm_table      read tables of TPMs: genes in rows, samples in columns, replicates of a cell line averaged

May import `factornet.store`, `etl.inputs` and `etl.folders`.
"""

from .components import Loadings, Projection, fit_components, project
from .loadings_file import read_loadings, write_loadings
from .meta_sheet import write_components
from .tpm_table import TpmFile, TpmTable, read_samples, read_tpm_table

__all__ = [
    "Loadings",
    "Projection",
    "TpmFile",
    "TpmTable",
    "fit_components",
    "project",
    "read_loadings",
    "read_samples",
    "read_tpm_table",
    "write_components",
    "write_loadings",
]
