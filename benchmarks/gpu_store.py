"""The part of the GPU benchmark that needs the installed package: windows of a compressed store, copied to a device.

Builds a store of one made-up chromosome, and prints as JSON the number of values that differ between the batches on the
device and those of the store (`error`), and windows per second while nothing else is done (`rate`). `gpu.py` runs it
where zarr is there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from time import perf_counter

import torch

from data import LENGTH, build_store, random_plan, write_sources
from factornet.model import TensorStream
from factornet.store import Batch, SamplingPlan, Store, StreamSettings, WindowStream

SPACING = 4000
"""Bases to a window."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=24_000_000, metavar="BASES", help="of the chromosome (24,000,000)")
    options = parser.parse_args()
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(write_sources(Path(folder), size=options.size))
        plan = random_plan(options.size // SPACING, options.size)
        error = sum(count_different(*pair) for pair in paired_batches(store, plan, device))
        print(json.dumps({"error": error, "rate": measure_rate(store, plan, device)}))


def stream(store: Store, plan: SamplingPlan) -> WindowStream:
    """Return the windows of the plan, in batches of the product's size."""
    return WindowStream(store, plan, StreamSettings(LENGTH, batch_size=100), seed=(1,))


def paired_batches(store: Store, plan: SamplingPlan, device: torch.device) -> list[tuple[list[torch.Tensor], Batch]]:
    """Return the batches of the device, copied back after all were read, and those of the store."""
    with TensorStream(stream(store, plan), device, prefetch=3) as read:
        found = [[batch.codes, batch.tracks, batch.labels] for batch in read]
    return [([t.cpu() for t in one], other) for one, other in zip(found, stream(store, plan), strict=True)]


def count_different(found: list[torch.Tensor], expected: Batch) -> int:
    """Return the number of values that are not equal."""
    arrays = (expected.codes, expected.tracks, expected.labels)
    return sum(int((t != torch.from_numpy(a)).sum()) for t, a in zip(found, arrays, strict=True))


def measure_rate(store: Store, plan: SamplingPlan, device: torch.device) -> float:
    """Return windows per second of a second pass."""
    begin = perf_counter()
    with TensorStream(stream(store, plan), device, prefetch=3) as read:
        for _ in read:
            pass
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return len(plan) / (perf_counter() - begin)


if __name__ == "__main__":
    main()
