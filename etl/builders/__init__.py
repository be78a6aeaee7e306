"""Build a genome, a cell line, or a raw store from a compressed one.

May import `etl.verify` and what lies below it.
"""

from .cell_line import CellOptions, build_cell, unchanged
from .genome import GenomeInputs, GenomeOptions, build_genome
from .report import BuildReport
from .unpack import unpack_store
from .up_to_date import is_built

__all__ = [
    "BuildReport",
    "CellOptions",
    "GenomeInputs",
    "GenomeOptions",
    "build_cell",
    "build_genome",
    "is_built",
    "unchanged",
    "unpack_store",
]
