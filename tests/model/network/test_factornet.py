from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from factornet.model import FactorNet, NetworkConfig, one_hot
from factornet.model.network.config import strand_order
from factornet.model.training.step.loss import cross_entropy
from factornet.store.errors import UsageError

STRANDED = ("Unique35", "DNase_fwd", "DNase_rev")


def small(**changes: Any) -> NetworkConfig:
    defaults: dict[str, Any] = {"tasks": ("CTCF",), "tracks": ("Unique35", "DGF"), "window_length": 60, "kernels": 8}
    return NetworkConfig(**{**defaults, "kernel_width": 8, "recurrent": 5, "dense": 7, **changes})


def inputs(config: NetworkConfig, n: int = 4, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor | None]:
    rng = np.random.default_rng(seed)
    codes = torch.from_numpy(rng.integers(0, 5, (n, config.window_length)).astype(np.uint8))
    tracks = torch.from_numpy(rng.random((n, len(config.tracks), config.window_length), np.float32))
    features = torch.from_numpy(rng.random((n, config.features), np.float32)) if config.features else None
    return codes, tracks, features


def perturbed(config: NetworkConfig, *, seed: int = 0) -> FactorNet:
    """Return a network in which every weight affects the output (initial values are small, biases 0)."""
    network = FactorNet(config, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.15)
    return network


def reverse_complement(codes: Tensor, tracks: Tensor, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Reverse-complement by table and by name, base by base, unlike the network."""
    complement = {0: 3, 1: 2, 2: 1, 3: 0, 4: 4}
    complemented = torch.tensor([[complement[int(c)] for c in reversed(row)] for row in codes], dtype=torch.uint8)
    swap = {"_fwd": "_rev", "_rev": "_fwd"}
    partner = [names.index(n[:-4] + swap[n[-4:]]) if n[-4:] in swap else i for i, n in enumerate(names)]
    return complemented, torch.stack([tracks[:, i].flip(1) for i in partner], dim=1)


BRANCHES = [
    pytest.param({}, 6 * 13, id="recurrent"),  # 53 positions // 4 = 13 steps
    pytest.param({"recurrent": 0}, 8 * 13, id="no recurrent layer"),
    pytest.param({"recurrent": -1}, 8, id="global pooling"),
    pytest.param({"recurrent": -1, "meta": ("GEPC1", "GEPC2"), "gencode": True}, 8, id="global pooling, features"),
    pytest.param({"meta": ("GEPC1",)}, 78, id="meta"),
    pytest.param({"gencode": True, "gates": "hard_sigmoid"}, 78, id="gencode, published gates"),
    pytest.param({"tasks": ("A", "B", "C")}, 78, id="several tasks"),
    pytest.param({"tracks": ()}, 78, id="sequence only"),
    pytest.param({"kernel_width": 9, "window_length": 61, "kernels": 1}, 78, id="odd kernel, one of them"),
]


@pytest.mark.parametrize(("changes", "flat"), BRANCHES)
def test_shapes_probabilities_and_gradients(changes, flat):
    config = small(**{"recurrent": 3, **changes})
    assert config.flat == flat
    network = perturbed(config)
    x = inputs(config)
    y = network(*x)
    assert y.shape == (4, len(config.tasks))
    assert ((y > 0) & (y < 1)).all()
    assert network.logits_per_strand(*x).shape == (2, 4, len(config.tasks))
    network.train()(*x).log().sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("changes", [{}, {"recurrent": 0}, {"recurrent": -1}, {"gencode": True}, {"kernel_width": 9}])
@pytest.mark.parametrize("tracks", [(), ("Unique35", "DGF"), STRANDED])
def test_reverse_complement_has_the_same_output(changes, tracks):
    config = small(tracks=tracks, **changes)
    network = perturbed(config)
    codes, signal, features = inputs(config)
    complemented = reverse_complement(codes, signal, tracks) if tracks else (
        reverse_complement(codes, signal.new_zeros(4, 1, 60), ("x",))[0], signal
    )  # fmt: skip
    forward = network.logits_per_strand(codes, signal, features)
    assert torch.allclose(forward.flip(0), network.logits_per_strand(*complemented, features), atol=1e-6)
    assert torch.allclose(network(codes, signal, features), network(*complemented, features), atol=1e-6)
    assert not torch.allclose(forward[0], forward[1], atol=1e-3)


def test_stranded_tracks_swap_on_the_reverse_strand():
    config = small(tracks=STRANDED)
    network = perturbed(config)
    codes, signal, _ = inputs(config)
    plain = perturbed(small(tracks=("Unique35", "DNase_a", "DNase_b")))
    assert torch.equal(network.logits_per_strand(codes, signal)[0], plain.logits_per_strand(codes, signal)[0])
    assert not torch.allclose(network.logits_per_strand(codes, signal)[1], plain.logits_per_strand(codes, signal)[1])


def test_n_is_encoded_as_zeros():
    assert one_hot(torch.tensor([0, 1, 2, 3, 4, 255], dtype=torch.uint8)).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    config = small()
    both = FactorNet(config).both_strands(*inputs(config)[:2])
    assert both[:, :, :4].sum(2).tolist() == [
        [float(c < 4) for c in row] for row in [*inputs(config)[0].tolist(), *inputs(config)[0].flip(1).tolist()]
    ]


def test_channels_are_bases_then_tracks():
    config = small()
    codes, tracks, _ = inputs(config)
    both = FactorNet(config).both_strands(codes, tracks)
    assert torch.equal(both[:4, :, 4], tracks[:, 0])
    assert torch.equal(both[:4, :, 5], tracks[:, 1])
    assert torch.equal(both[4:, :, 5], tracks[:, 1].flip(1))


def plain_forward(network: FactorNet, channels: np.ndarray, features: np.ndarray | None) -> np.ndarray:
    """Compute one strand's logits without the LSTM, in numpy, position by position, in FactorNet's order."""
    weights = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}
    config = network.config
    relu = lambda v: np.maximum(v, 0)  # noqa: E731
    rows = []
    for x in channels.astype(np.float64):
        patches = [x[i : i + config.kernel_width].T for i in range(config.positions)]
        layer1 = relu(np.stack([(weights["motifs.weight"] * p).sum((1, 2)) for p in patches]) + weights["motifs.bias"])
        layer2 = relu(layer1 @ weights["mixing.weight"].T + weights["mixing.bias"])
        steps = config.positions // config.pool
        pooled = np.stack([layer2[s * config.pool : (s + 1) * config.pool].max(0) for s in range(steps)])
        rows.append(pooled.reshape(-1))
    y = relu(np.stack(rows) @ weights["dense.weight"].T + weights["dense.bias"])
    if features is not None:
        y = relu(np.concatenate([y, features], 1) @ weights["context.weight"].T + weights["context.bias"])
    return y @ weights["output.weight"].T + weights["output.bias"]


@pytest.mark.parametrize("changes", [{"recurrent": 0}, {"recurrent": -1}, {"recurrent": 0, "gencode": True}])
def test_layers_are_those_of_the_paper(changes):
    config = small(**changes)
    network = perturbed(config)
    codes, tracks, features = inputs(config)
    channels = network.both_strands(codes, tracks).numpy()
    logits = plain_forward(network, channels, None if features is None else np.tile(features.numpy(), (2, 1)))
    actual = network.logits_per_strand(codes, tracks, features).detach().numpy()
    assert np.abs(actual.reshape(logits.shape) - logits).max() < 1e-5


def test_scan_of_a_longer_sequence_equals_the_scan_of_each_window():
    config = small()
    network = perturbed(config)
    sequence = torch.rand(1, 100, 6, generator=torch.Generator().manual_seed(0))
    scanned = network.scan(sequence)
    assert scanned.shape == (1, 93, 8)
    for start in (0, 17, 40):
        window = network.scan(sequence[:, start : start + 60])
        assert torch.allclose(scanned[:, start : start + 53], window, atol=1e-6)


def test_dropout_applies_in_training_only_and_depends_on_the_seed():
    config = small(gencode=True)
    network, x = perturbed(config), inputs(config)
    assert torch.equal(network(*x), network(*x))
    network.train()
    assert not torch.equal(network(*x), network(*x))
    torch.manual_seed(5)
    first = network(*x)
    torch.manual_seed(5)
    assert torch.equal(first, network(*x))


def test_dropout_has_its_rate_and_keeps_the_mean():
    network = FactorNet(small()).train()
    y = network._drop(torch.ones(1000, 103), 0.3)
    assert y.eq(0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert network._drop(torch.ones(3), 0.0).tolist() == [1, 1, 1]


def test_initial_weights_depend_on_the_seed_alone():
    before = torch.get_rng_state()
    a, b, c = FactorNet(small(), seed=1), FactorNet(small(), seed=1), FactorNet(small(), seed=2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert not torch.equal(a.motifs.weight, c.motifs.weight)


def test_initial_limits_are_those_of_keras_1():
    config = small(kernels=32, kernel_width=26, window_length=200, gencode=True)
    network = FactorNet(config)
    limits = {
        "motifs.weight": (6 / (6 * 32 * 27)) ** 0.5,
        "mixing.weight": (6 / 64) ** 0.5,
        "dense.weight": (6 / (config.flat + 7)) ** 0.5,
        "context.weight": (6 / (7 + 6 + 7)) ** 0.5,
        "output.weight": (6 / 8) ** 0.5,
    }
    weights = dict(network.named_parameters())
    for name, limit in limits.items():
        assert 0.7 * limit < weights[name].abs().max() <= limit, name
        assert weights[name.replace("weight", "bias")].abs().sum() == 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), []),
        (("Unique35", "DGF"), [0, 1]),
        (("Unique35", "DNase_fwd", "DNase_rev"), [0, 2, 1]),
        (("a_rev", "b_fwd", "c", "b_rev", "a_fwd"), [4, 3, 2, 1, 0]),
        (("fwd_a", "a_rev_b"), [0, 1]),
    ],
)
def test_strand_order(names, expected):
    assert strand_order(names) == expected


@given(st.permutations(["a_fwd", "a_rev", "b_fwd", "b_rev", "c", "d"]))
def test_strand_order_is_its_own_inverse(names):
    order = strand_order(names)
    assert [order[i] for i in order] == list(range(len(names)))


@pytest.mark.parametrize(("names", "missing"), [(("x", "a_fwd"), "a_rev"), (("a_rev",), "a_fwd")])
def test_stranded_track_without_its_partner_is_refused(names, missing):
    with pytest.raises(UsageError, match=missing):
        strand_order(names)
    with pytest.raises(UsageError, match=missing):
        small(tracks=names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ()}, "at least one task"),
        ({"tasks": ("a", "a")}, "'a' is repeated"),
        ({"tasks": ["a"]}, "tuple"),
        ({"tasks": ("a\nb",)}, "line breaks"),
        ({"tasks": ("\ud800",)}, "cannot be printed"),
        ({"meta": ("",)}, "is not a name"),
        ({"tracks": (" x",)}, "surrounding blanks"),
        ({"kernels": 0}, "kernels must be an integer >= 1, got 0"),
        ({"kernel_width": 1}, "kernel_width must be an integer >= 2"),
        ({"dense": 2.0}, "dense must be an integer >= 1, got 2.0"),
        ({"recurrent": True}, "recurrent must be an integer, got True"),
        ({"dropout": 1}, "dropout"),
        ({"dropout": "0.5"}, "dropout"),
        ({"dropout": float("nan")}, "nan"),
        ({"gencode": 6}, "gencode"),
        ({"gates": "tanh"}, "hard_sigmoid, got 'tanh'"),
        ({"window_length": 10}, "window_length 10 is too short: kernel_width 8 needs at least 11 bases"),
        ({"window_length": 7, "recurrent": -1}, "needs at least 8 bases"),
    ],
)
def test_invalid_config_is_refused_with_the_field(changes, message):
    with pytest.raises(UsageError, match=message):
        small(**changes)


@pytest.mark.parametrize("changes", [{"window_length": 11}, {"window_length": 8, "recurrent": -1}])
def test_shortest_allowed_window_is_accepted(changes):
    config = small(**changes)
    assert FactorNet(config).eval()(*inputs(config)).shape == (4, 1)


@settings(max_examples=50)
@given(
    recurrent=st.integers(-1, 4),
    names=st.lists(st.sampled_from(["a", "b", "c d", "é"]), unique=True).map(tuple),
    gencode=st.booleans(),
    dropout=st.floats(0, 0.99),
)
def test_config_round_trips_through_json(recurrent, names, gencode, dropout):
    config = small(recurrent=recurrent, tracks=names, meta=names, gencode=gencode, dropout=dropout)
    assert NetworkConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_config_from_json_with_missing_and_unknown_fields_is_refused():
    values = small().to_json()
    del values["dense"]
    with pytest.raises(UsageError, match=r"missing \['dense'\], unknown \['dens'\]"):
        NetworkConfig.from_json({**values, "dens": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, t, f: (c[:, 1:], t, f), r"codes must have shape \(4, 60\), got \(4, 59\)"),
        (lambda c, t, f: (c, t.mT, f), r"tracks must have shape \(4, 2, 60\), got \(4, 60, 2\)"),
        (lambda c, t, f: (c, t, None), r"features must have shape \(4, 6\), got None"),
        (lambda c, t, f: (c, t, f[:, :5]), r"features must have shape \(4, 6\), got \(4, 5\)"),
    ],
)
def test_wrong_shapes_are_refused(change, message):
    config = small(gencode=True)
    with pytest.raises(UsageError, match=message):
        FactorNet(config)(*change(*inputs(config)))


def test_features_for_a_network_without_features_are_refused():
    config = small()
    codes, tracks, _ = inputs(config)
    with pytest.raises(UsageError, match=r"none \(omit them\)"):
        FactorNet(config)(codes, tracks, torch.zeros(4, 6))


def test_empty_batch_has_empty_output():
    config = small(recurrent=0)
    assert FactorNet(config).eval()(*inputs(config, 0)).shape == (0, 1)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_confident_probabilities_under_autocast_have_a_finite_loss(label):
    network = perturbed(small()).train()
    with torch.no_grad():
        network.output.bias.fill_(12.0)
    with torch.autocast("cpu", torch.bfloat16):
        probabilities = network(*inputs(network.config))
    assert probabilities.dtype == torch.float32
    assert probabilities.bfloat16().eq(1).all()
    loss = cross_entropy(probabilities, torch.full_like(probabilities, label))
    loss.backward()
    assert 0 < loss < 20
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)
