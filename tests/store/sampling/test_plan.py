"""Sampling plans built from given bins."""

import numpy as np

from factornet.store import SamplingPlan


def test_plan_from_bins_has_one_cell_line_no_jitter_and_no_targets():
    plan = SamplingPlan.from_bins("K562", np.array([1, 0], np.int32), np.array([-50, 400]))
    assert plan.cells == ("K562",)
    assert [plan.cell.tolist(), plan.chrom.tolist(), plan.start.tolist()] == [[0, 0], [1, 0], [-50, 400]]
    assert plan.jitter.tolist() == [0, 0]
    assert plan.label.shape == (2, 0)
    assert plan.label.dtype == np.uint8
    assert {a.dtype for a in (plan.cell, plan.chrom, plan.start, plan.jitter)} == {np.dtype(np.int64)}
    assert plan.window_starts(1000).tolist() == [-450, 0]


def test_plan_from_no_bins_is_empty():
    plan = SamplingPlan.from_bins("K562", np.array([], np.int64), np.array([], np.int64))
    assert len(plan) == 0
    assert len(plan.take(np.array([], np.int64))) == 0
