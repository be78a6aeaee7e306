"""Compare a store with its digests, its schema and its source files; name a remedy for each fault.

    contents      compare the content of objects with their digests
    findings      the faults that `verify` reports
    objects       verify a store against its own manifests
    remedies      remedies of faults: shell commands that work as printed
    root          check the root of a store: its attributes, unexpected entries, and the list of cell lines
    schema_check  check that a group holds the arrays that its attributes describe, in the right shapes
    sources       compare every value of a store with its source files, which are read again block by block

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
