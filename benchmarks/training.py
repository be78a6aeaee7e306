"""Windows per second of training: streamed from a compressed store against the same batches as tensors in memory.

Streaming works as in `factornet.model.train`: the thread of a `TensorStream` prefetches from a `WindowStream`. The step
is the same in both: forward, cross-entropy, backward, `KerasAdam`. Both start every epoch from the same weights and
random state and must end with the same loss. 32 kernels, 32 LSTM cells, 64 dense units, 2 tracks, windows of 1000
bases, one per 13 kb: the sparsest and so the hardest for a store. An epoch of this size is one pool, so that reading
and training hardly overlap: the first batch waits for all of it, as only in a training's first epoch. Target: 0.95.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rows import Row, finish, make_parser, make_row, measure_pairs

from data import FACTOR, TRACKS, build_store, random_plan, write_sources
from factornet.model import FactorNet, NetworkConfig, TensorStream
from factornet.model.data.batches import TensorBatch, stream_settings
from factornet.model.training.step.loss import cross_entropy
from factornet.model.training.step.optimizer import KerasAdam
from factornet.store import SamplingPlan, Store, WindowStream

SIZE, SPACING = 24_000_000, 13_000
BATCH_SIZE, PREFETCH = 100, 3  # as in `train`
CPU = torch.device("cpu")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(write_sources(Path(folder), size=SIZE))
        finish([compare(store, random_plan(SIZE // SPACING, SIZE), repeats=options.repeats)], options.json)


def compare(store: Store, plan: SamplingPlan, *, repeats: int) -> Row:
    """Measure windows per second, streamed and in memory."""
    config = NetworkConfig(tasks=(FACTOR,), tracks=TRACKS, kernels=32, recurrent=32, dense=64)
    windows = WindowStream(store, plan, stream_settings(config, batch_size=BATCH_SIZE), seed=(1,))
    with TensorStream(windows, CPU) as stream:
        batches = list(stream)
    losses, waits = set(), []

    def streamed(repeat: int) -> float:
        network, begin = fresh_network(config), perf_counter()
        with TensorStream(windows, CPU, prefetch=PREFETCH) as stream:
            losses.add(train_epoch(network, stream))
            seconds = perf_counter() - begin
        if repeat:
            waits.append(stream.waited / seconds)
        return len(plan) / seconds

    def in_memory(repeat: int) -> float:
        network, begin = fresh_network(config), perf_counter()
        losses.add(train_epoch(network, batches))
        return len(plan) / (perf_counter() - begin)

    figures = measure_pairs(streamed, in_memory, repeats)
    assert len(losses) == 1, f"streamed and in-memory training differ: losses {sorted(losses)}"
    note = f"data-wait {np.median(waits):.1%}, {min(waits):.1%} - {max(waits):.1%}"
    return make_row("train_stream_vs_memory", figures, "windows/s", note=note)


def fresh_network(config: NetworkConfig) -> FactorNet:
    """Return the same network each time, with the same dropout to follow."""
    torch.manual_seed(1)
    return FactorNet(config, seed=1).train()


def train_epoch(network: FactorNet, batches: Iterable[TensorBatch]) -> float:
    """Pass over the batches once; return the mean loss per window."""
    optimizer = KerasAdam(list(network.parameters()), lr=0.001)
    total, done = 0.0, 0
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(network(batch.codes, batch.tracks, batch.features), batch.labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch.index)
        done += len(batch.index)
    return total / done


if __name__ == "__main__":
    main()
