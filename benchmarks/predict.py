"""Windows per second of prediction: the shared convolution against separate windows, in pairs in one run.

Both read the same store and must agree to 1e-6. A random chromosome with two tracks; stride 50, and sparse intervals.
Expected before the first run: 6 times for k32 r32 d64 at stride 50, 8 times for k128 r64 d128, no gain where windows
do not overlap.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rows import Row, finish, make_parser, make_row, measure_pairs

from data import CELL, FACTOR, TRACKS, build_store, write_sources
from factornet.model import Bins, FactorNet, NetworkConfig, predict_bins
from factornet.store import STRIDE, Store

SIZE = 16_000_000


@dataclass(frozen=True)
class Case:
    """A network, the bases between window starts, and the number of windows to predict separately and shared."""

    kernels: int
    recurrent: int
    dense: int
    spacing: int
    alone: int
    shared: int

    @property
    def name(self) -> str:
        """Name of the row; the first case, k32 r32 d64 and a window every 50 bases, has no suffix."""
        if self == CASES[0]:
            return "predict_shared_vs_per_window"
        every = "" if self.spacing == STRIDE else f"_every_{self.spacing}"
        return f"predict_shared_vs_per_window_k{self.kernels}_r{self.recurrent}_d{self.dense}{every}"


CASES = (
    Case(32, 32, 64, STRIDE, alone=2048, shared=16384),
    Case(128, 64, 128, STRIDE, alone=512, shared=4096),
    Case(32, 0, 64, STRIDE, alone=2048, shared=16384),
    Case(32, -1, 64, STRIDE, alone=2048, shared=16384),
    Case(32, 32, 64, 500, alone=2048, shared=4096),
    Case(32, 32, 64, 2_000, alone=2048, shared=2048),
    Case(32, 32, 64, 13_000, alone=1024, shared=1024),
)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cases", type=int, nargs="+", default=range(len(CASES)), help="which of the cases, from 0")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(write_sources(Path(folder), size=SIZE, unknown=10_000))
        rows = [compare(store, CASES[i], repeats=options.repeats, device=device) for i in options.cases]
    finish(rows, options.json)


def compare(store: Store, case: Case, *, repeats: int, device: torch.device) -> Row:
    """Measure windows per second of both methods; separate windows are timed on a subset."""
    config = NetworkConfig(
        tasks=(FACTOR,), tracks=TRACKS, kernels=case.kernels, recurrent=case.recurrent, dense=case.dense
    )
    network = FactorNet(config, seed=1)
    scores: dict[bool, np.ndarray] = {}
    difference = 0.0

    def rate(shared: bool, windows: int) -> Callable[[int], float]:
        def measure(repeat: int) -> float:
            nonlocal difference
            bins = spaced_bins(windows, case.spacing)
            begin = perf_counter()
            scores[shared] = predict_bins(network, store, CELL, bins, device=device, shared=shared)
            seconds = perf_counter() - begin
            if len(scores) == 2:
                difference = max(difference, float(np.abs(scores[True][: case.alone] - scores[False]).max()))
            return windows / seconds

        return measure

    figures = measure_pairs(rate(True, case.shared), rate(False, case.alone), repeats)
    assert difference < 1e-6, f"{case.name}: the two methods differ by {difference:.1e}"
    return make_row(case.name, figures, "windows/s", note=f"difference {difference:.0e}")


def spaced_bins(count: int, spacing: int) -> Bins:
    start = 10_000 + spacing * np.arange(count, dtype=np.int64)
    return Bins(np.zeros(count, np.int64), start, start + 200)


if __name__ == "__main__":
    main()
