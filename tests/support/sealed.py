"""Change JSON files that carry their own digest, as somebody would who knows the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from factornet.store.files.sealed_json import BLANK_DIGEST, SELF_DIGEST, seal


def change_sealed(path: Path, **values: Any) -> None:
    """Change top-level values of a sealed file, and seal it again."""
    content = {**json.loads(path.read_text()), **values, SELF_DIGEST: BLANK_DIGEST}
    path.write_bytes(seal(json.dumps(content).encode()))
