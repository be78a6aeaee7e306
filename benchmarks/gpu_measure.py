"""Measure calls on a device: seconds, kernels and copies, and what the machine can do at most."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from gpu_data import Sizes
from gpu_paths import FLOAT32, TF32
from torch.autograd import DeviceType

Work = Callable[[], Any]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_per_call(work: Work, device: torch.device, *, least: float) -> float:
    """Return the seconds that a call takes, calls following each other: the median of three series.

    Args:
        work: to call.
        device: that it uses.
        least: seconds of all series together, about.
    """
    for _ in range(3):
        work()
    once = _series(work, device, 1)
    calls = max(1, round(least / 3 / once))
    return statistics.median(_series(work, device, calls) for _ in range(3))


def _series(work: Work, device: torch.device, calls: int) -> float:
    synchronize(device)
    begin = perf_counter()
    for _ in range(calls):
        work()
    synchronize(device)
    return (perf_counter() - begin) / calls


def profile(work: Work, device: torch.device, *, calls: int = 4) -> dict[str, Any]:
    """Return what a call does on a GPU, by torch's profiler.

    Returns:
        Time of kernels (with memory set) and of copies in ms, the number of either, and the six kernels that take
        longest: name, ms and number of each.
    """
    for _ in range(2):
        work()
    synchronize(device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as recorded:
        for _ in range(calls):
            work()
        synchronize(device)
    spent, number = Counter[str](), Counter[str]()
    for event in recorded.events():
        if event.device_type == DeviceType.CUDA and not getattr(event, "is_user_annotation", False):
            spent[event.name] += event.time_range.elapsed_us() / 1000 / calls
            number[event.name] += 1
    copies = sum(ms for name, ms in spent.items() if name.startswith("Memcpy"))
    return {
        "kernels_ms": sum(spent.values()) - copies,
        "copies_ms": copies,
        "launched": sum(number.values()) / calls,
        "kernels": [[name[:120], ms, number[name] / calls] for name, ms in spent.most_common(6)],
    }


def measure_ceilings(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Return what the machine reaches.

    Returns:
        float32, tf32, bfloat16: operations per second of square matrix products; copy: bytes per second read and
        written on the device; to_device: bytes per second copied from pinned memory; launch: seconds a small kernel.
    """
    n, least = sizes.product, sizes.seconds
    found = {}
    for name, dtype, precision in (
        ("float32", torch.float32, FLOAT32),
        ("tf32", torch.float32, TF32),
        ("bfloat16", torch.bfloat16, FLOAT32),
    ):
        a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
        with precision.settings():
            found[name] = 2 * n**3 / seconds_per_call(lambda a=a, b=b: a @ b, device, least=least)
    source, target = (torch.zeros(sizes.copied, dtype=torch.uint8, device=device) for _ in range(2))
    found["copy"] = 2 * sizes.copied / seconds_per_call(lambda: target.copy_(source), device, least=least)
    if device.type == "cuda":
        pinned = torch.zeros(sizes.copied // 4, dtype=torch.uint8).pin_memory()
        part = target[: sizes.copied // 4]
        seconds = seconds_per_call(lambda: part.copy_(pinned, non_blocking=True), device, least=least)
        found["to_device"] = len(part) / seconds
    one = torch.zeros(1, device=device)
    found["launch"] = seconds_per_call(lambda: [one.add_(1) for _ in range(200)], device, least=least) / 200
    return found
