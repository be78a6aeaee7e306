"""From source files to a store: check every input, write whole shards with dask, publish by one rename."""

from .annotation import README_RULES, AnnotationRules, published_rules
from .cell import CellOptions, build_cell
from .demo_files import DemoSummary, write_demo
from .genome import BuildReport, GenomeInputs, GenomeOptions, build_genome
from .graph import Resources

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
