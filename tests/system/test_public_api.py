"""What may be imported without what."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["factornet", "factornet.store", "factornet.etl"])
def test_import_does_not_load_torch(module):
    code = f"import sys, {module}; print(sorted(m for m in sys.modules if m.partition('.')[0] == 'torch'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_store_does_not_load_the_other_stages():
    code = "import sys, factornet.store; print(sorted(m for m in sys.modules if m.startswith('factornet.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not any(stage in done.stdout for stage in ("factornet.etl", "factornet.model", "factornet.cli"))
