"""Motifs: written into kernels, scanned for (against a slow oracle)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from factornet.model import FactorNet, Motif, NetworkConfig
from factornet.model.motifs.pwm import inject_motif, log_odds, scan_best_hit, scan_windows
from factornet.store.errors import UsageError


def sharp(consensus: str, *, name: str = "X_f1", alternate: str = "X") -> Motif:
    """A motif with a share of 0.94 for each base of its consensus."""
    rows = np.full((len(consensus), 4), 0.02)
    rows[np.arange(len(consensus)), ["ACGT".index(base) for base in consensus]] = 0.94
    return Motif(name, alternate, rows)


def encode(sequence: str) -> np.ndarray:
    return np.array(["ACGTN".index(base) for base in sequence], np.uint8)


def complement(sequence: str) -> str:
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def test_motif_of_other_than_probabilities_is_refused():
    with pytest.raises(UsageError, match="motif m: needs rows of four"):
        Motif("m", "", np.array([[0.5, 0.5, 0.5, 0.5]]))
    with pytest.raises(UsageError, match="motif m"):
        Motif("m", "", np.zeros((0, 4)))


def test_log_odds_of_certain_and_equal_bases():
    odds = log_odds(np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]]))
    assert odds[0].tolist() == pytest.approx([np.log2(1.001 / 1.004 * 4)] + [np.log2(0.001 / 1.004 * 4)] * 3)
    assert odds[1].tolist() == pytest.approx([0] * 4)


def activations(network: FactorNet, sequence: str) -> np.ndarray:
    codes = torch.from_numpy(encode(sequence))[None]
    strands = network.both_strands(codes, torch.ones(1, 1, len(sequence)))
    return network.convolve(strands)[0, :, :2].detach().numpy()


@pytest.mark.parametrize(("kernel_width", "start"), [(12, 3), (13, 3), (7, 0)])
def test_injected_kernels_detect_the_consensus_in_both_orientations(kernel_width, start):
    consensus = "GATTACC"
    network = FactorNet(
        NetworkConfig(tasks=("X",), tracks=("t",), window_length=60, kernel_width=kernel_width, kernels=4)
    )
    others = network.motifs.weight[2:].clone()
    inject_motif(network, sharp(consensus))
    rng = np.random.default_rng(0)
    background = "".join(rng.choice(list("ACGT"), 60))
    best = log_odds(sharp(consensus).probabilities).max(1).sum()
    for kernel, word in ((0, consensus), (1, complement(consensus))):
        sequence = background[:30] + word + background[37:]
        response = activations(network, sequence)
        assert response[:, kernel].argmax() == 30 - start
        assert response[:, kernel].max() == pytest.approx(best, rel=1e-5)
        assert response[:, 1 - kernel].max() < best / 2
    assert torch.equal(network.motifs.weight[2:], others)


def test_injection_zeroes_track_weights_and_biases():
    network = FactorNet(NetworkConfig(tasks=("X",), tracks=("t",), window_length=60, kernel_width=9, kernels=3))
    torch.nn.init.ones_(network.motifs.bias)
    inject_motif(network, sharp("ACG"))
    assert network.motifs.weight[:2, 4].abs().sum() == 0
    assert network.motifs.weight[2, 4].abs().sum() > 0
    assert network.motifs.bias.tolist() == [0, 0, 1]
    assert network.motifs.weight.requires_grad


def test_injection_of_a_motif_that_does_not_fit_is_refused():
    config = {"tasks": ("X",), "tracks": (), "window_length": 60, "kernel_width": 6}
    with pytest.raises(UsageError, match="motif X_f1 is 7 bases wide, the kernels 6"):
        inject_motif(FactorNet(NetworkConfig(**config)), sharp("GATTACC"))
    with pytest.raises(UsageError, match="two kernels"):
        inject_motif(FactorNet(NetworkConfig(**config, kernels=1)), sharp("ACG"))


def slow_best_hit(codes: np.ndarray, odds: np.ndarray) -> float:
    """Every position, every strand, base by base."""
    turned = [3 - c if c < 4 else 4 for c in codes[::-1]]
    hits = []
    for strand in (list(codes), turned):
        for start in range(len(strand) - len(odds) + 1):
            bases = strand[start : start + len(odds)]
            hits.append(sum(odds[i, c] for i, c in enumerate(bases) if c < 4))
    return max(hits)


@settings(max_examples=60, deadline=None)  # a loaded machine is not an error
@given(
    codes=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=6, max_side=12), elements=st.integers(0, 4)),
    odds=hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(-5, 2)),
)  # fmt: skip
def test_scan_equals_the_slow_oracle(codes, odds):
    best = scan_best_hit(codes, odds)
    assert best.dtype == np.float32
    assert best.tolist() == pytest.approx([slow_best_hit(row, odds) for row in codes], abs=1e-4)


def test_scan_in_several_batches_finds_every_hit():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (700, 1000)).astype(np.uint8)  # 262 rows a batch
    odds = log_odds(sharp("GATTACCAGATT").probabilities)
    rows = [0, 261, 262, 523, 524, 699]
    for row in rows:
        codes[row, 100:112] = encode("GATTACCAGATT" if row % 2 else complement("GATTACCAGATT"))
    best = scan_best_hit(codes, odds)
    assert np.flatnonzero(best > odds.max(1).sum() - 1e-3).tolist() == rows
    assert best[rows].tolist() == pytest.approx([odds.max(1).sum()] * 6)


def test_scan_of_n_of_no_rows_and_of_short_sequences():
    odds = log_odds(sharp("ACG").probabilities)
    assert scan_best_hit(np.full((2, 5), 4, np.uint8), odds).tolist() == [0, 0]
    assert scan_best_hit(np.zeros((0, 5), np.uint8), odds).shape == (0,)
    assert scan_best_hit(encode("ACG")[None], odds)[0] == pytest.approx(odds.max(1).sum())
    with pytest.raises(UsageError, match="sequences of 2 bases are shorter than the motif of 3"):
        scan_best_hit(np.zeros((1, 2), np.uint8), odds)


@pytest.mark.parametrize(("length", "stride"), [(20, 5), (20, 7), (7, 1), (50, 50)])
def test_windows_that_share_a_scan_have_the_best_hits_of_each_alone(length, stride):
    codes = np.random.default_rng(1).integers(0, 5, 203).astype(np.uint8)
    odds = log_odds(sharp("GATTACC").probabilities)
    windows = np.lib.stride_tricks.sliding_window_view(codes, length)[::stride].copy()
    found = scan_windows(codes, odds, length=length, stride=stride)
    np.testing.assert_allclose(found, scan_best_hit(windows, odds), atol=1e-5)


def test_windows_shorter_than_the_motif_are_refused():
    with pytest.raises(UsageError, match="sequences of 6 bases are shorter than the motif of 7"):
        scan_windows(np.zeros(50, np.uint8), log_odds(sharp("GATTACC").probabilities), length=6, stride=2)
