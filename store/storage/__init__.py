"""Read the objects of a store from a directory, a zip archive, an HTTP server or an S3 bucket.

Also the cache of remote objects, and the swap of directories.

    atomic_swap     replace a directory by another in one step, and recover from replacements that were interrupted
    base            interface of group storage, and objects opened from it
    cache           cache of objects of remote stores on the local disk, by SHA-256
    http_server     stores on web servers, read by urllib3 with GET requests alone
    local           read the objects of a group from a directory on a local disk, which is held open
    remote          groups of a store on a server: objects are downloaded whole to the cache, verified by SHA-256
    retry           retries of requests to servers: errors worth another try, number and timing of tries
    s3_bucket       stores in S3-compatible object storage, by boto3
    transfer_limit  largest size and least rate of a transfer from a server
    zip_archive     stores in a zip file, read in place: its entries are stored without compression

May import `store.errors` and `store.files`.
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
from .local import LocalStorage
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
    "final_path",
    "has_no_reader",
    "is_object_name",
    "lock_file",
    "old_versions_dir",
    "recover_interrupted_swaps",
    "restore_swapped",
    "staging_dir",
    "stat_entry",
    "swap_dirs",
]
