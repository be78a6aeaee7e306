"""The dataset for networks of one's own: the same windows with any number of workers, resumed within an epoch."""

import multiprocessing
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from support.dataset_windows import SETTINGS, plans, rows
from torch.utils.data import DataLoader

from factornet.model import SignalTarget, WindowDataset
from factornet.store import (
    Sampler,
    StreamSettings,
    UsageError,
    parse_region,
    read_span,
    split_genome,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # threads and fork
    pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning"),
]


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.parametrize("workers", [0, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_all_windows_come_once_with_any_number_of_workers(store, plan, workers, method):
    dataset = WindowDataset(store, plan, SETTINGS)
    context = multiprocessing.get_context(method) if workers else None
    loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=context)
    expected = {int(i): t for b in WindowDataset(store, plan, SETTINGS) for i, t in zip(b.index, b.tracks, strict=True)}
    batches = list(loader)
    assert sorted(i for part in rows(batches) for i in part) == list(range(len(plan)))
    assert max(map(len, rows(batches))) == 30
    for batch in batches:
        for i, tracks in zip(batch.index, batch.tracks, strict=True):
            assert torch.equal(tracks, expected[int(i)])
    assert rows(loader) == rows(batches)


def test_epochs_reach_workers_that_live_on(store, plan):
    dataset = WindowDataset(store, partial(plans, plan), SETTINGS)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    found = []
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        found.append(rows(loader))
    assert found[0] != found[1]
    dataset.set_epoch(1)
    assert rows(loader) == found[1]


def test_processes_of_a_training_have_parts_of_one_batch(store, plan):
    whole = [set(r) for r in rows(WindowDataset(store, plan, SETTINGS))]
    parts = [rows(WindowDataset(store, plan, replace(SETTINGS, rank=r, world_size=3))) for r in range(3)]
    for i, batch in enumerate(whole):
        of_ranks = [set(p[i]) for p in parts]
        assert set.union(*of_ranks) == batch
        assert sum(map(len, of_ranks)) == len(batch)
    of_first, last = (WindowDataset(store, plan, replace(SETTINGS, rank=r, world_size=3)) for r in (0, 2))
    last.load_state_dict(of_first.state_dict(batches=2))  # one process writes the state of all
    assert rows(last) == parts[2][2:]


@pytest.mark.parametrize(("world_size", "workers"), [(1, 0), (2, 0), (2, 2)])
def test_whole_batches_alone_with_drop_last(store, plan, world_size, workers):
    counts = []
    for rank in range(world_size):
        settings = replace(SETTINGS, rank=rank, world_size=world_size)
        dataset = WindowDataset(store, plan, settings, drop_last=True)
        sizes = list(map(len, rows(DataLoader(dataset, batch_size=None, num_workers=workers))))
        assert set(sizes) == {30 // world_size}
        counts.append(len(sizes))
    each = max(1, workers)
    assert counts == [len(plan) // (30 * each) * each] * world_size


def test_signal_is_a_target(store, plan):
    target = SignalTarget(tracks=("Unique35",), length=200, resolution=50)
    for batch in WindowDataset(store, plan, SETTINGS, target=target, seed=None):
        assert batch.tracks.shape[1:] == (1, 600)
        for i, values in zip(batch.index, batch.targets, strict=True):
            signal = read_span(store.array("genome/tracks/Unique35/chr21"), plan.start[i], plan.start[i] + 200)
            np.testing.assert_array_equal(values[0], signal.reshape(4, 50).mean(1, dtype=np.float32))


@pytest.mark.parametrize(("length", "window"), [(200, 100), (200, 201), (150, 100)])
def test_targets_that_are_not_in_the_middle_of_a_window_are_refused(length, window):
    """They were those of other bases."""
    target = SignalTarget(tracks=("DGF",), length=length, resolution=50)
    with pytest.raises(UsageError, match=f"a target of {length} bases is not in the middle of windows of {window}"):
        target.values(np.zeros((1, 1, window), np.float32))


def test_targets_that_make_no_sense_are_refused(store, plan):
    with pytest.raises(UsageError, match="name the tracks that are inputs"):
        WindowDataset(store, plan, StreamSettings(600), target=SignalTarget(tracks=("DGF",)))
    with pytest.raises(UsageError, match="DGF: input and target at once"):
        WindowDataset(store, plan, SETTINGS, target=SignalTarget(tracks=("DGF",)))
    with pytest.raises(UsageError, match="200 bases that are a multiple of 30"):
        SignalTarget(tracks=("DGF",), resolution=30)


def test_a_batch_is_transformed_where_it_is_read_and_moves_as_one(store, plan):
    dataset = WindowDataset(store, plan, SETTINGS, transform=len_of)
    assert sum(DataLoader(dataset, batch_size=None, num_workers=2)) == len(plan)
    batch = next(iter(WindowDataset(store, plan, SETTINGS))).to(torch.float64)
    assert (batch.tracks.dtype, batch.index.dtype) == (torch.float64, torch.int64)


def test_the_dataset_makes_the_batches(store, plan):
    """What the page on own networks says of loaders that batch again, and of the number of batches."""
    dataset = WindowDataset(store, plan, SETTINGS)
    with pytest.raises(TypeError, match="default_collate"):
        next(iter(DataLoader(dataset)))
    with pytest.raises(TypeError, match="WindowDataset"):
        len(dataset)
    least = -(-len(plan) // 30)
    assert len(list(dataset)) == least
    assert least <= len(list(DataLoader(dataset, batch_size=None, num_workers=2))) <= least + 1


def len_of(batch):
    return len(batch.index)


def test_a_network_of_ones_own_learns_from_a_sampler(store):
    valid = [parse_region("chr11", store.coordinates)]
    split = split_genome(store.coordinates, valid=valid, test=[])
    sampler = Sampler(store, cells=("HepG2",), factor="CTCF", split=split, window_length=600)
    dataset = WindowDataset(store, partial(sampler.epoch, 0), SETTINGS)
    network = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 25), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten(),
                                  torch.nn.Linear(4, 1))  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        total = 0.0
        for batch in dataset:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(batch.tracks), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch.labels)
        losses.append(total)
    assert losses[-1] < losses[0]
