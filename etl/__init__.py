"""Build stores from source files, verify, unpack and copy them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..store.annotation_rules import README_RULES, AnnotationRules, published_rules
    from .builders.cell_inputs import CellOptions
    from .builders.cell_line import build_cell
    from .builders.genome import build_genome
    from .builders.genome_inputs import GenomeInputs, GenomeOptions
    from .builders.report import BuildReport
    from .builders.unpack import unpack_store
    from .demo.write_files import DemoSummary, write_demo
    from .download.fetch import DownloadedFile, download_files
    from .download.registry import default_registry, read_registry, select_downloads
    from .inputs.bed import read_intervals
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
    "read_intervals",
    "read_registry",
    "remove_cells",
    "select_downloads",
    "unpack_store",
    "verify_store",
    "write_demo",
]

_MODULES = {
    "AnnotationRules": "..store.annotation_rules",
    "BuildReport": ".builders.report",
    "CellOptions": ".builders.cell_inputs",
    "CopyReport": ".transfer.copier",
    "DemoSummary": ".demo.write_files",
    "DownloadedFile": ".download.fetch",
    "Finding": ".verify.findings",
    "GenomeInputs": ".builders.genome_inputs",
    "GenomeOptions": ".builders.genome_inputs",
    "README_RULES": "..store.annotation_rules",
    "Resources": ".shards.executor",
    "VerifyReport": ".verify.objects",
    "build_cell": ".builders.cell_line",
    "build_genome": ".builders.genome",
    "compare_with_sources": ".verify.sources",
    "copy_groups": ".transfer.copier",
    "default_registry": ".download.registry",
    "download_files": ".download.fetch",
    "open_destination": ".transfer.choose_destination",
    "published_rules": "..store.annotation_rules",
    "read_intervals": ".inputs.bed",
    "read_registry": ".download.registry",
    "remove_cells": ".publish.remove",
    "select_downloads": ".download.registry",
    "unpack_store": ".builders.unpack",
    "verify_store": ".verify.objects",
    "write_demo": ".demo.write_files",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: commands that only read a store need none of dask and pybedtools."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
