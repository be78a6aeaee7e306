"""The stream in DataLoader workers, with every start method, after the parent process has read."""

import multiprocessing
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from factornet.etl import Resources
from factornet.etl.builders.unpack import unpack_store
from factornet.store import SamplingPlan, Store, StreamSettings, WindowStream, open_store

pytestmark = pytest.mark.alone

CELLS = ("GM12878", "HepG2", "K562")


class Windows(IterableDataset):
    """Batches of a plan; each worker reads its shard of every batch."""

    def __init__(self, store: Store, plan: SamplingPlan) -> None:
        self.store, self.plan = store, plan

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        info = get_worker_info()
        rank, world_size = (info.id, info.num_workers) if info else (0, 1)
        settings = StreamSettings(1000, batch_size=40, rank=rank, world_size=world_size)
        for batch in WindowStream(self.store, self.plan, settings, seed=(3,)):
            yield tuple(map(torch.from_numpy, (batch.index, batch.codes, batch.tracks)))


@pytest.fixture(scope="module", params=["compressed", pytest.param("raw", marks=pytest.mark.slow)])
def path(request, demo_store, tmp_path_factory):
    if request.param == "compressed":
        return demo_store
    raw = tmp_path_factory.mktemp("raw") / "raw.zarr"
    unpack_store(demo_store, raw, Resources(1))
    return raw


def plan_of(store: Store) -> SamplingPlan:
    rng = np.random.default_rng(0)
    start = rng.integers(0, 40_000, 200)
    zeros = np.zeros(200, np.int64)
    return SamplingPlan(CELLS, rng.integers(0, 3, 200), zeros, start, zeros, np.zeros((200, 1), np.uint8))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("workers", [0, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4))])
def test_same_windows_and_no_deadlock(path, method, workers):
    store = open_store(path)
    plan = plan_of(store)
    expected = {int(i): (c, t) for i, c, t in _windows(Windows(store, plan))}  # the parent has read
    more = {"multiprocessing_context": multiprocessing.get_context(method), "timeout": 20} if workers else {}
    loader = DataLoader(Windows(store, plan), batch_size=None, num_workers=workers, **more)
    found = list(_windows(loader))
    assert sorted(int(i) for i, _, _ in found) == list(range(200))
    for i, codes, tracks in found:
        np.testing.assert_array_equal(codes, expected[int(i)][0])
        np.testing.assert_array_equal(tracks, expected[int(i)][1])
    if workers < 2:
        assert [int(i) for i, _, _ in found] == list(expected)


def _windows(batches):
    for index, codes, tracks in batches:
        yield from zip(index.numpy().copy(), codes.numpy().copy(), tracks.numpy().copy(), strict=True)
