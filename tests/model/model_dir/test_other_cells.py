"""What rates to expect in a cell line that a calibration has not seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.model.model_dir.calibration import ScoreRates
from factornet.model.model_dir.other_cells import in_other_cells

RATES = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)


@given(RATES)
def test_the_interval_is_wider_than_that_of_the_validation_regions(rates):
    low, fdr, high = rates
    found = in_other_cells(ScoreRates(0.5, fdr, low, high, 0.5))
    assert 0 <= found.low <= found.fdr <= found.high <= 1
    assert found.high >= min(high, 0.999) - 1e-9


def test_a_rate_that_is_known_exactly_differs_by_what_cell_lines_differ():
    found = in_other_cells(ScoreRates(0.5, 0.3, 0.3, 0.3, 0.5))
    assert found.low < 0.25
    assert found.high > 0.4
    assert found.fdr == pytest.approx(0.3, abs=0.15)
