"""What is shown of the objects that users meet: one line with what one wants to know."""

import numpy as np
import pytest
import torch

from factornet.model import Bins, FactorNet, ModelCard, NetworkConfig, Predictor, TensorStream
from factornet.store import Sampler, SamplingPlan, StreamSettings, WindowStream, open_store, parse_region, split_genome


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def plan(store):
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    cells = ("K562", "HepG2")
    return Sampler(store, cells=cells, split=split, window_length=1000, factor="CTCF").epoch(seed=0, epoch=0)


def test_store_shows_its_genome_and_cell_lines(store, demo_store, raw_store):
    genome = "demo, 5 chromosomes, 8,000,000 bases"
    cells = "3 cell lines (GM12878, HepG2, K562)"
    assert repr(store) == f"Store({str(demo_store)!r}: {genome}; compressed; {cells})"
    assert repr(open_store(raw_store)).endswith(f"{genome}; raw; {cells})")


def test_plan_shows_its_windows(plan):
    positive = int(plan.label.sum())
    assert repr(plan) == (
        f"SamplingPlan({len(plan):,} windows, {positive:,} with a target of 1; 1 task; 2 cell lines (K562, HepG2))"
    )
    bins = SamplingPlan.from_bins("K562", np.array([0]), np.array([5000]))
    assert repr(bins) == "SamplingPlan(1 window; 0 tasks; 1 cell line (K562))"


def test_batches_show_their_shapes(store, plan):
    stream = WindowStream(store, plan, StreamSettings(1000, batch_size=100), seed=(0,))
    batch = next(iter(stream))
    assert repr(batch) == "Batch(100 windows of 1,000 bases, 2 tracks, 0 features, 1 task)"
    with TensorStream(stream, torch.device("cpu")) as tensors:
        shown = repr(next(iter(tensors)))
    assert shown == "TensorBatch(100 windows of 1,000 bases, 2 tracks, 0 features, 1 task, on cpu)"


def test_models_and_predictors_show_what_they_predict(store):
    config = NetworkConfig(tasks=("CTCF",), tracks=("Unique35", "DGF"), kernels=4, recurrent=-1, dense=4)
    assert (
        repr(ModelCard(config=config)) == "ModelCard(1 task (CTCF), 2 tracks (Unique35, DGF), windows of 1,000 bases)"
    )
    predictor = Predictor(
        network=FactorNet(config), store=store, cell="K562", factor="CTCF", device=torch.device("cpu")
    )
    assert repr(predictor) == "Predictor(CTCF in K562 by a network of no model folder, on cpu)"


def test_many_names_are_counted(store, plan):
    many = SamplingPlan(
        tuple(f"cell{i}" for i in range(13)), *(getattr(plan, k) for k in ("cell", "chrom", "start", "jitter", "label"))
    )
    assert repr(many).endswith("; 1 task; 13 cell lines)")


def test_bins_show_their_number():
    assert repr(Bins(*np.zeros((3, 7), np.int64))) == "Bins(7 intervals on 1 chromosome)"
