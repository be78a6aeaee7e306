"""Read the objects of a store from a directory, a zip archive, an HTTP server or an S3 bucket.

Also the cache of remote objects, locks and atomic replacement of local files.

May import `store.errors`.
"""

from .atomic_swap import (
    GENOME_DIR,
    SWAP,
    cell_line_staging_name,
    final_path,
    has_no_reader,
    lock_file,
    old_versions_dir,
    recover_interrupted_swaps,
    restore_swapped,
    staging_dir,
    swap_dirs,
)
from .base import Entry, GroupStorage, ObjectDigest, OpenObject, is_object_name, stat_entry
from .cache import DEFAULT_LIMIT, ObjectCache, default_cache
from .files import file_digest, fsync_path, replacing, sha256_of, write_atomic
from .local import LocalStorage
from .locks import LockFile, LockHeldError, lock
from .remote import ObjectServer, RemoteStorage
from .retry import RetryPolicy, TransientError
from .zip_archive import ZipArchive, ZipStorage

__all__ = [
    "DEFAULT_LIMIT",
    "GENOME_DIR",
    "SWAP",
    "Entry",
    "GroupStorage",
    "LocalStorage",
    "LockFile",
    "LockHeldError",
    "ObjectCache",
    "ObjectDigest",
    "ObjectServer",
    "OpenObject",
    "RemoteStorage",
    "RetryPolicy",
    "TransientError",
    "ZipArchive",
    "ZipStorage",
    "cell_line_staging_name",
    "default_cache",
    "file_digest",
    "final_path",
    "fsync_path",
    "has_no_reader",
    "is_object_name",
    "lock",
    "lock_file",
    "old_versions_dir",
    "recover_interrupted_swaps",
    "replacing",
    "restore_swapped",
    "sha256_of",
    "staging_dir",
    "stat_entry",
    "swap_dirs",
    "write_atomic",
]
