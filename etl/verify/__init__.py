"""Compare a store with its digests, its schema and its source files; name a remedy for each fault.

May import `etl.shards` and what lies below it.
"""

from .findings import Finding
from .objects import VerifyReport, verify_store
from .remedies import LISTED_WITHOUT_FOLDER, lost_cell_line_remedy
from .sources import compare_with_sources

__all__ = [
    "LISTED_WITHOUT_FOLDER",
    "Finding",
    "VerifyReport",
    "compare_with_sources",
    "lost_cell_line_remedy",
    "verify_store",
]
