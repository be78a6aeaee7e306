"""From source files to a store: check every input, write whole shards with dask, publish by one rename."""

from .builders.cell_line import CellOptions, build_cell
from .builders.genome import GenomeInputs, GenomeOptions, build_genome
from .builders.report import BuildReport
from .demo.write_files import DemoSummary, write_demo
from .inputs.annotation import README_RULES, AnnotationRules, published_rules
from .shards.executor import Resources

__all__ = [
    "README_RULES",
    "AnnotationRules",
    "BuildReport",
    "CellOptions",
    "DemoSummary",
    "GenomeInputs",
    "GenomeOptions",
    "Resources",
    "build_cell",
    "build_genome",
    "published_rules",
    "write_demo",
]
