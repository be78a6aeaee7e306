"""Copy groups between stores: export, import, merge, and builds into object storage.

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
