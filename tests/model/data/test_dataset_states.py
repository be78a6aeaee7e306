"""States of a dataset: an epoch is resumed at the next batch, and refused where the windows are others."""

import json
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from support.dataset_windows import SETTINGS, plans, rows
from torch.utils.data import DataLoader

from factornet.etl import Resources, unpack_store
from factornet.model import WindowDataset
from factornet.store import (
    UsageError,
    open_store,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # threads and fork
    pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning"),
]


@pytest.mark.parametrize("workers", [0, 2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("taken", [1, 4])
def test_an_epoch_is_resumed_at_the_next_batch(store, plan, workers, taken):
    dataset = WindowDataset(store, partial(plans, plan), SETTINGS, seed=5)
    dataset.set_epoch(1)
    whole = rows(DataLoader(dataset, batch_size=None, num_workers=workers))
    state = dataset.state_dict(batches=taken, workers=workers)
    again = WindowDataset(store, partial(plans, plan), SETTINGS, seed=5)
    again.load_state_dict(state)
    loader = DataLoader(again, batch_size=None, num_workers=workers)
    assert rows(loader) == whole[taken:]
    assert rows(loader) == whole  # the epoch anew: what was resumed is over
    if workers:
        with pytest.raises(UsageError, match="give their number"):
            again.state_dict()


def test_the_state_of_the_dataset_itself_counts_what_it_has_yielded(store, plan):
    dataset = WindowDataset(store, plan, SETTINGS)
    whole, batches = rows(dataset), iter(dataset)
    first = rows([next(batches), next(batches)])
    again = WindowDataset(store, plan, SETTINGS)
    again.load_state_dict(dataset.state_dict())
    batches = iter(again)
    first += rows([next(batches)])
    third = WindowDataset(store, plan, SETTINGS)
    third.load_state_dict(again.state_dict())
    assert first + rows(third) == whole


def test_a_state_of_other_workers_is_refused(store, plan):
    dataset = WindowDataset(store, plan, SETTINGS)
    dataset.load_state_dict(dataset.state_dict(batches=4, workers=2))
    for _ in range(2):
        with pytest.raises(UsageError, match="of all of 2 workers, this is worker 0 of 1: their batches are others"):
            next(iter(dataset))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batches": -3}, "a state at epoch 0, behind -3 batches of 1 workers cannot be"),
        ({"batches": 1.5}, "no state of a dataset, which has whole numbers epoch, batches"),
        ({"workers": 0}, "of 0 workers cannot be"),
        ({"workers": 10**12}, "of 1000000000000 workers cannot be"),
        ({"epoch": "0"}, "no state of a dataset"),
        ({"batch_size": 7}, "of batches of other windows: batch_size was 7, is"),
        ({"seed": 9}, "of batches of other windows: seed was 9, is 0"),
        ({"world_size": 2}, "world_size was 2, is 1"),
    ],
)
def test_states_that_are_none_or_of_other_batches_are_refused(store, plan, change, message):
    """Else windows would be learnt twice, or not at all, without a word."""
    dataset = WindowDataset(store, plan, SETTINGS)
    with pytest.raises(UsageError, match=message):
        dataset.load_state_dict(dataset.state_dict(batches=1) | change)
    with pytest.raises(UsageError, match="no state of a dataset, which has whole numbers epoch"):
        dataset.load_state_dict({"epoch": 0})
    with pytest.raises(
        UsageError, match=r"does not say of which batches it is \(no order, form, seed, .*begin the epoch"
    ):
        dataset.load_state_dict({"epoch": 0, "batches": 1, "workers": 1, "worker": None})
    n = len(list(dataset))
    dataset.load_state_dict(dataset.state_dict(batches=10**9))
    for _ in range(2):
        with pytest.raises(UsageError, match=rf"behind 1,000,000,000 batches, but epoch 0 has at most {n}"):
            list(dataset)


def test_another_epoch_begins_at_its_first_batch(store, plan):
    dataset = WindowDataset(store, partial(plans, plan), SETTINGS)
    old = iter(dataset)
    for _ in range(3):
        next(old)
    assert (dataset.state_dict()["epoch"], dataset.state_dict()["batches"]) == (0, 3)
    dataset.set_epoch(1)
    next(old)  # still of epoch 0
    state = dataset.state_dict()
    assert (state["epoch"], state["batches"]) == (1, 0)
    whole = rows(dataset)
    assert dataset.state_dict()["batches"] == len(whole)
    dataset.set_epoch(1)  # the same one: no batch is left
    assert dataset.state_dict()["batches"] == len(whole)
    dataset.set_epoch(0)
    assert dataset.state_dict()["batches"] == 0
    again = WindowDataset(store, partial(plans, plan), SETTINGS)
    again.load_state_dict(state)
    assert rows(again) == whole
    again.load_state_dict(state | {"batches": 2})
    again.set_epoch(0)
    again.set_epoch(1)
    assert again.state_dict()["batches"] == 0
    assert rows(again) == whole


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loaded_state_is_said_before_and_after_the_first_batch(store, plan, workers):
    """A job may be preempted before it has taken a batch."""
    dataset = WindowDataset(store, plan, SETTINGS)
    state = dataset.state_dict(batches=3, workers=workers)
    dataset.load_state_dict(state)
    assert dataset.state_dict() == state
    dataset.load_state_dict(dataset.state_dict())
    if workers:
        return
    batches = iter(dataset)
    next(batches)
    assert dataset.state_dict() == state | {"batches": 4}
    for n in (0, 2):
        dataset.load_state_dict(state | {"batches": n})
        assert dataset.state_dict()["batches"] == n


def state_where_it_is_read(dataset, batch):
    return dataset.state_dict()


def test_states_of_workers_that_began_within_an_epoch_go_on_there(store, plan):
    """Loaders that ask datasets in their workers for states."""
    dataset = WindowDataset(store, plan, SETTINGS)
    loader = partial(DataLoader, batch_size=None, num_workers=2)
    whole = rows(loader(dataset))
    dataset.load_state_dict(dataset.state_dict(batches=1, workers=2))
    dataset.transform = partial(state_where_it_is_read, dataset)
    states = list(loader(dataset))
    assert [state["batches"] for state in states[:4]] == [3, 3, 5, 5]
    again = WindowDataset(store, plan, SETTINGS)
    again.load_state_dict(states[1])  # each worker is behind its first batch of those after the first
    assert rows(loader(again)) == whole[3:]


def test_workers_that_have_started_refuse_a_state_loaded_later(store, plan):
    dataset = WindowDataset(store, plan, SETTINGS)
    loader = partial(DataLoader, dataset, batch_size=None, num_workers=2, persistent_workers=True)
    started = loader()
    whole = rows(started)
    dataset.load_state_dict(dataset.state_dict(batches=3, workers=2))
    with pytest.raises(UsageError, match="a state was loaded after worker 0 of the loader had started"):
        list(started)
    assert rows(loader()) == whole[3:]


@pytest.fixture(scope="module")
def raw(demo_store, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "raw.zarr"
    unpack_store(demo_store, path, Resources(), cells=["K562", "HepG2"])
    return open_store(path)


CHANGES = {
    "form of the store": ({"store": "raw"}, "the store's form was compressed, is raw or in memory; use"),
    "pool": ({"pool_bytes": 1}, "pool_bytes was 134217728, is 1; use"),
    "slab": ({"slab": 300}, "slab was 4194304, is 300; use"),
    "batch size": ({"batch_size": 20}, "batch_size was 30, is 20; use"),
    "window length": ({"window_length": 400}, "window_length was 600, is 400; use"),
    "tracks": ({"tracks": ("Unique35", "DGF")}, "tracks was DGF, is Unique35, DGF; use"),
    "seed": ({"seed": 1}, "seed was 0, is 1; use"),
    "genome order": ({"seed": None}, "seed was 0, is None; use"),
    "last batch": ({"drop_last": True}, "drop_last was False, is True; use"),
    "windows": ({"take": slice(1, None)}, r"the plan \(its digest\) was \w{16}\.\.\., is \w{16}\.\.\.; use"),
    "order of windows": ({"take": slice(None, None, -1)}, r"the plan \(its digest\) was"),
    "targets": ({"label": 1}, r"the plan \(its digest\) was"),
    "jitter": ({"jitter": 1}, r"the plan \(its digest\) was"),
    "cell lines": ({"cells": ("HepG2", "K562")}, r"the plan \(its digest\) was"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_states_of_batches_of_other_windows_are_refused_by_name(store, raw, plan, name):
    change, message = dict(CHANGES[name][0]), CHANGES[name][1]
    state = WindowDataset(store, plan, SETTINGS).state_dict(batches=2)
    where = raw if change.pop("store", None) else store
    options = {key: change.pop(key) for key in ("seed", "drop_last") if key in change}
    windows = plan.take(np.arange(len(plan))[change.pop("take", slice(None))])
    if "label" in change:
        windows = replace(windows, label=np.ones((len(plan), change.pop("label")), np.uint8))
    if "jitter" in change:
        windows = replace(windows, jitter=windows.jitter + change.pop("jitter"))
    windows = replace(windows, cells=change.pop("cells", windows.cells))
    other = WindowDataset(where, windows, replace(SETTINGS, **change), **options)
    with pytest.raises(UsageError, match=f"the state is of batches of other windows: {message}"):
        other.load_state_dict(json.loads(json.dumps(state)))


@pytest.mark.parametrize("seed", [None, 3])
def test_states_are_refused_where_the_order_is_another_and_not_for_what_does_not_decide_it(store, raw, plan, seed):
    """The order itself is the oracle: of every pair of settings, those of equal orders have states in common."""
    plan = plan.take(np.arange(0, len(plan), 3))
    found = []
    for where, pool_bytes, slab, threads in product((store, raw), (2**27, 200_000), (2**22, 3000), (1, 2)):
        settings = replace(SETTINGS, pool_bytes=pool_bytes, slab=slab, threads=threads)
        dataset = WindowDataset(where, plan, settings, seed=seed)
        found.append((dataset, dataset.state_dict(batches=2), rows(dataset)))
    n_same = 0
    for (_, state, order), (dataset, _, now) in product(found, found):
        try:
            dataset.load_state_dict(state)
        except UsageError:
            assert seed is None or order != now
            continue
        n_same += 1
        assert order == now
        assert rows(dataset) == now[2:]
    assert n_same == (2 * 64 if seed is None else 4 * 4 + 64)


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, "x\x1b" * 300, 1.5, np.arange(3)])
def test_states_with_anything_in_place_of_a_value_are_refused(store, plan, value):
    dataset = WindowDataset(store, plan, SETTINGS)
    for key in ("order", "form", "tracks", "pool_bytes", "plan"):
        with pytest.raises(UsageError, match="of batches of other windows") as caught:
            dataset.load_state_dict(dataset.state_dict(batches=1) | {key: value})
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 500
