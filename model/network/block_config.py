"""The configuration of the network over blocks of 50 bases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from ...store.errors import UsageError
from ...store.schema import BIN, FEATURES, STRIDE
from .config import MAX_WEIGHTS, check_integer, check_names, strand_order

MEAN_BLOCKS = (1, 17, 101)
"""Blocks over which a track is averaged, each average a channel: 50 bases, 0.85 kb and 5 kb; odd, so centred."""
MAX_BLOCKS = 11
"""Blocks over which the highest block mean of a track is a channel: 0.55 kb."""
BIN_BLOCKS = BIN // STRIDE
_MOST_MEMBERS = 1000
MemberKind = Literal["focused", "plain", "even"]
"""Kind of a member of an ensemble: ``focused`` learns the auxiliary factors beside the tasks, all together at a weight
that the training gives, ``even`` all factors alike, ``plain`` the tasks alone and without mean signal."""
POOLS = 2
"""Maxima of each kernel kept per block, of 25 positions each."""


def recommended_members(n: int) -> tuple[MemberKind, ...]:
    """Return the kinds of `n` members that are recommended: focused, plain, even and plain in turn.

    Raises:
        UsageError: no member, or more than 1,000.
    """
    if not 1 <= n <= _MOST_MEMBERS:
        raise UsageError(f"members must be 1 to {_MOST_MEMBERS:,}, got {n:,}")
    turn: tuple[MemberKind, ...] = ("focused", "plain", "even", "plain")
    return (turn * n)[:n]


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """Configuration of a `BlockNetwork`.

    Args:
        tasks: names of the factors that are predicted.
        tracks: names of the signal tracks, in channel order; those ending in ``_fwd`` and ``_rev`` are pairs.
        kernels: number of kernels of the convolution over bases.
        kernel_width: bases a kernel spans.
        width: channels of the layers over blocks.
        dilations: dilation of each residual layer, in blocks.
        dropout: rate before and after the layer over the blocks of a bin.
        residual_dropout: rate in the residual layers.
        annotation: whether the annotation of the blocks is an input.
        mean_tracks: names of the tracks whose mean over cell lines, which the model keeps, is an input beside.
        auxiliary: names of further factors that the networks learn beside, each an output that prediction leaves out.
        members: kinds of the networks whose logits are averaged, one each; they differ in their initial weights, too.
        trees: number of boosted trees of each task; their sum and a regression are blended with the logits. 0 for
            neither.
        leaves: of a tree, at most.
        motif_width: columns of the motifs whose best hits the trees see; 0 where no factor has one.

    Raises:
        UsageError: a value is out of range; the message names the field.
    """

    tasks: tuple[str, ...]
    tracks: tuple[str, ...]
    kernels: int = 48
    kernel_width: int = 24
    width: int = 64
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    dropout: float = 0.3
    residual_dropout: float = 0.1
    annotation: bool = False
    mean_tracks: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    members: tuple[MemberKind, ...] = ("focused",)
    trees: int = 0
    leaves: int = 31
    motif_width: int = 0

    def __post_init__(self) -> None:
        for field in ("kernels", "kernel_width", "width"):
            check_integer(field, getattr(self, field), 1)
        named = isinstance(self.members, tuple) and all(isinstance(kind, str) for kind in self.members)
        if not named or not self.members or not set(self.members) <= set(get_args(MemberKind)):
            kinds = ", ".join(get_args(MemberKind))
            raise UsageError(f"members must name kinds of networks ({kinds}), one at least, got {self.members!r}")
        for field, least in (("trees", 0), ("leaves", 2), ("motif_width", 0)):
            check_integer(field, getattr(self, field), least)
        if not isinstance(self.annotation, bool):
            raise UsageError(f"annotation must be true or false, got {self.annotation!r}")
        for dilation in self.dilations:
            check_integer("dilations", dilation, 1)
        for field in ("tasks", "tracks", "auxiliary", "mean_tracks"):
            check_names(field, getattr(self, field))
        check_names("tasks and auxiliary", self.learnt)
        if not self.tasks:
            raise UsageError("a network needs at least one task, got tasks=()")
        for field in ("dropout", "residual_dropout"):
            rate = getattr(self, field)
            if type(rate) not in (int, float) or not 0 <= rate < 1:
                raise UsageError(f"{field} must be at least 0 and less than 1, got {rate!r}")
        strand_order(self.tracks)
        strand_order(self.mean_tracks)
        if not set(self.mean_tracks) <= set(self.tracks):
            raise UsageError(f"mean_tracks must be some of the tracks {self.tracks}, got {self.mean_tracks}")
        if sum(self.dilations) > 2**16 or len(self.dilations) > 64:
            raise UsageError(f"dilations must sum to at most {2**16:,} in at most 64 layers, got {self.dilations}")
        if self.weights_size > MAX_WEIGHTS:
            raise UsageError(
                f"the network would have {self.weights_size:.3g} weights; at most {MAX_WEIGHTS:,} are allowed"
            )

    @property
    def learnt(self) -> tuple[str, ...]:
        """Factors that the networks learn, in the order of their outputs: tasks, then auxiliary ones."""
        return self.tasks + self.auxiliary

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signals that the network sees: those of tracks, then of means over cell lines."""
        return self.tracks + tuple(f"mean of {name}" for name in self.mean_tracks)

    @property
    def signal_channels(self) -> int:
        """Number of channels made of the signals, per block."""
        return len(self.signals) * (len(MEAN_BLOCKS) + 1)

    @property
    def annotation_channels(self) -> int:
        """Number of channels made of the annotation, per block."""
        return len(FEATURES) * self.annotation

    @property
    def nodes(self) -> int:
        """Nodes of a tree, leaves among them."""
        return 2 * self.leaves - 1

    @property
    def halo(self) -> int:
        """Blocks on either side of a bin that the layers over blocks see."""
        return sum(self.dilations)

    @property
    def margin(self) -> int:
        """Bases to read on either side of the bins to score."""
        return (self.halo + max(MEAN_BLOCKS) // 2) * STRIDE

    @property
    def window_length(self) -> int:
        """Bases that the score of one bin depends on, the bin in their middle."""
        return 2 * self.margin + BIN

    @property
    def excluded_margin(self) -> int:
        """Bases around the blacklist, and at the ends of chromosomes, in which no bin is scored."""
        return 0

    @property
    def meta(self) -> tuple[str, ...]:
        """No meta values of cell lines."""
        return ()

    @property
    def gencode(self) -> bool:
        """Whether the annotation of a bin is an input; that of the blocks is another one, `annotation`."""
        return False

    @property
    def uses_annotation(self) -> bool:
        """Whether annotation is an input in any form."""
        return self.annotation

    def of_member(self, member: int) -> Self:
        """Return the configuration of one of the networks, by its place among the members."""
        return replace(self, mean_tracks=(), auxiliary=()) if self.members[member] == "plain" else self

    @property
    def weights_size(self) -> int:
        """Number of values in the ``state_dict()`` of the ensemble, without counters."""
        regression = 2 + 2 * len(self.signals) + 1
        others = 5 * self.trees * self.nodes + 2 * 4 * self.motif_width + regression + 3
        plain = self.members.count("plain")
        networks = plain * self._network_size(len(self.tracks), len(self.tasks))
        networks += (len(self.members) - plain) * self._network_size(len(self.signals), len(self.learnt))
        return networks + len(self.tasks) * others * bool(self.trees)

    def _network_size(self, signals: int, outputs: int) -> int:
        width, channels = self.width, signals * (len(MEAN_BLOCKS) + 1) + self.annotation_channels
        norms = 4 * (self.kernels + channels + width * len(self.dilations))
        return (
            self.kernels * (4 * self.kernel_width + 1)
            + width * (POOLS * self.kernels + channels + 1)
            + len(self.dilations) * 3 * width * width
            + width * (BIN_BLOCKS * width + 1)
            + outputs * (width + 1)
            + norms
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_json` wrote.

        Raises:
            UsageError: a field is missing, unknown or out of range.
        """
        names = {field.name for field in fields(cls)}
        if names != set(values):
            missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
            raise UsageError(f"network settings: missing {missing or 'none'}, unknown {unknown or 'none'}")
        read: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**read)
