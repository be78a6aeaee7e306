"""Real chr20 data: the recipe of docs/real.sh, whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.realdata
@pytest.mark.slow
def test_real_recipe_reaches_half(realdata, tmp_path):
    environment = {**os.environ, "FACTORNET_REALDATA": str(realdata)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", str(ROOT / "docs/real.sh"), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("skipped"):
        pytest.skip(done.stdout.strip())
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]["model"]
    assert scores["average_precision"] >= 0.5
    assert 0.004 < scores["prevalence"] < 0.006
