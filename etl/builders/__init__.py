"""Build a genome, a cell line, or a raw store from a compressed one.

    cell_inputs        read and check the inputs of a cell line, for its build and for its plan
    cell_line          build one cell line, tracks, peaks, labels and meta values, as a group of its own
    cell_place         check that a store takes a cell line, and what is in its place
    cell_summary       summarise a finished cell line: figures for its attributes, notes for the user
    compare_cells      compare a cell line with others: files that were given twice, tracks and meta values that differ
    genome             build the genome of a store, which all cell lines share: sequence, annotation, blacklist
    genome_inputs      source files of a genome, and the options of its build
    parts/             what groups consist of: sequence, tracks, labels, tables, excluded regions
    planning/          say what a build will find, write and take, before it begins
    report             the report of a build: shards written, and notes for the user
    size_estimate      estimate the disk space that a build takes, before it starts
    unpack             unpack a compressed store into a raw one: the same arrays
    up_to_date         compare the recorded inputs and options of a cell line with those of its folder now

May import `etl.verify` and what lies below it.
"""

from .cell_inputs import CellOptions
from .cell_line import build_cell, unchanged
from .genome import build_genome
from .genome_inputs import GenomeInputs, GenomeOptions
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
