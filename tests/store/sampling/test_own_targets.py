"""All bins of regions, and their labels by intervals, against counting base by base."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.store import GenomeCoordinates, Region, UsageError, bins_in_regions, label_overlaps

COORDINATES = GenomeCoordinates(("a", "b"), (3000, 1000))
interval = st.tuples(st.integers(0, 1), st.integers(0, 990), st.integers(1, 600))


@given(st.lists(interval, max_size=12), st.integers(1, 200), st.integers(1, 70))
@settings(max_examples=60)
def test_labels_are_those_of_counted_bases(drawn, least, stride):
    regions = [Region("a", 0, 3000), Region("b", 100, 1000)]
    plan = bins_in_regions(regions, COORDINATES, ("x",), stride=stride)
    drawn = [(c, start, min(start + width, COORDINATES.lengths[c])) for c, start, width in drawn]
    given_ = np.array(drawn, np.int64).reshape(-1, 3).T
    found = label_overlaps(plan, COORDINATES, [{"x": given_}], least=least)
    marked = [np.zeros(n, bool) for n in COORDINATES.lengths]
    for chrom, start, stop in drawn:
        marked[chrom][start:stop] = True
    expected = [marked[c][s : s + 200].sum() >= least for c, s in zip(plan.chrom, plan.start, strict=True)]
    np.testing.assert_array_equal(found.label[:, 0], expected)


def test_bins_of_every_cell_line_lie_inside_the_regions():
    plan = bins_in_regions([Region("a", 30, 470), Region("b", 0, 260)], COORDINATES, ("x", "y"))
    assert plan.start.tolist() == [50, 100, 150, 200, 250, 0, 50] * 2
    assert plan.chrom.tolist() == [0, 0, 0, 0, 0, 1, 1] * 2
    assert plan.cell.tolist() == [0] * 7 + [1] * 7
    empty = np.zeros((3, 0), np.int64)
    one = np.array([[0], [0], [400]])
    labelled = label_overlaps(plan, COORDINATES, [{"x": one, "y": empty}, {"x": empty, "y": empty}])
    assert labelled.label.tolist() == [[1, 0]] * 5 + [[0, 0]] * 9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: bins_in_regions([Region("a", 0, 199)], COORDINATES, ("x",)), "no bin of 200 bases is inside the 1"),
        (lambda p: bins_in_regions([Region("a", 0, 900)], COORDINATES, ("x",), stride=0), "at least 1, got 0"),
        (lambda p: label_overlaps(p, COORDINATES, [{}]), "target 1 has no intervals of cell line x"),
        (lambda p: label_overlaps(p, COORDINATES, [], least=201), "1 to 200 bases, got 201"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    plan = bins_in_regions([Region("a", 0, 900)], COORDINATES, ("x",))
    with pytest.raises(UsageError, match=message):
        call(plan)
