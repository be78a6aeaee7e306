"""Networks over blocks whose logits are averaged, blended with boosted trees and a regression."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .bin_features import BinFeatures, feature_count, linear_columns
from .block_config import BlockConfig
from .blocks import BlockNetwork
from .factornet import one_hot
from .mean_signal import MeanSignal
from .trees import BoostedTrees

_SEEDS_APART = 1000  # members of neighbouring seeds of an ensemble are different


class BlockEnsemble(nn.Module):
    """What is trained on segments: members that differ in their initial weights, and trees.

    Args:
        config: of the members and the trees.
        seed: of the first member; that of each other member is 1,000 more than that of the one before.

    Attributes:
        members: the networks.
        trees: boosted trees of each task; None without.
        motif_odds: log odds of the motif that the trees see, float32 (tasks, 2 strands, 4, width); 0 without a motif.
        slopes, offset: of a logistic regression on few features, in natural log odds, float32 (tasks, features) and
            (tasks,).
        mean_signal: the mean over cell lines of ``config.mean_tracks``; None before it is known, or without.
        shares: of the mean of the members, the trees and the regression in the logit of each task, float32 (tasks, 3).
    """

    motif_odds: Tensor
    slopes: Tensor
    offset: Tensor
    shares: Tensor

    def __init__(self, config: BlockConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(
            BlockNetwork(config.of_member(i), seed=seed + i * _SEEDS_APART) for i in range(len(config.members))
        )
        self.trees: BoostedTrees | None = None
        self.mean_signal: MeanSignal | None = None
        if config.trees:
            tasks = len(config.tasks)
            self.trees = BoostedTrees(tasks, config.trees, config.nodes)
            self.register_buffer("motif_odds", torch.zeros(tasks, 2, 4, config.motif_width))
            self.register_buffer("slopes", torch.zeros(tasks, len(linear_columns(config))))
            self.register_buffer("offset", torch.zeros(tasks))
            self.register_buffer("shares", torch.tensor([1.0, 0.0, 0.0]).repeat(tasks, 1))

    @property
    def networks(self) -> list[BlockNetwork]:
        """The members."""
        return list(self.members)  # type: ignore[arg-type]

    def both_strands(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return blended logits, (B, bins, tasks); arguments as for `BlockNetwork.forward`.

        The members' are averaged over both strands. Trees see the best hit of either strand.
        """
        if self.trees is None:
            return self.member_logits(codes, tracks, annotation)
        return (self.parts(codes, tracks, annotation) * self.shares.T[:, None, None]).sum(0)

    def member_logits(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return the logits averaged over members and strands, (B, bins, tasks)."""
        found = [n.both_strands(codes, n.own_signals(tracks), annotation) for n in self.networks]
        return torch.stack(found).mean(0)

    def parts(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return the logits of members, trees and regression, (3, B, bins, tasks)."""
        assert self.trees is not None, "the configuration has trees"
        columns, sums, linear = linear_columns(self.config), [], []
        with torch.autocast(codes.device.type, enabled=False):  # trees compare features with thresholds in float32
            features = self.bin_features(codes, tracks, annotation)
            for task in range(len(self.config.tasks)):
                rows = features.of_task(self.motif_odds[task])
                sums.append(self.trees(rows.flatten(0, 1), task).view(rows.shape[:2]))
                linear.append(rows[..., columns] @ self.slopes[task] + self.offset[task])
        logits = self.member_logits(codes, tracks, annotation)
        return torch.stack([logits, torch.stack(sums, dim=-1), torch.stack(linear, dim=-1)])

    def bin_features(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> BinFeatures:
        """Return the features of the bins, which the trees compare."""
        return BinFeatures(self.config, one_hot(codes, dtype=torch.float32).mT, tracks.float(), annotation)

    def check(self) -> None:
        """Check values on which the computation relies, of weights from a file.

        Raises:
            UsageError: a tree leads to a node that does not exist.
        """
        if self.trees is not None:
            self.trees.check(feature_count(self.config))


class EnsembleParts(BlockEnsemble):
    """An ensemble with three outputs per task: those of its members, of its trees, and of its regression.

    Args:
        whole: with trees.
    """

    def __init__(self, whole: BlockEnsemble) -> None:
        nn.Module.__init__(self)
        self.whole, self.mean_signal = whole, whole.mean_signal
        tasks = whole.config.tasks
        names = (*tasks, *(f"{part} of {task}" for part in ("trees", "regression") for task in tasks))
        self.config = replace(whole.config, tasks=names)

    def both_strands(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return (B, bins, 3 tasks): all tasks of the first part come first."""
        return torch.cat(list(self.whole.parts(codes, tracks, annotation)), dim=-1)
