"""Build a group in a staging folder and publish it in one step: locks, manifests, disk space, removal.

May import `factornet.store`.
"""

from .cell_index_writer import write_cell_index
from .disk_space import check_disk_space, check_writable
from .manifest_writer import genome_attributes, manifest_attributes, values_digest, write_group, write_manifest
from .remove import remove_cells
from .transaction import InterruptedBuildError, Version, check_not_replaced, publish, staging, version_at

__all__ = [
    "InterruptedBuildError",
    "Version",
    "check_disk_space",
    "check_not_replaced",
    "check_writable",
    "genome_attributes",
    "manifest_attributes",
    "publish",
    "remove_cells",
    "staging",
    "values_digest",
    "version_at",
    "write_cell_index",
    "write_group",
    "write_manifest",
]
