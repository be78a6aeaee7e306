"""Copy groups between stores: export, import, merge, and builds into object storage.

    choose_destination  choose the kind of destination from a path or URL
    copier              copy groups of one or several stores to a destination: what export, import and merge do
    destination         the interface of destinations, to which groups are copied
    existing            the store that exists at a destination, and the state of its groups
    group               snapshots of groups to be copied: every object with its size and digest
    object_writers      write the objects of one group: into a folder, or into a zip file
    path_destinations   destinations on a local file system: a folder, or a zip file
    remote_build        build into object storage: build in a local working folder, then copy the group
    s3_destination      destinations in object storage
    zip_writer          write a zip file of uncompressed objects that can be resumed after an interruption

May import `etl.publish` and what lies below it.
"""

from .choose_destination import open_destination
from .copier import CopyReport, copy_groups
from .remote_build import check_no_store, create_working_store, upload, working_store

__all__ = [
    "CopyReport",
    "check_no_store",
    "copy_groups",
    "create_working_store",
    "open_destination",
    "upload",
    "working_store",
]
