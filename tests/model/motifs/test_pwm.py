"""Motifs: read from MEME files, found by name, written into kernels, scanned for (against a slow oracle)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from factornet.model import FactorNet, Motif, NetworkConfig, find_motif, read_meme
from factornet.model.motifs.pwm import inject_motif, log_odds, scan_best_hit
from factornet.store.errors import InputError, UsageError

HEADER = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
MATRIX = "letter-probability matrix: alength= 4 w= 2 nsites= 10 E= 0\n  0.1 0.2\t0.3 0.4\n  1 0 0 0\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "motifs.meme"
    path.write_text(text)
    return path


def sharp(consensus: str, *, name: str = "X_f1", alternate: str = "X") -> Motif:
    """A motif with a share of 0.94 for each base of its consensus."""
    rows = np.full((len(consensus), 4), 0.02)
    rows[np.arange(len(consensus)), ["ACGT".index(base) for base in consensus]] = 0.94
    return Motif(name, alternate, rows)


def encode(sequence: str) -> np.ndarray:
    return np.array(["ACGTN".index(base) for base in sequence], np.uint8)


def complement(sequence: str) -> str:
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def test_read_meme(tmp_path):
    second = MATRIX.replace("w= 2", "w= 3") + "0.25 0.25 0.25 0.25\n"
    text = f"{HEADER}MOTIF CTCF_f2 CTCF\n\n{MATRIX}\nURL http://x\n\nMOTIF lone\n{second}MOTIF Z\n{MATRIX}"
    motifs = read_meme(write(tmp_path, text))
    assert list(motifs) == ["CTCF_f2", "lone", "Z"]
    assert motifs["CTCF_f2"].alternate == "CTCF"
    assert motifs["lone"].alternate == ""
    assert motifs["CTCF_f2"].probabilities.tolist() == [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]]
    assert len(motifs["lone"]) == 3


def test_read_meme_accepts_windows_line_ends(tmp_path):
    path = tmp_path / "motifs.meme"
    path.write_bytes((HEADER + "MOTIF a\n" + MATRIX).replace("\n", "\r\n").encode())
    assert len(read_meme(path)["a"]) == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "not a MEME file: expected 'MEME version', got ''"),
        ("\n<html>\n", 2, "not a MEME file.*'<html>'"),
        (HEADER, None, "holds no motif"),
        (HEADER.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"), 3, "not ACGT"),
        (HEADER + "MOTIF\n", 7, "without a name"),
        (HEADER + MATRIX, 7, "without a MOTIF line"),
        (HEADER + "MOTIF a\nMOTIF b\n", 7, "motif a has no letter-probability matrix"),
        (HEADER + "MOTIF a\n", 7, "motif a has no letter-probability matrix"),
        (HEADER + f"MOTIF a\n{MATRIX}\nMOTIF a\n", 12, "motif a is listed twice"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3"), 8, "width 3 ends after 2 rows"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3") + "\n", 11, "width 3 ends after 2 rows"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3") + "MOTIF b\n", 11, "ends after 2 rows, got 'MOTIF b'"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 1"), 10, "whose width is too small: '1 0 0 0'"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", ""), 8, "without a width"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 0"), 8, "without a width"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("0.4", "0.5"), 9, "sum to 1, got '0.1 0.2\\\\t0.3 0.5'"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "2 -1 0 0"), 10, "four probabilities"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "1 0 0"), 10, "four probabilities"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "nan 0 0 0"), 10, "four probabilities"),
    ],
)
def test_read_meme_error_has_the_line(tmp_path, text, line, words):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        read_meme(path)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


def test_read_meme_of_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_meme(tmp_path / "absent.meme")
    (tmp_path / "binary.meme").write_bytes(b"\x1f\x8b\x08\x00\xff")
    with pytest.raises(InputError, match="not text at byte 1"):
        read_meme(tmp_path / "binary.meme")


@pytest.mark.parametrize(
    ("factor", "name"),
    [("CTCF", "CTCF_f2"), ("ctcf", "CTCF_f2"), ("MAX_f1", "MAX_f1"), ("max", "MAX_f1"), ("sp1_f2", "SP1_f2")],
)
def test_find_motif_by_either_name_in_any_case(factor, name):
    names = [("CTCF_f2", "CTCF"), ("MAX_f1", ""), ("SP1_f1", "SP1"), ("SP1_f2", "SP1")]
    motifs = {n: sharp("ACG", name=n, alternate=a) for n, a in names}
    assert find_motif(motifs, factor).name == name


def test_find_motif_without_one_match_lists_names():
    motifs = {n: sharp("ACG", name=n, alternate=n[:-3]) for n in ("FOXA1_f1", "FOXA2_f1", "CTCF_f2", "FOXA2_si")}
    with pytest.raises(UsageError, match=r"no motif for FOXA3 among 4; close names: .*FOXA1"):
        find_motif(motifs, "FOXA3")
    with pytest.raises(UsageError, match=r"close names: none"):
        find_motif(motifs, "ZZZZZZ")
    with pytest.raises(UsageError, match=r"FOXA2 has 2 motifs; name one of FOXA2_f1, FOXA2_si"):
        find_motif(motifs, "FOXA2")


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
