"""Batches that a thread keeps ready: the same batches, errors at the consumer, no thread left behind."""

import threading
import time

import numpy as np
import pytest
import torch

from factornet.model.data.batches import TensorStream
from factornet.store import StoreError
from factornet.store.windows.batch import Batch

CPU = torch.device("cpu")


class Stream:
    """Stands for a WindowStream: yields `count` batches, then perhaps an error; records whether it was closed."""

    def __init__(self, count, error=None):
        self.count, self.error, self.given, self.closed = count, error, 0, False

    def __iter__(self):
        try:
            for i in range(self.count):
                self.given += 1
                rows = np.full((2, 5), i, np.uint8)
                yield Batch(
                    np.array([2 * i, 2 * i + 1]), rows, np.full((2, 1, 5), i, np.float32), np.zeros((2, 0), np.float32), rows[:, :1]
                )  # fmt: skip
            if self.error:
                raise self.error
        finally:
            self.closed = True


def threads():
    return [t for t in threading.enumerate() if t.name == "tensor-stream"]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_batches_do_not_depend_on_prefetch(prefetch):
    with TensorStream(Stream(7), CPU, prefetch=prefetch) as stream:
        batches = list(stream)
    assert [b.index.tolist() for b in batches] == [[2 * i, 2 * i + 1] for i in range(7)]
    assert [float(b.tracks.mean()) for b in batches] == list(range(7))
    assert batches[0].features is None
    assert batches[0].labels.dtype == torch.float32
    assert threads() == []


def test_reading_starts_at_once_and_stops_at_prefetch():
    source = Stream(50)
    with TensorStream(source, CPU, prefetch=3) as stream:
        deadline = time.monotonic() + 10
        while source.given < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert source.given == 4  # three in the queue, one waiting to enter it
        assert len(list(stream)) == 50


def test_an_error_comes_after_the_batches_before_it():
    seen = []
    with (
        TensorStream(Stream(2, StoreError("store", "a chunk is damaged")), CPU, prefetch=3) as stream,
        pytest.raises(StoreError),
    ):
        seen.extend(stream)
    with TensorStream(Stream(2, StoreError("store", "a chunk is damaged")), CPU, prefetch=3) as stream:
        batches = iter(stream)
        assert [next(batches).index[0], next(batches).index[0]] == [0, 2]
        with pytest.raises(StoreError, match="damaged"):
            next(batches)
    assert threads() == []


def test_stopping_early_leaves_no_thread():
    source = Stream(1000)
    with TensorStream(source, CPU, prefetch=2) as stream:
        for batch in stream:
            if batch.index[0] == 10:
                break
    assert threads() == []
    assert source.given < 20
