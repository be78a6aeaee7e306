"""The network over blocks: scores do not depend on the stretch they are computed in, nor on the strand."""

import numpy as np
import pytest
import torch

from factornet.model.network.block_config import BlockConfig, recommended_members
from factornet.model.network.block_ensemble import BlockEnsemble
from factornet.model.network.blocks import BlockNetwork, block_signal
from factornet.store.errors import UsageError

CONFIG = BlockConfig(tasks=("CTCF", "MAX"), tracks=("DNase_fwd", "DNase_rev", "U"), kernels=5, kernel_width=8, width=16)


def make_inputs(n_bins, *, config=CONFIG, batch=2, seed=0):
    length = 2 * config.margin + (n_bins + 3) * 50
    rng = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 5, (batch, length), dtype=torch.uint8, generator=rng)
    return codes, 10 * torch.rand(batch, len(config.tracks), length, generator=rng)


@pytest.fixture(scope="module")
def network():
    network = BlockNetwork(CONFIG, seed=1)
    for _ in range(3):  # batch statistics of other than 0 and 1
        network(*make_inputs(20, seed=2))
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize("method", ["forward", "both_strands"])
def test_score_of_a_bin_does_not_depend_on_the_stretch(network, method):
    codes, tracks = make_inputs(30)
    score = getattr(network, method)
    whole = score(codes, tracks)
    assert whole.shape == (2, 30, 2)
    for first, n in ((0, 1), (7, 5), (29, 1)):
        part = slice(first * 50, first * 50 + 2 * CONFIG.margin + (n + 3) * 50)
        torch.testing.assert_close(score(codes[:, part], tracks[..., part]), whole[:, first : first + n])


@torch.no_grad()
def test_both_strands_have_the_same_scores(network):
    codes, tracks = make_inputs(12)
    reverse = network.reversed_inputs(codes, tracks)
    torch.testing.assert_close(network.both_strands(*reverse).flip(1), network.both_strands(codes, tracks))
    alone = (network(codes, tracks) + network(*reverse).flip(1)) / 2
    torch.testing.assert_close(alone, network.both_strands(codes, tracks))


@torch.no_grad()
def test_bases_and_signal_beyond_the_margin_do_not_count_and_those_inside_do(network):
    codes, tracks = make_inputs(1, batch=1)
    score = network(codes, tracks)
    kernel_reach = CONFIG.halo * 50 + CONFIG.kernel_width // 2
    middle = codes.shape[1] // 2
    for position, matters in ((middle - 100 - kernel_reach - 1, False), (middle, True)):
        changed = codes.clone()
        changed[0, position : position + 1] = (codes[0, position] + 1) % 4
        assert matters or torch.equal(network(changed, tracks), score)
    for position in (0, tracks.shape[2] - 1):
        changed = tracks.clone()
        changed[..., position] += 1e6
        assert not torch.equal(network(codes, changed), score)


def test_channels_are_logarithms_of_centred_means():
    tracks = torch.rand(1, 1, 50 * 120)
    channels = block_signal(tracks)[0].numpy()
    means = tracks.numpy().reshape(120, 50).mean(1)
    assert channels.shape == (4, 20)
    for i in range(20):
        block = 50 + i
        expected = [means[block], means[block - 8 : block + 9].mean(), means[block - 50 : block + 51].mean()]
        expected.append(means[block - 5 : block + 6].max())
        np.testing.assert_allclose(channels[:, i], np.log1p(expected), rtol=1e-5)


def test_number_of_weights_is_as_stated():
    trees = {"trees": 3, "leaves": 5, "motif_width": 9, "members": ("focused", "plain"), "annotation": True}
    further = {"mean_tracks": ("D",), "auxiliary": ("C", "E", "F"), "members": recommended_members(5)}
    for config in (
        CONFIG,
        BlockConfig(tasks=("A",), tracks=()),
        BlockConfig(tasks=("A", "B"), tracks=("D",), **trees),
        BlockConfig(tasks=("A", "B"), tracks=("D", "E"), **trees | further),
    ):
        network = BlockEnsemble(config)
        counted = sum(v.numel() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked"))
        assert counted == config.weights_size
        assert BlockConfig.from_json(config.to_json()) == config


def test_every_other_member_is_plain():
    config = BlockConfig(
        tasks=("A",), tracks=("D",), mean_tracks=("D",), auxiliary=("B",), members=recommended_members(4)
    )
    ensemble = BlockEnsemble(config).eval()
    assert [n.config.signals for n in ensemble.networks] == [("D", "mean of D"), ("D",)] * 2
    assert [n.output.out_channels for n in ensemble.networks] == [2, 1, 2, 1]
    generator = torch.Generator().manual_seed(1)
    length = config.window_length
    codes, signals = torch.zeros(1, length, dtype=torch.uint8), torch.rand(1, 2, length, generator=generator)
    with torch.no_grad():
        found = ensemble.both_strands(codes, signals)
        each = [n.both_strands(codes, signals[:, : len(n.config.signals)]) for n in ensemble.networks]
    assert found.shape == (1, 1, 1)
    torch.testing.assert_close(found, torch.stack(each).mean(0))


def test_seed_alone_decides_the_weights():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, c = (BlockNetwork(CONFIG, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["motifs.weight"], c["motifs.weight"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 0}, "width"),
        ({"dropout": 1.0}, "dropout"),
        ({"dilations": (0,)}, "dilations"),
        ({"tasks": ()}, "task"),
        ({"mean_tracks": ("E",)}, "mean_tracks must be some of the tracks"),
        ({"auxiliary": ("A",)}, "tasks and auxiliary: 'A' is repeated"),
        ({"auxiliary": "B"}, "auxiliary must be a tuple of names"),
    ],
)
def test_configurations_out_of_range_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        BlockConfig(**{"tasks": ("A",), "tracks": ("D",), **values})


def test_wrong_shapes_are_refused(network):
    codes, tracks = make_inputs(3)
    with pytest.raises(UsageError, match="multiple of 50 bases"):
        network(codes[:, 1:], tracks[..., 1:])
    with pytest.raises(UsageError, match="tracks must have shape"):
        network(codes, tracks[:, :2])


@torch.no_grad()
@pytest.mark.parametrize("tracks", [(), ("D",)])
@pytest.mark.parametrize("motif_width", [0, 9])
def test_ensembles_without_tracks_or_motif_have_scores(tracks, motif_width):
    config = BlockConfig(
        tasks=("A", "B"),
        tracks=tracks,
        kernels=6,
        width=8,
        members=("focused", "plain"),
        trees=3,
        motif_width=motif_width,
    )
    ensemble = BlockEnsemble(config).eval()
    codes, signal = make_inputs(7, config=config)
    members = torch.stack([member.both_strands(codes, signal) for member in ensemble.networks]).mean(0)
    torch.testing.assert_close(ensemble.both_strands(codes, signal), members)  # nothing else counts at first
    ensemble.shares[:] = torch.tensor([0.5, 0.25, 0.25])
    torch.testing.assert_close(ensemble.both_strands(codes, signal), members / 2)  # trees and regression are 0


@pytest.mark.parametrize("members", [(), ("focused", "wide"), (3,), 3, "even", ({"even": 1},), {"even": 1}])
def test_unknown_kinds_of_members_are_refused(members):
    with pytest.raises(UsageError, match=r"members must name kinds of networks \(focused, plain, even\), one at least"):
        BlockConfig(tasks=("A",), tracks=(), members=members)


def test_recommended_members_come_in_turn_and_have_a_limit():
    assert recommended_members(6) == ("focused", "plain", "even", "plain", "focused", "plain")
    with pytest.raises(UsageError, match="members must be 1 to 1,000, got 4,000,000,000"):
        recommended_members(4_000_000_000)


def test_trees_and_regression_see_float32_under_autocast():
    config = BlockConfig(tasks=("A",), tracks=("D",), kernels=4, width=4, trees=1, motif_width=9)
    ensemble = BlockEnsemble(config).eval()
    generator = torch.Generator().manual_seed(3)
    ensemble.motif_odds.normal_(generator=generator)
    ensemble.slopes.normal_(generator=generator)
    codes = torch.randint(0, 4, (1, config.window_length), dtype=torch.uint8, generator=generator)
    tracks = torch.rand(1, 1, config.window_length, generator=generator)
    with torch.no_grad():
        expected = ensemble.parts(codes, tracks)[1:]
        with torch.autocast("cpu", torch.bfloat16):
            found = ensemble.parts(codes, tracks)[1:]
    assert torch.equal(found, expected)
