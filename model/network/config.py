"""The configuration of a network: its inputs, sizes and options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, get_args

from ...store.errors import UsageError
from .lstm import Gates

_KEYS = {"window_length": "length"}
"""Keys in model.json that are not the names of the fields: the file has kept them."""
MAX_WEIGHTS = 2**28  # 1 GiB of float32; the largest published model has 10 million
MAX_WINDOW = 2**24  # bases


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Configuration of a network: its sizes, and the names of its inputs and outputs.

    Args:
        tasks: names of the outputs, one per factor.
        tracks: names of the signal tracks, in channel order; those ending in ``_fwd`` and ``_rev`` are pairs.
        window_length: bases in a window.
        meta: names of the cell line's meta values, the first of the extra features.
        gencode: whether the six annotation booleans follow them.
        kernels: number of kernels of the convolution.
        kernel_width: bases a kernel spans.
        recurrent: LSTM cells per direction; 0 omits the layer, a negative value pools over the window.
        dense: units of each dense layer.
        dropout: rate before and after the dense layers (in the trunk and the features it is 0.1).
        gates: "hard_sigmoid" for weights trained by the original software.

    Raises:
        UsageError: a value is out of range; the message names the field.
    """

    tasks: tuple[str, ...]
    tracks: tuple[str, ...]
    window_length: int = 1000
    meta: tuple[str, ...] = ()
    gencode: bool = False
    kernels: int = 32
    kernel_width: int = 26
    recurrent: int = 32
    dense: int = 64
    dropout: float = 0.5
    gates: Gates = "sigmoid"

    def __post_init__(self) -> None:
        for field, minimum in (
            ("window_length", 1),
            ("kernels", 1),
            ("kernel_width", 2),
            ("recurrent", None),
            ("dense", 1),
        ):
            check_integer(field, getattr(self, field), minimum)
        for field in ("tasks", "tracks", "meta"):
            check_names(field, getattr(self, field))
        if not self.tasks:
            raise UsageError("a network needs at least one task, got tasks=()")
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout < 1:
            raise UsageError(f"dropout must be at least 0 and less than 1, got {self.dropout!r}")
        if not isinstance(self.gencode, bool):
            raise UsageError(f"gencode must be true or false, got {self.gencode!r}")
        if self.gates not in get_args(Gates):
            raise UsageError(f"gates must be one of {', '.join(get_args(Gates))}, got {self.gates!r}")
        minimum = self.kernel_width + (self.kernel_width // 2 if self.recurrent >= 0 else 1) - 1
        if self.window_length < minimum:
            raise UsageError(
                f"window_length {self.window_length} is too short: kernel_width {self.kernel_width} needs at least "
                f"{minimum} bases"
            )
        strand_order(self.tracks)
        if self.window_length > MAX_WINDOW:
            raise UsageError(f"window_length must be at most {MAX_WINDOW:,}, got {self.window_length:,}")
        if self.weights_size > MAX_WEIGHTS:
            raise UsageError(
                f"the network would have {self.weights_size:.3g} weights; at most {MAX_WEIGHTS:,} are allowed"
            )

    @property
    def uses_annotation(self) -> bool:
        """Whether annotation is an input in any form."""
        return self.gencode

    @property
    def weights_size(self) -> int:
        """Number of values in the network's ``state_dict()``."""
        per_direction = 4 * self.recurrent * (self.kernels + self.recurrent + 2) if self.recurrent > 0 else 0
        context = self.dense * (self.dense + self.features + 1) if self.features else 0
        return (
            self.kernels * (self.channels * self.kernel_width + 1)
            + self.kernels * (self.kernels + 1)
            + 2 * per_direction
            + self.dense * (self.flat + 1)
            + context
            + len(self.tasks) * (self.dense + 1)
        )

    @property
    def excluded_margin(self) -> int:
        """Bases around the blacklist, and at the ends of chromosomes, in which no bin is scored."""
        return self.window_length

    @property
    def channels(self) -> int:
        """Number of input channels: A, C, G, T, then the tracks."""
        return 4 + len(self.tracks)

    @property
    def features(self) -> int:
        """Number of extra features: the meta values, then the six annotation booleans."""
        return len(self.meta) + 6 * self.gencode

    @property
    def positions(self) -> int:
        """Number of positions of a kernel in a window."""
        return self.window_length - self.kernel_width + 1

    @property
    def pool(self) -> int:
        """Number of positions pooled into one step."""
        return self.positions if self.recurrent < 0 else self.kernel_width // 2

    @property
    def flat(self) -> int:
        """Number of values that enter the first dense layer."""
        return self.positions // self.pool * (2 * self.recurrent if self.recurrent > 0 else self.kernels)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values by their keys in model.json."""
        return {_KEYS.get(name, name): list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_json` wrote.

        Raises:
            UsageError: a field is missing, unknown or out of range.
        """
        names = {_KEYS.get(field.name, field.name): field.name for field in fields(cls)}
        if set(names) != set(values):
            missing, unknown = sorted(set(names) - set(values)), sorted(set(values) - set(names))
            raise UsageError(f"network settings: missing {missing or 'none'}, unknown {unknown or 'none'}")
        read: dict[str, Any] = {names[key]: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**read)


def check_integer(field: str, value: object, minimum: int | None) -> None:
    """Check that a value of a configuration is an integer of at least `minimum`."""
    if not isinstance(value, int) or isinstance(value, bool) or (minimum is not None and value < minimum):
        raise UsageError(f"{field} must be an integer{f' >= {minimum}' if minimum is not None else ''}, got {value!r}")


def check_names(field: str, names: object) -> None:
    """Check names: none empty, repeated or unprintable; a model folder lists one per line."""
    if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
        raise UsageError(f"{field} must be a tuple of names, got {names!r}")
    repeated = {name for name, n in Counter(names).items() if n > 1}
    for name in names:
        if not name or name != name.strip() or not name.isprintable():
            problem = "surrounding blanks, line breaks and characters that cannot be printed are not allowed"
            raise UsageError(f"{field}: {name!r} is not a name; {problem}")
        if name in repeated:
            raise UsageError(f"{field}: {name!r} is repeated")


def strand_order(track_names: Sequence[str]) -> list[int]:
    """Return the order of the tracks under reverse complement: ``_fwd`` and ``_rev`` of a name swap, others stay.

    Example:
        >>> strand_order(["Unique35", "DGF_fwd", "DGF_rev"])
        [0, 2, 1]

    Raises:
        UsageError: a track's other strand is missing; the message names both.
    """
    order, index = list(range(len(track_names))), {name: i for i, name in enumerate(track_names)}
    for i, name in enumerate(track_names):
        for suffix, other in (("_fwd", "_rev"), ("_rev", "_fwd")):
            if name.endswith(suffix):
                partner = name.removesuffix(suffix) + other
                if partner not in index:
                    raise UsageError(
                        f"track {name!r} needs its other strand {partner!r}; the tracks are {', '.join(track_names)}"
                    )
                order[i] = index[partner]
    return order
