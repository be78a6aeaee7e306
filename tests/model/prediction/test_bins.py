"""Bins of regions, and the parts that regions are scored in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factornet.model.prediction.bins import first_and_count, pieces_of_region, split_region
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.genome.regions import Region

LENGTH = 20_000
COORDINATES = GenomeCoordinates(("chr1",), (LENGTH,))


def starts_of(regions, stride, bins):
    pieces = [p.start for r in regions for p in pieces_of_region(r, COORDINATES, stride=stride, bins=bins)]
    return [piece.tolist() for piece in pieces]


@given(
    ends=st.lists(st.integers(0, LENGTH), min_size=2, max_size=2, unique=True).map(sorted),
    stride=st.integers(1, 700),
    bins=st.integers(1, 100),
)
def test_parts_of_a_region_have_its_pieces_one_each(ends, stride, bins):
    region = Region("chr1", *ends)
    parts = split_region(region, stride=stride, bins=bins)
    assert starts_of(parts, stride, bins) == starts_of([region], stride, bins)
    assert all(first_and_count(part, stride=stride)[1] <= bins for part in parts)
    assert all(region.start <= part.start < part.stop <= region.stop for part in parts)
    assert len(parts) == max(1, -(-first_and_count(region, stride=stride)[1] // bins))
    assert np.all(np.diff([part.start for part in parts]) > 0)
