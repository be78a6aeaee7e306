"""Cases of networks over blocks: steps of training, and scores of a tile's bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from gpu_cost import block_layers, trained
from gpu_data import ArrayStore, Inputs, Sizes, block_config, make_ensemble, segment_inputs
from gpu_measure import Work
from gpu_paths import BFLOAT16, DEFAULT, check_loops, graphed_pass, loss_of, on_device
from gpu_timing import BINS, Case, check_finite
from torch.nn.utils import clip_grad_norm_

from factornet.model.network.block_config import recommended_members
from factornet.model.network.blocks import BlockNetwork
from factornet.model.prediction.scorers.block_scores import BlockScorer
from factornet.store.schema import STRIDE


def block_step(network: BlockNetwork, inputs: Inputs, *, reads_back: bool = True) -> Work:
    """Return a step of `training.blocks.trainer` for one of its networks, half of the segments on either strand."""
    check_loops(inputs.codes.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001)
    reverse = torch.arange(len(inputs.codes), device=inputs.codes.device) % 2 == 0

    def step() -> None:
        codes, tracks = network.reversed_inputs(inputs.codes, inputs.tracks)
        chosen = Inputs(
            torch.where(reverse[:, None], codes, inputs.codes),
            torch.where(reverse[:, None, None], tracks, inputs.tracks),
            torch.where(reverse[:, None, None], inputs.labels.flip(1), inputs.labels),
        )
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(network, chosen)
        loss.backward()
        norm = clip_grad_norm_(network.parameters(), 1.0)
        if reads_back:
            check_finite(torch.stack([loss.detach(), norm]))
        optimizer.step()

    return step


def block_cases(store: ArrayStore, device: torch.device, sizes: Sizes) -> list[Case]:
    """Return training and prediction of networks over blocks; bins of one network a second, and of an ensemble."""
    config = block_config(sizes)
    network, cases = make_ensemble(config).networks[0], []
    for n in sizes.segments:
        inputs = segment_inputs(store, network, n, bins=sizes.bins, seed=4).to(device)
        layers = (trained(block_layers(config, bins=sizes.bins)), n)

        def make(reads_back: bool, inputs: Inputs = inputs) -> Callable[[], Work]:
            return lambda: block_step(on_device(network, device).train(), inputs, reads_back=reads_back)

        for name, reads_back in (("default", True), ("default, no fetch", False)):
            label = f"train blocks x{n} segments, {name}"
            bins = n * sizes.bins
            made = make(reads_back)
            cases.append(Case(name=label, make=made, precision=DEFAULT, n=bins, unit=BINS, layers=layers))
        if device.type == "cuda":
            cases.append(_graphed_blocks(network, inputs, n, device, sizes))
    return cases + _block_tile_cases(store, device, sizes)


def _graphed_blocks(network: BlockNetwork, inputs: Inputs, n: int, device: torch.device, sizes: Sizes) -> Case:
    def made() -> Work:
        graphed = graphed_pass(on_device(network, device).train(), inputs)
        return lambda: graphed(inputs)

    return Case(
        name=f"train blocks x{n} segments, default, graph, passes only",
        make=made,
        precision=DEFAULT,
        n=n * sizes.bins,
        unit=BINS,
        layers=(trained(block_layers(network.config, bins=sizes.bins)), n),
        profiled=False,
    )


def _block_tile_cases(store: ArrayStore, device: torch.device, sizes: Sizes) -> list[Case]:
    n, cases = sizes.tile, []
    for members, trees, precision in ((1, 0, DEFAULT), (1, 0, BFLOAT16), (3, 0, DEFAULT), (3, sizes.trees, DEFAULT)):
        config = block_config(sizes, members=recommended_members(members), trees=trees)
        codes, tracks = map(torch.from_numpy, store.tile(config.window_length + n * STRIDE))
        arguments: list[Any] = [t.to(device) for t in (codes, tracks, torch.arange(n) * STRIDE)]

        def made(config: Any = config, arguments: list[Any] = arguments, amp: bool = precision.amp) -> Work:
            check_loops(device)
            scorer = BlockScorer(on_device(make_ensemble(config), device).eval())
            return lambda: scorer.score(*arguments, amp=amp).cpu()

        cases.append(
            Case(
                name=f"predict blocks {members}, {trees} trees, tile, {precision.name}",
                make=made,
                precision=precision,
                n=n,
                unit=BINS,
                layers=(block_layers(config, bins=n), 2 * members),
            )
        )
    return cases
