"""Build a group in a staging folder and publish it in one step: locks, manifests, disk space, removal.

    cell_index_writer  keep the list of cell lines of a local store (`store.format.cell_index`), where it has one
    disk_space         check, before a build starts
    manifest_writer    write the manifest of a group: size and SHA-256 of each of its objects
    remove             remove cell lines from a store; processes that have one open can read it to the end
    store_name         check the name of a folder that a store is written to
    transaction        build a group in a staging folder, publish it in one step

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
