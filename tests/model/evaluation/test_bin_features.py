"""What baselines know of bins, tile by tile, against each bin alone."""

import numpy as np
import pytest

from factornet.model import Bins
from factornet.model.evaluation import bin_features
from factornet.model.evaluation.bin_features import bin_motif, bin_signal
from factornet.model.motifs.pwm import log_odds, scan_best_hit
from factornet.store import UsageError, open_store
from factornet.store.spans import padded_span

ODDS = log_odds(np.random.default_rng(3).dirichlet(np.ones(4) / 3, 9))


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


def grid(chrom, n, *, first=0, step=50):
    start = first + step * np.arange(n)
    return Bins(np.full(n, chrom), start, start + 200)


def joined(*parts):
    return Bins(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("chrom", "start", "stop")))


def slow_features(store, cell, bins, track, widths):
    motif, signal = [], []
    for chrom, middle in zip(bins.chrom.tolist(), bins.middle.tolist(), strict=True):
        name = store.coordinates.names[chrom]
        array = store.track(cell, track, name)
        spans = [padded_span(array, middle - w // 2, middle - w // 2 + w, pad_value=0) for w in widths]
        signal.append([span.mean(dtype=np.float64) for span in spans])
        codes = padded_span(store.sequence(name), middle - 100, middle + 100, pad_value=4)
        motif.append(scan_best_hit(codes[None], ODDS)[0])
    return np.array(motif), np.array(signal)


@pytest.mark.parametrize("bases", [3_000, 2**20])
@pytest.mark.parametrize(
    "bins",
    [
        pytest.param(joined(grid(1, 40), grid(4, 300, first=150_000), grid(0, 2)), id="dense"),
        pytest.param(joined(grid(1, 30, step=5_000), grid(4, 20, first=3, step=777)), id="sparse"),
        pytest.param(grid(4, 50, first=17, step=5), id="off the grid"),
    ],
)
def test_features_are_those_of_each_bin_alone(store, bins, bases, monkeypatch):
    monkeypatch.setattr(bin_features, "_BASES_AT_ONCE", bases)
    bins = bins.take(np.random.default_rng(0).permutation(len(bins)))
    motif, signal = slow_features(store, "K562", bins, "DGF", (200, 1000, 5000))
    np.testing.assert_allclose(bin_motif(store, bins, log_odds=ODDS), motif, atol=1e-4)
    found = bin_signal(store, "K562", bins, track="DGF", widths=(200, 1000, 5000))
    np.testing.assert_allclose(found, signal, rtol=1e-5, atol=1e-7)


def test_no_bins_have_no_features(store):
    nothing = grid(0, 0)
    assert bin_motif(store, nothing, log_odds=ODDS).shape == (0,)
    assert bin_signal(store, "K562", nothing, track="DGF", widths=(200,)).shape == (0, 1)


def test_unknown_track_is_refused(store):
    with pytest.raises(UsageError, match="has no track 'DNase'; it has Unique35, DGF"):
        bin_signal(store, "K562", grid(0, 1), track="DNase", widths=(200,))
