"""Networks over blocks whose logits are averaged, blended with the sums of boosted trees."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .bin_features import BinFeatures, feature_count
from .block_config import BlockConfig
from .blocks import BlockNetwork
from .factornet import one_hot
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
        tree_weight: share of the trees in the logit of each task, float32 (tasks,), from 0 to 1; the members have the
            rest.
    """

    motif_odds: Tensor
    tree_weight: Tensor

    def __init__(self, config: BlockConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(BlockNetwork(config, seed=seed + i * _SEEDS_APART) for i in range(config.members))
        self.trees: BoostedTrees | None = None
        if config.trees:
            tasks = len(config.tasks)
            self.trees = BoostedTrees(tasks, config.trees, config.nodes)
            self.register_buffer("motif_odds", torch.zeros(tasks, 2, 4, config.motif_width))
            self.register_buffer("tree_weight", torch.zeros(tasks))

    @property
    def networks(self) -> list[BlockNetwork]:
        """The members."""
        return list(self.members)  # type: ignore[arg-type]

    def both_strands(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return blended logits, (B, bins, tasks); arguments as for `BlockNetwork.forward`.

        The members' are averaged over both strands. Trees see the best hit of either strand.
        """
        logits = self.member_logits(codes, tracks, annotation)
        if self.trees is None or not self.tree_weight.any():
            return logits
        sums = self.tree_sums(codes, tracks, annotation)
        return logits + self.tree_weight * (sums - logits)

    def member_logits(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return the logits averaged over members and strands, (B, bins, tasks)."""
        return torch.stack([n.both_strands(codes, tracks, annotation) for n in self.networks]).mean(0)

    def tree_sums(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return the sums of the trees of each task, float32 (B, bins, tasks)."""
        assert self.trees is not None, "the configuration has trees"
        features = self.bin_features(codes, tracks, annotation)
        sums = []
        for task in range(len(self.config.tasks)):
            rows = features.of_task(self.motif_odds[task])
            sums.append(self.trees(rows.flatten(0, 1), task).view(rows.shape[:2]))
        return torch.stack(sums, dim=-1)

    def bin_features(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> BinFeatures:
        """Return the features of the bins, which the trees compare."""
        return BinFeatures(self.config, one_hot(codes, dtype=torch.float32).mT, tracks.float(), annotation)

    def check(self) -> None:
        """Check values on which the computation relies, of weights from a file.

        Raises:
            UsageError: a tree leads to what does not exist.
        """
        if self.trees is not None:
            self.trees.check(feature_count(self.config))


class EnsembleParts(BlockEnsemble):
    """An ensemble with two outputs per task: the logits of its members, then, task by task, the sums of its trees.

    Args:
        whole: with trees.
    """

    def __init__(self, whole: BlockEnsemble) -> None:
        nn.Module.__init__(self)
        self.whole = whole
        tasks = whole.config.tasks
        self.config = replace(whole.config, tasks=(*tasks, *(f"trees of {task}" for task in tasks)))

    def both_strands(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return (B, bins, 2 tasks)."""
        logits = self.whole.member_logits(codes, tracks, annotation)
        return torch.cat([logits, self.whole.tree_sums(codes, tracks, annotation)], dim=-1)
