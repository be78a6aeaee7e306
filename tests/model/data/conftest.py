"""Store and windows of the tests of `WindowDataset`."""

import pytest

from factornet.store import bins_in_regions, open_store, parse_region


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def plan(store):
    region = parse_region("chr21:100000-110000", store.coordinates)
    return bins_in_regions([region], store.coordinates, ("K562", "HepG2"))
