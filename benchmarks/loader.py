"""Windows per second: the stream against FactorNet's own way, on the same windows, in one run.

FactorNet's way: one-hot genome in memory, both bigWigs opened for every window. Windows that both read must be equal.
Prediction before the first run: 11-14 x at one window per 13 kb and 32-45 x at one per 4 kb with one track; about half
of that with two.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pyBigWig
from rows import Row, finish, make_parser, make_row, measure_pairs

from data import BATCH, CHROM, LENGTH, Sources, build_store, random_plan, write_sources
from factornet.store import Store, StreamSettings, WindowStream

SAMPLE = 800  # windows that the original reads, of all
EPOCHS = 3  # read by the stream meanwhile: one takes a tenth of a second


def main() -> None:
    options = make_parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = write_sources(Path(folder))
        store = build_store(sources)
        finish([compare(sources, store, spacing=s, repeats=options.repeats) for s in (13_000, 4_000)], options.json)


def compare(sources: Sources, store: Store, *, spacing: int, repeats: int) -> Row:
    """Both ways in turn, windows a second. The original reads a sample of the windows."""
    plan = random_plan(sources.size // spacing)
    windows = plan.window_starts(LENGTH)
    onehot = sources.codes[:, None] == np.arange(4, dtype=np.uint8)
    rng = np.random.default_rng(spacing)
    original: dict[int, np.ndarray] = {}

    def ours(repeat: int) -> float:
        kept = {}
        begin = perf_counter()
        for epoch in range(EPOCHS):
            for batch in WindowStream(store, plan, StreamSettings(LENGTH, batch_size=BATCH), seed=(repeat, epoch)):
                # Copies: to hold on to a part of a batch would hold its whole pool.
                kept[int(batch.index[0])] = (batch.codes[0].copy(), batch.tracks[0].copy())
        rate = EPOCHS * len(plan) / (perf_counter() - begin)
        for i in kept.keys() & original.keys():
            check_equal(original[i], *kept[i])
        return rate

    def theirs(repeat: int) -> float:
        sample = rng.choice(len(plan), SAMPLE, replace=False)
        begin = perf_counter()
        read = [original_window(onehot, sources, int(windows[i])) for i in sample]
        rate = SAMPLE / (perf_counter() - begin)
        original.update(zip(sample.tolist(), read, strict=True))
        return rate

    name = f"loader_compressed_{spacing // 1000}kb_vs_original"
    return make_row(name, measure_pairs(ours, theirs, repeats), "windows/s")


def original_window(onehot: np.ndarray, sources: Sources, start: int) -> np.ndarray:
    """A window as FactorNet made it: channels side by side, every bigWig opened anew."""
    channels = [onehot[start : start + LENGTH]]
    for path in sources.bigwigs:
        file = pyBigWig.open(str(path))
        signal = np.array(file.values(CHROM, start, start + LENGTH))
        file.close()
        signal[np.isnan(signal)] = 0
        channels.append(signal[:, None])
    return np.concatenate(channels, axis=1).astype(np.float32)


def check_equal(window: np.ndarray, codes: np.ndarray, tracks: np.ndarray) -> None:
    np.testing.assert_array_equal(window[:, :4], codes[:, None] == np.arange(4))
    np.testing.assert_array_equal(window[:, 4:], tracks.T)


if __name__ == "__main__":
    main()
