"""The group ``cells``, ``cells/zarr.json``, and the index of cell lines in it, for servers that cannot list files.

It is an ordinary Zarr group with a self-digest, so that a store is a valid Zarr hierarchy as built. Export and import
add the digest of each cell line's manifest to its attributes. Builds write the group without an index: it never differs
from the cell lines that exist, wherever a build is killed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import StoreError, UsageError
from ..schema import check_name
from .manifest import NOT_FACTORNET, check_self_digest, with_self_digest
from .zarr_json import parse_zarr_json

CELL_INDEX = "cells/zarr.json"


def format_cell_index(digests: Mapping[str, str] | None) -> bytes:
    """Format the group, with the index unless `digests` is None.

    Args:
        digests: name of each cell line -> SHA-256 of its manifest.
    """
    attributes: dict[str, Any] = {} if digests is None else {"cells": dict(sorted(digests.items()))}
    return with_self_digest({"attributes": attributes, "zarr_format": 3, "node_type": "group"})


def parse_cell_index(text: bytes, *, location: str) -> dict[str, str] | None:
    """Parse the index: name of each cell line -> SHA-256 of its manifest; None if the group has no index.

    Raises:
        StoreError: it is damaged, or not an index.
    """
    try:
        attributes = parse_zarr_json(text, "group")["attributes"]
        check_self_digest(text, attributes, location=location)
        if "cells" not in attributes:
            return None
        return {check_name(str(name), "cell line"): str(digest) for name, digest in attributes["cells"].items()}
    except (json.JSONDecodeError, ValueError, KeyError, TypeError, AttributeError, UsageError) as e:
        raise StoreError(
            f"{location}/zarr.json",
            "not a list of cell lines, or damaged",
            hint=f"{NOT_FACTORNET}, or export the store again",
        ) from e
