"""Build stores from source files, verify, unpack and copy them."""

from ..store.annotation_rules import README_RULES, AnnotationRules, published_rules
from .builders.cell_line import CellOptions, build_cell
from .builders.genome import GenomeInputs, GenomeOptions, build_genome
from .builders.report import BuildReport
from .builders.unpack import unpack_store
from .demo.write_files import DemoSummary, write_demo
from .download.fetch import DownloadedFile, download_files
from .download.registry import default_registry, read_registry, select_downloads
from .publish.remove import remove_cells
from .shards.executor import Resources
from .transfer.choose_destination import open_destination
from .transfer.copier import CopyReport, copy_groups
from .verify.findings import Finding
from .verify.objects import VerifyReport, verify_store
from .verify.sources import compare_with_sources

__all__ = [
    "README_RULES",
    "AnnotationRules",
    "BuildReport",
    "CellOptions",
    "CopyReport",
    "DemoSummary",
    "DownloadedFile",
    "Finding",
    "GenomeInputs",
    "GenomeOptions",
    "Resources",
    "VerifyReport",
    "build_cell",
    "build_genome",
    "compare_with_sources",
    "copy_groups",
    "default_registry",
    "download_files",
    "open_destination",
    "published_rules",
    "read_registry",
    "remove_cells",
    "select_downloads",
    "unpack_store",
    "verify_store",
    "write_demo",
]
