"""The index of cell lines, ``cells/zarr.json``, for servers that cannot list files.

It is an ordinary Zarr group whose attributes have the digest of each cell line's manifest, and a self-digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..errors import StoreError, UsageError
from ..schema import check_name
from .manifest import NOT_FACTORNET, check_self_digest, with_self_digest
from .zarr_json import parse_zarr_json

CELL_INDEX = "cells/zarr.json"


def format_cell_index(digests: Mapping[str, str]) -> bytes:
    """Format the index; `digests` maps the name of each cell line to the SHA-256 of its manifest."""
    attributes = {"cells": dict(sorted(digests.items()))}
    return with_self_digest({"attributes": attributes, "zarr_format": 3, "node_type": "group"})


def parse_cell_index(text: bytes, *, location: str) -> dict[str, str]:
    """Parse the index: name of each cell line -> SHA-256 of its manifest.

    Raises:
        StoreError: it is damaged, or not an index.
    """
    try:
        attributes = parse_zarr_json(text, "group")["attributes"]
        check_self_digest(text, attributes, location=location)
        return {check_name(str(name), "cell line"): str(digest) for name, digest in attributes["cells"].items()}
    except (json.JSONDecodeError, ValueError, KeyError, TypeError, AttributeError, UsageError) as e:
        raise StoreError(
            f"{location}/zarr.json",
            "not a list of cell lines, or damaged",
            hint=f"{NOT_FACTORNET}, or export the store again",
        ) from e
