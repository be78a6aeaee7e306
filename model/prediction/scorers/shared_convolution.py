"""Compute overlapping windows together: layers 1 and 2 once per base and strand instead of once per window.

    tile      bases of a chromosome, S of them, that contain many windows of L bases
    scan      layers 1 and 2 of both strands at every position of the tile
    maxima    of every `pool` neighbouring positions, at every position: so windows of any phase find theirs
    windows   each takes every `pool`-th of the maxima from its first position on (its last one, on the reverse strand)
    layers    4 and 5, window by window

The reverse strand is not read backwards: its kernels are reversed instead, and multiply the tile in one product
with those of the forward strand. Nothing in this module reads a store.

Letters in shapes: S bases, L bases per window, T tracks, k kernels, w width of a kernel, P positions, N windows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ...network.factornet import FactorNet, one_hot

_CACHED = 2**18  # values, 1 MiB: activations of a block of positions stay in a core's cache
_CACHED_WINDOWS = 2**21  # values, 8 MiB: inputs and outputs of the windows that the LSTM takes at once


def sliding_maximum(y: Tensor, size: int) -> Tensor:
    """Return maxima of `size` neighbours along the first axis at every offset, shape (P, ...) -> (P - size + 1, ...).

    Maxima of 2, 4, 8... neighbours are computed from the previous ones; two that overlap cover any size. So the work
    grows with the logarithm of `size`; maxima are exact however they are grouped.
    """
    reach = 1
    while 2 * reach <= size:
        y = torch.maximum(y[:-reach], y[reach:])
        reach *= 2
    rest = size - reach
    return torch.maximum(y[: len(y) - rest], y[rest:]) if rest else y


class SharedConvolution:
    """A network that scans a tile once for all windows in it, which may start anywhere.

    Args:
        network: in evaluation mode, on the device of the tensors that are given later. Its weights are copied.
    """

    @torch.inference_mode()
    def __init__(self, network: FactorNet) -> None:
        self._network, config = network, network.config
        weight = network.motifs.weight  # (k, 4 + T, w)
        # On the other strand base c reads as 3 - c, paired tracks swap, and positions run backwards.
        order = torch.cat([torch.arange(4).flip(0), 4 + network.strand_order.cpu()]).to(weight.device)
        strands = torch.cat([weight, weight[:, order].flip(2)])
        self._kernels = strands.permute(2, 1, 0).reshape(-1, 2 * config.kernels).contiguous()
        self._bias = network.motifs.bias.repeat(2) if network.motifs.bias is not None else None

    @torch.inference_mode()
    def score(
        self,
        codes: Tensor,
        tracks: Tensor,
        starts: Tensor,
        features: Tensor | None = None,
        *,
        batch_size: int = 512,
        amp: bool = False,
    ) -> Tensor:
        """Return probabilities of the windows of a tile, float32 (N, tasks), equal to `FactorNet.forward` of each.

        Args:
            codes: bases of the tile, uint8 (S,).
            tracks: signal, float32 (T, S).
            starts: first base of each window in the tile, int64 (N,), in any order; windows are inside the tile.
            features: of each window, float32 (N, F); None if the network has none.
            batch_size: maximum number of windows that layers 4 and 5 take at once.
            amp: compute in bfloat16 where it is safe.
        """
        network, config = self._network, self._network.config
        n_windows = self._windows_at_once(batch_size)
        scores = torch.empty(len(starts), len(config.tasks), device=codes.device)
        with torch.autocast(codes.device.type, torch.bfloat16, enabled=amp):
            maxima = self.maxima(codes, tracks)
            for first in range(0, len(starts), n_windows):
                rows = slice(first, first + n_windows)
                steps = steps_of_windows(maxima, starts[rows], positions=config.positions, pool=config.pool)
                logits = network.head(steps, None if features is None else features[rows].repeat(2, 1))
                scores[rows] = torch.sigmoid(logits.float()).view(2, -1, len(config.tasks)).mean(0)
        return scores

    @torch.inference_mode()
    def maxima(self, codes: Tensor, tracks: Tensor) -> Tensor:
        """Return pooled activations of both strands at every offset, shape (S - w - pool + 2, 2, k).

        Row p, strand 0 is the maximum over kernels that start at bases ``p:p + pool``; strand 1 the same for kernels
        that end there when read backwards. The ReLU of layer 2 is applied.

        Args:
            codes: bases, uint8 (S,), as for `FactorNet.forward`.
            tracks: signal, float32 (T, S).

        Returns:
            A new tensor on the same device; under autocast in its lower precision.
        """
        pool, width = self._network.config.pool, self._network.config.kernel_width
        n_rows = len(codes) - width - pool + 2
        maxima: Tensor | None = None
        for first in range(0, n_rows, self._block):
            stop = min(first + self._block, n_rows)
            bases = slice(first, stop + pool - 1 + width - 1)
            block = functional.relu(sliding_maximum(self._scan(codes[bases], tracks[:, bases]), pool))
            if maxima is None:
                maxima = block.new_empty(n_rows, *block.shape[1:])
            maxima[first:stop] = block
        assert maxima is not None, f"a tile of {len(codes)} bases contains no window"
        return maxima

    @property
    def _block(self) -> int:
        """Positions per block. Each block repeats pool - 1 positions of the next, so it is several times as long."""
        config = self._network.config
        if self._kernels.device.type != "cpu":
            return 2**18
        return max(_CACHED // (2 * config.kernels), 8 * config.pool)

    def _windows_at_once(self, batch_size: int) -> int:
        """Return the windows that layers 4 and 5 take at once: `batch_size`, on a CPU at most what its caches hold."""
        if self._kernels.device.type != "cpu":
            return batch_size
        config = self._network.config
        values = 2 * (config.positions // config.pool) * (config.kernels + 2 * max(config.recurrent, 0))
        return max(1, min(batch_size, _CACHED_WINDOWS // values))

    def _scan(self, codes: Tensor, tracks: Tensor) -> Tensor:
        """Compute `FactorNet.scan` of both strands; rows are forward positions, shape (positions, 2, k)."""
        network, rows = self._network, len(codes) - self._network.config.kernel_width + 1
        channels = torch.cat([one_hot(codes), tracks.T], dim=1)
        # Neighbouring rows share all but one base; the product needs them contiguous.
        windows = channels.as_strided((rows, len(self._kernels)), (channels.shape[1], 1)).contiguous()
        activations = functional.relu_(functional.linear(windows, self._kernels.T, self._bias))
        mixed: Tensor = network.mixing(activations.view(rows, 2, -1))
        return mixed


def steps_of_windows(maxima: Tensor, starts: Tensor, *, positions: int, pool: int) -> Tensor:
    """Return the output of layer 3 for each window and its reverse complement, shape (2 N, positions // pool, k).

    Args:
        maxima: of the tile, `SharedConvolution.maxima`.
        starts: first base of each window in the tile, int64 (N,).
        positions: positions of a kernel in a window.
        pool: positions pooled into one step.
    """
    steps = torch.arange(0, positions - pool + 1, pool, device=starts.device)
    forward = starts[:, None] + steps
    reverse = starts[:, None] + (positions - pool) - steps  # the window's last positions are its first, read backwards
    rows = torch.cat([2 * forward, 2 * reverse + 1])
    kernels = maxima.shape[2]
    return maxima.view(-1, kernels).index_select(0, rows.flatten()).view(*rows.shape, kernels)
