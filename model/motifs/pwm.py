"""Position weight matrices: scan sequence with it, write one into a network's kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...store.errors import UsageError
from ..network.factornet import FactorNet, one_hot

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motif:
    """A position probability matrix.

    Args:
        name: identifier, such as ``CTCF_f2``.
        alternate: the factor's name, such as ``CTCF``; may be empty.
        probabilities: float64, shape (w, 4), columns A, C, G, T; each row sums to about 1.

    Raises:
        UsageError: `probabilities` has another shape, or a row that is not four probabilities.
    """

    name: str
    alternate: str
    probabilities: FloatArray

    def __post_init__(self) -> None:
        p = self.probabilities
        if p.ndim != 2 or p.shape[1] != 4 or not len(p) or not are_probabilities(p).all():
            raise UsageError(f"motif {self.name}: needs rows of four probabilities that sum to 1, got {p.tolist()}")

    def __len__(self) -> int:
        return len(self.probabilities)


def are_probabilities(rows: FloatArray) -> NDArray[np.bool_]:
    """Return which rows are probabilities: not negative, with a sum of 1 within 0.02."""
    # Published matrices are rounded: MEME itself writes six digits, others as few as two.
    return np.asarray((rows >= 0).all(-1) & (np.abs(rows.sum(-1) - 1) <= 0.02 + 1e-9))


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Return ``log2(p / 0.25)``, shape (w, 4), after adding 0.001 to each probability and normalizing the rows."""
    padded = probabilities + 0.001
    odds: FloatArray = np.log2(padded / padded.sum(axis=1, keepdims=True) / 0.25)
    return odds


@torch.no_grad()
def inject_motif(network: FactorNet, motif: Motif) -> None:
    """Set kernel 0 of an untrained network to a motif's log odds, and kernel 1 to their reverse complement.

    Both are centred: they begin at position ``w // 2 - len(motif) // 2``. All other weights of the two kernels, those
    on the tracks too, and their biases become 0.

    Raises:
        UsageError: the motif is wider than the kernels, or the network has fewer than two.
    """
    config, width = network.config, len(motif)
    if width > config.kernel_width:
        raise UsageError(
            f"motif {motif.name} is {width} bases wide, the kernels {config.kernel_width}; widen the kernels to {width}"
        )
    if config.kernels < 2:
        raise UsageError(f"a motif needs two kernels, one for each strand; the network has {config.kernels}")
    start = config.kernel_width // 2 - width // 2
    odds = torch.from_numpy(log_odds(motif.probabilities)).to(network.motifs.weight)
    kernels = network.motifs.weight[:2]  # (2, channels, w)
    kernels.zero_()
    kernels[0, :4, start : start + width] = odds.T
    kernels[1, :4, start : start + width] = odds.flip(0, 1).T
    if network.motifs.bias is not None:
        network.motifs.bias[:2] = 0


@torch.no_grad()
def scan_best_hit(codes: NDArray[np.uint8], log_odds: FloatArray) -> NDArray[np.float32]:
    """Return the highest log odds of a motif in each sequence, over all positions of both strands, shape (n,).

    Args:
        codes: bases, shape (n, L): 0..3 = ACGT, anything else N, which adds 0.
        log_odds: shape (w, 4), as `log_odds` returns them.

    Raises:
        UsageError: the sequences are shorter than the motif.
    """
    n, length = codes.shape
    if length < len(log_odds):
        raise UsageError(f"sequences of {length} bases are shorter than the motif of {len(log_odds)}")
    strands = np.stack([log_odds, log_odds[::-1, ::-1]]).astype(np.float32)
    kernels = torch.from_numpy(strands).mT.unsqueeze(2)  # (2 strands, 4, 1, w)
    best = np.empty(n, np.float32)
    batch_size = max(1, 2**18 // length)  # about 2**20 floats of one-hot sequence, 4 MiB
    for first in range(0, n, batch_size):
        bases = one_hot(torch.from_numpy(codes[first : first + batch_size]))
        hits = functional.conv2d(bases.unsqueeze(1).permute(0, 3, 1, 2), kernels)
        best[first : first + batch_size] = hits.amax((1, 2, 3)).numpy()
    return best


@torch.no_grad()
def scan_windows(codes: NDArray[np.uint8], log_odds: FloatArray, *, length: int, stride: int) -> NDArray[np.float32]:
    """Return the highest log odds of a motif in each window of a sequence, as `scan_best_hit`, shape (windows,).

    Windows that overlap share the scan of the sequence.

    Args:
        codes: bases, shape (L,): 0..3 = ACGT, anything else N, which adds 0.
        log_odds: shape (w, 4), as `log_odds` returns them.
        length: bases of a window; the first starts at base 0.
        stride: bases between the starts of neighbouring windows.

    Raises:
        UsageError: the windows are shorter than the motif.
    """
    if length < len(log_odds):
        raise UsageError(f"sequences of {length} bases are shorter than the motif of {len(log_odds)}")
    strands = np.stack([log_odds, log_odds[::-1, ::-1]]).astype(np.float32)
    bases = (torch.from_numpy(codes) == torch.arange(4, dtype=torch.uint8)[:, None]).float()  # (4, L)
    hits = functional.conv1d(bases[None], torch.from_numpy(strands).mT.contiguous()).amax(1)
    best: NDArray[np.float32] = functional.max_pool1d(hits, length - len(log_odds) + 1, stride)[0].numpy()
    return best
