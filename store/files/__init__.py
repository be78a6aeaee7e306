"""Local files: digests, atomic replacement, locks, sealed JSON and TOML, and the outputs of commands.

    atomic_write  flush and replace files atomically
    bgzip         find bgzip files that were cut between two of their blocks
    digest        SHA-256 of bytes and files
    file_kinds    recognise files of other formats by their first bytes
    folder_name   name folders as they were given, links included
    handles       close file descriptors that were only read from
    limited_read  read files of unknown origin: of bounded size, and JSON
    locks         locks: shared and exclusive ones on open files and directories (flock)
    outputs       outputs of commands, files and folders: one writer at a time
    sealed_json   sealed JSON files: each holds its format, its version and the SHA-256 of its own text
    sealed_toml   sealed TOML files, which people read and edit

May import `store.errors` and `store.text`.
"""

from .atomic_write import fsync_path, named_write_errors, naming_file, replacing, write_atomic
from .digest import file_digest, sha256_of
from .folder_name import folder_name
from .limited_read import parse_json, read_limited
from .locks import LockFile, LockHeldError, lock
from .outputs import check_output_file, output_lock, remove_temporary_files, resolve_output, staged_folder
from .sealed_json import JsonFormat, NewerVersionError, read_sealed_json, write_sealed_json

__all__ = [
    "JsonFormat",
    "LockFile",
    "LockHeldError",
    "NewerVersionError",
    "check_output_file",
    "file_digest",
    "folder_name",
    "fsync_path",
    "lock",
    "named_write_errors",
    "naming_file",
    "output_lock",
    "parse_json",
    "read_limited",
    "read_sealed_json",
    "remove_temporary_files",
    "replacing",
    "resolve_output",
    "sha256_of",
    "staged_folder",
    "write_atomic",
    "write_sealed_json",
]
