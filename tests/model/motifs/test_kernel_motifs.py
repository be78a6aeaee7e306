"""Sites of kernels in sequence against a slow oracle, FactorNet's files, matches with known motifs."""

import csv
import io
import subprocess
import sys

import numpy as np
import pyBigWig
import pytest
import torch

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.model import Bins, FactorNet, Motif, NetworkConfig, find_kernel_sites, match_motifs, read_meme
from factornet.model.motifs import kernel_motifs as interpretation
from factornet.model.motifs.kernel_motifs import KernelSites, find_core, write_motifs
from factornet.model.motifs.tomtom import consensus, false_discovery_rates, kernel_rows, match_kernels, to_csv
from factornet.store import UsageError, open_store

CPU = torch.device("cpu")
SIZES = {"chrA": 900, "chrB": 400}
TRACKS = ("U", "S_fwd", "S_rev")
LENGTH, WIDTH, KERNELS = 60, 7, 6


# Sites against loops


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A store of two short chromosomes and two cell lines, one with a stranded pair of tracks, one without tracks; its
    bases as text; its signal by track and chromosome.
    """
    folder, rng = tmp_path_factory.mktemp("tiny"), np.random.default_rng(1)
    bases = {name: "".join(rng.choice(list("ACGT"), size)) for name, size in SIZES.items()}
    a = bases["chrA"]
    bases["chrA"] = a[:200] + "N" * 30 + a[230:300] + "ACGTTGCA" * 12 + a[396:500] + "N" * 90 + a[590:]
    (folder / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in bases.items()))
    # Quarters of small numbers, so that sums of products are exact in whatever order they are added.
    signal = {(t, name): rng.integers(0, 9, size) / 4 for t in TRACKS for name, size in SIZES.items()}
    for cell in ("CELL", "BARE"):
        (folder / cell).mkdir()
        (folder / cell / "meta.txt").write_text("0.5\tGEPC1\n")
    (folder / "CELL/bigwig.txt").write_text("".join(f"{t}.bw\t{t}\n" for t in TRACKS))
    for t in TRACKS:
        file = pyBigWig.open(str(folder / f"CELL/{t}.bw"), "w")
        file.addHeader(list(SIZES.items()))
        for name in SIZES:
            file.addEntries(name, 0, values=signal[t, name].tolist(), span=1, step=1)
        file.close()
    build_genome(folder / "s.zarr", GenomeInputs(folder / "g.fa"), GenomeOptions(assembly="tiny"), Resources(1))
    for cell in ("CELL", "BARE"):
        build_cell(folder / "s.zarr", folder / cell, CellOptions(), Resources(1))
    return open_store(folder / "s.zarr"), bases, signal


def exact_network(tracks):
    """Weights in eighths. Kernel 2 is never above 0, kernel 3 exactly 0, kernel 4 the same everywhere (all positions tie)."""
    config = NetworkConfig(
        tasks=("TF",), tracks=tracks, window_length=LENGTH, kernels=KERNELS, kernel_width=WIDTH, recurrent=-1, dense=2
    )
    network, rng = FactorNet(config), np.random.default_rng(2)
    with torch.no_grad():
        for layer in (network.motifs, network.mixing):
            for values in (layer.weight, layer.bias):
                values.copy_(torch.from_numpy(rng.integers(-8, 9, values.shape) / 8))
        network.motifs.weight[2:5] = 0
        network.motifs.bias[2:5] = torch.tensor([-1.0, 0.0, 2.0])
        network.mixing.weight[1] = -1
        network.mixing.bias[1] = 0
    return network


def strands_of(bases, signal, tracks, name, middle):
    """Channels of the window around a position and of its reverse complement, letter by letter, (L, 4 + T) each."""
    swap = {t: t for t in tracks} | {"S_fwd": "S_rev", "S_rev": "S_fwd"}
    positions = range(middle - LENGTH // 2, middle - LENGTH // 2 + LENGTH)
    inside = [0 <= i < SIZES[name] for i in positions]
    text = [bases[name][i] if ok else "N" for i, ok in zip(positions, inside, strict=True)]
    values = {t: [signal[t, name][i] if ok else 0.0 for i, ok in zip(positions, inside, strict=True)] for t in tracks}
    forward = [[*(b == x for x in "ACGT"), *(values[t][i] for t in tracks)] for i, b in enumerate(text)]
    other = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}
    reverse = [
        [*(other[text[i]] == x for x in "ACGT"), *(values[swap[t]][i] for t in tracks)] for i in reversed(range(LENGTH))
    ]
    return np.array(forward, float), np.array(reverse, float)


def oracle(network, bases, signal, *, sequences, names):
    """Sums of both layers by loops over sequences, strands, kernels and positions."""
    tracks = network.config.tracks
    weight, bias = (p.detach().double().numpy() for p in (network.motifs.weight, network.motifs.bias))
    mixing, mixing_bias = (p.detach().double().numpy() for p in (network.mixing.weight, network.mixing.bias))
    sums = np.zeros((2, KERNELS, WIDTH, 4 + len(tracks)))
    sites, total, highest = np.zeros((2, KERNELS), int), np.zeros((2, KERNELS)), np.zeros((2, KERNELS))
    for c, start, stop in zip(sequences.chrom, sequences.start, sequences.stop, strict=True):
        for x in strands_of(bases, signal, tracks, names[c], int(start + stop) // 2):
            first = [[max((x[p : p + WIDTH].T * w).sum() + b, 0) for w, b in zip(weight, bias, strict=True)]
                     for p in range(LENGTH - WIDTH + 1)]  # fmt: skip
            second = [[max(m @ y + b, 0) for m, b in zip(mixing, mixing_bias, strict=True)] for y in np.array(first)]
            for layer, activations in enumerate((first, second)):
                for k in range(KERNELS):
                    column = [row[k] for row in activations]
                    best = max(column)
                    if best > 0:
                        position = column.index(best)
                        sums[layer, k] += x[position : position + WIDTH]
                        sites[layer, k] += 1
                        total[layer, k] += best
                        highest[layer, k] = max(highest[layer, k], best)
    return sums, sites, total, highest


@pytest.mark.parametrize("cell", ["CELL", "BARE"])
@pytest.mark.parametrize("windows", [1, 5, 1000])
def test_sites_equal_those_of_loops(tiny, monkeypatch, cell, windows):
    store, bases, signal = tiny
    tracks = TRACKS if cell == "CELL" else ()
    network = exact_network(tracks)
    middles = [
        0,
        3,
        25,
        190,
        215,
        230,
        330,
        340,
        480,
        545,
        897,
        899,
        120,
        700,
    ]  # in chrA; runs of N, repeats, both ends
    chrom = np.array([0] * len(middles) + [1, 1, 1])
    start = np.array([*(max(m - 2, 0) for m in middles), 0, 396, 200])
    sequences = Bins(chrom, start, np.array([*(m + 1 for m in middles), 1, 400, 215]))
    per_window = 2 * KERNELS * (LENGTH - WIDTH + 1)
    monkeypatch.setattr(interpretation, "_BATCH_VALUES", windows * per_window)
    seen = []
    found = find_kernel_sites(network, store, cell, sequences, device=CPU, on_batch=seen.append)
    assert sum(seen) == len(sequences)
    assert max(seen) == min(windows, len(sequences))
    sums, sites, total, highest = oracle(network, bases, signal, sequences=sequences, names=store.coordinates.names)
    for i, layer in enumerate(found):
        n = np.maximum(sites[i], 1)
        np.testing.assert_array_equal(layer.sites, sites[i])
        np.testing.assert_array_equal(layer.counts, sums[i, :, :, :4])
        np.testing.assert_allclose(layer.mean_signal, (sums[i, :, :, 4:] / n[:, None, None]).transpose(2, 0, 1))
        np.testing.assert_allclose(layer.mean_activation, total[i] / n)
        np.testing.assert_array_equal(layer.max_activation, highest[i])
    first, second = found
    assert first.sites[[2, 3, 4]].tolist() == [0, 0, 2 * len(sequences)], "never, exactly 0, everywhere"
    assert (first.counts[4].sum(1) < first.sites[4]).all(), "N counts as no base"
    assert second.sites[1] == 0
    assert (first.sites[[0, 1, 5]] > 0).all()


def test_sites_need_the_tracks_of_the_network_but_no_meta_values(tiny):
    store, *_ = tiny
    one = Bins(np.array([0]), np.array([100]), np.array([200]))
    with pytest.raises(
        UsageError,
        match=r"BARE has no tracks 'U', 'S_fwd', 'S_rev'; it has none; the model was trained on U, S_fwd, S_rev",
    ):
        find_kernel_sites(exact_network(TRACKS), store, "BARE", one, device=CPU)
    config = NetworkConfig(tasks=("TF",), tracks=(), meta=("X",), window_length=60, kernel_width=7, recurrent=-1)
    first, _ = find_kernel_sites(FactorNet(config), store, "BARE", one, device=CPU)
    assert first.sites.max() == 2


# Statistics of the counts


def sites_of(counts, mean_signal=None):
    counts = np.asarray(counts, float)
    sites = counts.sum(2).max(1).astype(int)
    zeros = np.zeros(len(counts))
    signal = np.zeros((0, *counts.shape[:2])) if mean_signal is None else mean_signal
    return KernelSites(counts, sites, signal, zeros + 1.5, zeros + 4)


def planted(probabilities, width, start, n=500):
    """Counts of a kernel whose motif begins at `start`; the bases around it are equally frequent."""
    counts = np.full((width, 4), n / 4)
    counts[start : start + len(probabilities)] = probabilities * n
    return counts


def test_information_is_corrected_for_few_sites():
    even, sure = [25, 25, 25, 25], [100, 0, 0, 0]
    layer = sites_of([[even, sure, [50, 50, 0, 0], [0, 0, 0, 0]]])
    chance = 3 / (2 * np.log(2) * 100)
    np.testing.assert_allclose(layer.information, [[0, 2 - chance, 1 - chance, 0]])
    np.testing.assert_allclose(layer.probabilities[0, 3], 0.25)
    assert sites_of([[[1, 0, 0, 0], [0, 1, 0, 0]]]).information.tolist() == [[0, 0]], "one site has no information"


@pytest.mark.parametrize(
    ("bits", "core"),
    [
        ([0, 0, 1, 2, 0.1, 1, 0, 0.3], (2, 6)),
        ([0.1, 0.2, 0], (0, 0)),
        ([2], (0, 1)),
        ([0.3, 0, 0, 0, 1.5], (4, 5)),
        ([1, 1, 1], (0, 3)),
    ],
)
def test_core_has_the_largest_sum(bits, core):
    assert find_core(np.array(bits, float)) == core


def test_sharp_motif_ranks_above_a_weak_preference_and_a_rare_motif():
    sharp = np.eye(4)[[0, 1, 2, 3, 0, 1]] * 0.9 + 0.025
    faint = np.tile([0.1, 0.4, 0.4, 0.1], (20, 1))
    layer = sites_of([planted(faint, 20, 0), planted(sharp, 20, 8), np.zeros((20, 4)), planted(sharp, 20, 3, n=60)])
    assert layer.ranked == [1, 3, 0]
    assert layer.cores[1].tolist() == [8, 14]
    rows = kernel_rows(2, layer, {})
    assert [(r.layer, r.rank, r.kernel) for r in rows][:1] == [(2, 1, 1)]
    assert rows[0].consensus == "ACGTAC"
    again = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert [int(r["kernel"]) for r in again] == layer.ranked
    assert again[0]["p_value"] == ""


def test_consensus_of_one_two_and_more_bases():
    rows = [[0.6, 0.2, 0.1, 0.1], [0.6, 0.3, 0.1, 0], [0.4, 0, 0.4, 0.2], [0.25] * 4, [0, 0, 0, 1], [0, 0.5, 0.5, 0]]
    assert consensus(np.array(rows, float)) == "AMRnTS"


def test_written_motifs_and_signals_are_read_back(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 50, (4, 9, 4)).astype(float)
    counts[2] = 0
    counts[3, 4] = 0  # only N there
    layer = sites_of(counts, rng.random((2, 4, 9)))
    write_motifs(tmp_path, (layer, layer), ("Unique35", "DGF"))
    for suffix in ("", "2"):
        motifs = read_meme(tmp_path / f"motifs{suffix}.txt")
        assert list(motifs) == ["MOTIF0", "MOTIF1", "MOTIF3"], "kernel 2 has no site"
        for name, motif in motifs.items():
            k = int(name.removeprefix("MOTIF"))
            np.testing.assert_allclose(motif.probabilities, layer.probabilities[k], atol=1e-6)
            assert f"nsites= {layer.sites[k]} " in (tmp_path / f"motifs{suffix}.txt").read_text()
        for t, track in enumerate(("Unique35", "DGF")):
            signal = np.load(tmp_path / f"{track}_meansignal{suffix}.npy")
            np.testing.assert_array_equal(signal, layer.mean_signal[t])
    assert len(list(tmp_path.iterdir())) == 6


# Known motifs


def random_motifs(n, rng):
    return [Motif(f"M{i}", "", rng.dirichlet([0.3] * 4, rng.integers(8, 14))) for i in range(n)]


@pytest.mark.parametrize("reverse", [False, True])
def test_tomtom_finds_a_planted_motif_and_its_alignment(reverse):
    known = random_motifs(40, np.random.default_rng(4))
    target = known[17]
    p = target.probabilities[::-1, ::-1] if reverse else target.probabilities
    layer = sites_of([np.zeros((34, 4)), planted(p, 34, 19), np.full((34, 4), 100)])
    matches = match_kernels(layer, known)
    assert list(matches) == [1], "kernel 0 has no sites, kernel 2 no core"
    match = matches[1]
    assert (match.motif.name, match.reverse, match.start) == ("M17", reverse, 19)
    assert match.p_value < 1e-6
    assert match.p_value <= match.q_value < 1e-3
    np.testing.assert_array_equal(match.oriented, p)
    [row] = [r for r in kernel_rows(1, layer, matches) if r.kernel == 1]
    assert (row.match, row.p_value) == ("M17", match.p_value)


def test_no_queries_have_no_match():
    assert match_motifs([], random_motifs(3, np.random.default_rng(0))) == []


def test_name_of_a_match_includes_its_factor():
    rng = np.random.default_rng(0)
    known = [Motif("MA0058.3", "MAX", rng.dirichlet([0.3] * 4, 9)), Motif("CTCF_f2", "CTCF", np.full((9, 4), 0.25))]
    [match] = match_motifs([known[0].probabilities], known)
    assert match.name == "MA0058.3 (MAX)"


@pytest.mark.parametrize("shape", [(5, 7), (1, 4), (3, 1), (1, 1)])
def test_false_discovery_rates_equal_their_definition(shape):
    p = np.random.default_rng(0).random(shape).round(2) ** 3  # with ties
    slow = np.empty(shape)
    for i, value in np.ndenumerate(p):
        slow[i] = min(1, *(other * p.size / (p <= other).sum() for other in p.ravel() if other >= value), 1)
    np.testing.assert_allclose(false_discovery_rates(p), slow)


def test_matching_leaves_the_number_of_threads_alone():
    """In a process of its own: numba starts its threads once, and changed torch's number to that of all cores."""
    program = """
import numpy as np, torch
from factornet.model import Motif, match_motifs
torch.set_num_threads(1)
x, w = torch.ones(200, 5000).cumsum(1).sin(), torch.ones(5, 5000).cumsum(1).cos()
before = torch.nn.functional.linear(x, w)
rng = np.random.default_rng(0)
known = [Motif(f"m{i}", "", rng.dirichlet(np.ones(4), 8)) for i in range(30)]
match_motifs([known[0].probabilities], known)
print(torch.get_num_threads(), torch.equal(before, torch.nn.functional.linear(x, w)))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "1 True\n", ended.stderr
