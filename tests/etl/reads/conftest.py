"""Read files that the tests of this folder share."""

import numpy as np
import pytest
from support.read_signals import LENGTHS
from support.simulated_reads import simulate_bam


@pytest.fixture(scope="module")
def bam(tmp_path_factory):
    return simulate_bam(tmp_path_factory.mktemp("reads") / "r.bam", LENGTHS, 6_000, seed=1)


@pytest.fixture
def rows():
    rng = np.random.default_rng(4)
    chroms = rng.choice([*LENGTHS, "chrUn_1"], 3_000)
    starts = rng.integers(0, 2_000, 3_000)
    lengths = rng.integers(20, 400, 3_000)
    return [
        (c, a, a + n, f"BC#{b}-1", 1)
        for c, a, n, b in zip(chroms, starts, lengths, rng.integers(0, 9, 3_000), strict=True)
    ]
