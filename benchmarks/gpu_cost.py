"""Operations and bytes of the networks, counted layer by layer, and the least time that a machine needs for them.

A layer reads its inputs and writes its outputs once; what works value by value (ReLU, dropout, normalization, the sum
of two) is counted with its neighbour. Small layers are left out: they are less than a hundredth. The floor of a layer
is the larger of its operations by the rate of matrix products and its bytes by the rate of copies; layers do not
overlap. The steps of an LSTM, which wait for each other, count no more than their arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gpu_paths import Precision

from factornet.model.network.block_config import BIN_BLOCKS, MEAN_BLOCKS, POOLS, BlockConfig
from factornet.model.network.config import NetworkConfig
from factornet.store.schema import STRIDE


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Work of a layer.

    Attributes:
        name: of the layer.
        operations: additions and multiplications.
        read: values that enter it.
        written: values that leave it.
        cudnn: whether cuDNN computes it, cuBLAS otherwise.
        first: whether nothing before it is learnt, so that its inputs need no gradient.
        full: whether it computes in float32 under autocast.
    """

    name: str
    operations: float
    read: float
    written: float
    cudnn: bool = False
    first: bool = False
    full: bool = False

    def times(self, n: float) -> Layer:
        """Return the work for n times as much."""
        return replace(self, operations=n * self.operations, read=n * self.read, written=n * self.written)

    def trained(self) -> Layer:
        """Return the work of a forward and backward pass.

        Backwards it reads inputs and gradients of outputs, for the weights' gradients, and writes those of inputs.
        """
        parts = 2 if self.first else 3
        return replace(self, operations=parts * self.operations, read=parts * self.read, written=2 * self.written)

    def kind(self, precision: Precision) -> str:
        """Return the name of the matrix products that limit it."""
        if precision.amp and not self.full:
            return "bfloat16"
        return "tf32" if (precision.cudnn if self.cudnn else precision.products) else "float32"

    def bytes(self, precision: Precision) -> float:
        """Return the bytes that it reads and writes."""
        return (self.read + self.written) * (2 if precision.amp and not self.full else 4)


def factornet_layers(config: NetworkConfig, *, bases: float | None = None) -> list[Layer]:
    """Return the layers of a forward pass over a window and its reverse complement.

    Args:
        config: of the network.
        bases: that layers 1 and 2 scan for each window; None where windows share none.
    """
    scanned = config.positions if bases is None else bases
    length = config.window_length if bases is None else bases
    k, r, steps = config.kernels, max(config.recurrent, 0), config.positions // config.pool
    patch = config.kernel_width * config.channels
    gates = 2 * 4 * r * (k + r)  # of both directions
    strand = (
        Layer(
            name="convolution",
            operations=2 * scanned * patch * k,
            read=length * config.channels,
            written=scanned * k,
            cudnn=bases is None,  # of a tile it is a product of unfolded bases
            first=True,
        ),
        Layer(name="mixing", operations=2 * scanned * k * k, read=scanned * k, written=scanned * k),
        Layer(name="pooling", operations=scanned * k, read=scanned * k, written=steps * k),
        Layer(name="lstm", operations=2 * steps * gates, read=steps * k, written=2 * steps * r, cudnn=True, full=True),
        Layer(name="dense", operations=2 * config.flat * config.dense, read=config.flat, written=config.dense),
    )
    return [layer.times(2) for layer in strand if layer.operations]


def block_layers(config: BlockConfig, *, bins: int) -> list[Layer]:
    """Return the layers of a forward pass over one strand of a segment of so many bins, by one network."""
    inner = bins + BIN_BLOCKS - 1 + 2 * config.halo  # blocks that the kernels scan
    blocks = inner + max(MEAN_BLOCKS) - 1
    positions, k, width = inner * STRIDE, config.kernels, config.width
    channels = POOLS * k + config.signal_channels + config.annotation_channels
    layers = [
        Layer(
            name="motifs",
            operations=2 * positions * 4 * config.kernel_width * k,
            read=4 * positions,
            written=positions * k,
            cudnn=True,
            first=True,
        ),
        Layer(name="maxima", operations=positions * k, read=positions * k, written=inner * POOLS * k),
        Layer(
            name="signal",
            operations=blocks * STRIDE * len(config.signals),
            read=blocks * STRIDE * len(config.signals),
            written=inner * config.signal_channels,
            first=True,
        ),
        Layer(
            name="mixing",
            operations=2 * inner * channels * width,
            read=inner * channels,
            written=inner * width,
            cudnn=True,
        ),
    ]
    left = inner
    for dilation in config.dilations:
        out = left - 2 * dilation
        layers.append(
            Layer(
                name=f"dilation {dilation}",
                operations=2 * out * 3 * width * width,
                read=left * width,
                written=out * width,
                cudnn=True,
            )
        )
        left = out
    return [
        *layers,
        Layer(
            name="bins",
            operations=2 * bins * BIN_BLOCKS * width * width,
            read=left * width,
            written=bins * width,
            cudnn=True,
        ),
    ]


def trained(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers of a forward and backward pass."""
    return [layer.trained() for layer in layers]


def cost(layers: Sequence[Layer], n: float, *, precision: Precision, ceilings: Mapping[str, float]) -> dict[str, float]:
    """Return operations (GFLOP), bytes (GB) and the floor in ms of n times the layers; no floor without ceilings."""
    scaled = [layer.times(n) for layer in layers]
    found = {
        "gflop": sum(layer.operations for layer in scaled) / 1e9,
        "gb": sum(layer.bytes(precision) for layer in scaled) / 1e9,
    }
    if not {"float32", "tf32", "bfloat16", "copy"} <= set(ceilings):
        return found
    seconds = (
        max(layer.operations / ceilings[layer.kind(precision)], layer.bytes(precision) / ceilings["copy"])
        for layer in scaled
    )
    return found | {"floor_ms": 1000 * sum(seconds)}
