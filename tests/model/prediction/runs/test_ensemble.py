"""Models of one factor joined: by the mean of probabilities, and of ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from factornet.model import Bins, predict_bins, read_bedgraph
from factornet.model.evaluation.score_file import read_scores
from factornet.model.prediction.runs import region_files
from factornet.model.prediction.runs.ensemble import mean_of_computed, rank_scores
from factornet.model.prediction.runs.folder import predict_folder
from factornet.model.prediction.runs.interval_run import IntervalBins
from factornet.model.prediction.runs.outputs import plan_outputs
from factornet.model.prediction.runs.region_bins import RegionBins
from factornet.model.prediction.sidecar import read_record
from factornet.store import parse_region

MODELS = ("plain", "other_tracks", "short_windows")
TEXTS = ("chr21:95000-105000", "chr1:0-4000")


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.25, 1.0]), min_size=1, max_size=40))
def test_ranks_are_those_of_scipy(scores):
    scores = np.array(scores, np.float32)
    np.testing.assert_allclose(rank_scores(scores, np.sort(scores)), rankdata(scores) / len(scores))


def test_mean_is_of_the_models_that_compute_a_bin():
    values, computed = (
        np.array([[0.2, 0.4, 0.6], [0.4, 0.9, 0.1]]),
        np.array([[True, True, False], [True, False, False]]),
    )
    np.testing.assert_allclose(mean_of_computed(values, computed), [0.3, 0.4, 0])


@pytest.fixture
def alone(predictors, store):
    """Bins of the regions, and the scores of each model by itself, (models, bins)."""
    regions = RegionBins(regions=tuple(parse_region(text, store.coordinates) for text in TEXTS), stride=50)
    pieces = list(regions.pieces(store.coordinates))
    bins = Bins(*(np.concatenate([getattr(p, k) for p in pieces]) for k in ("chrom", "start", "stop")))
    scores = [predict_bins(p.network, store, "K562", bins, device=p.device)[:, 0] for p in predictors(*MODELS)]
    return regions, bins, np.array(scores)


def expected(scores, how):
    """The oracle: bins that a model does not compute have the score 0."""
    computed = scores > 0
    values = scores.astype(float)
    if how == "rank":
        for row, kept in zip(values, computed, strict=True):
            row[kept] = rankdata(row[kept]) / kept.sum()
    return (values * computed).sum(0) / np.maximum(computed.sum(0), 1)


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_ensemble_of_regions(predictors, alone, store, tmp_path, how):
    regions, bins, scores = alone
    assert (scores == 0).any(axis=1).all()  # near the end of chr1
    outputs = plan_outputs(predictors(*MODELS, "annotation"), tmp_path, suffix=".bw", ensemble=how)
    report = predict_folder(tmp_path, outputs, regions)
    assert [(row.file, row.models) for row in report.rows] == [("CTCF.bw", MODELS), ("REST.bw", ("annotation",))]
    found = read_scores(tmp_path / "CTCF.bw", store.coordinates)
    order = bins.genome_order()
    np.testing.assert_allclose(found.scores, expected(scores, how)[order], rtol=1e-6)
    record = read_record(tmp_path / "CTCF.bw")
    assert [m["name"] for m in record.model["members"]] == list(MODELS)
    assert record.intervals["not_computed"] == {"chromosome_ends": int((scores == 0).all(0).sum()), "blacklist": 0}
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "CTCF.bw", "CTCF.bw.json", "REST.bw", "REST.bw.json", "predictions.json", "predictions.tsv",
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_ensemble_of_intervals(predictors, alone, store, tmp_path, how):
    _, bins, scores = alone
    outputs = plan_outputs(predictors(*MODELS), tmp_path, suffix=".bed.gz", ensemble=how)
    predict_folder(tmp_path, outputs, IntervalBins(bins=bins))
    _, found = read_bedgraph(tmp_path / "CTCF.bed.gz", store.coordinates)
    np.testing.assert_allclose(found, expected(scores, how), rtol=6e-4)


def interrupt_second_pass(monkeypatch, predictors, folder, regions):
    """Predict an ensemble of all models, interrupted when the second region is to be scored."""
    scored, calls = region_files.score_together, []

    def interrupt(of_pass, bins):
        calls.append(bins)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return scored(of_pass, bins)

    outputs = plan_outputs(predictors(*MODELS), folder, suffix=".bw", ensemble="mean")
    with monkeypatch.context() as patch:
        patch.setattr(region_files, "score_together", interrupt)
        with pytest.raises(KeyboardInterrupt):
            predict_folder(folder, outputs, regions)


def test_order_of_the_models_does_not_matter_when_resuming(predictors, alone, tmp_path, monkeypatch):
    regions = alone[0]
    interrupt_second_pass(monkeypatch, predictors, tmp_path, regions)
    assert len(list(tmp_path.glob(".CTCF.bw.*.parts"))) == 3
    kept = []
    backwards = plan_outputs(predictors(*MODELS[::-1]), tmp_path, suffix=".bw", ensemble="mean")
    predict_folder(tmp_path, backwards, regions, resume=True, on_kept=kept.append)
    assert len(kept) == 3


def test_a_run_of_other_models_removes_what_is_left_of_these(predictors, alone, tmp_path, monkeypatch, caplog):
    regions = alone[0]
    interrupt_second_pass(monkeypatch, predictors, tmp_path, regions)
    (tmp_path / ".CTCF.bw.mine.parts").mkdir()
    predict_folder(tmp_path, plan_outputs(predictors(*MODELS[:2]), tmp_path, suffix=".bw", ensemble="mean"), regions)
    assert [p.name for p in tmp_path.glob(".CTCF*.parts")] == [".CTCF.bw.mine.parts"]
    assert "finished parts of another model are removed" in caplog.text
