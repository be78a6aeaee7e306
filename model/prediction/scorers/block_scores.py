"""Score bins by a network over blocks: runs of bins 50 bases apart are computed together."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....store.schema import STRIDE
from ...network.block_ensemble import BlockEnsemble

_BLOCKS_AT_ONCE = 4096  # with those on either side of the bins: activations take about 100 MB


class BlockScorer:
    """A network over blocks that scores the bins of a tile, which may start anywhere.

    Args:
        network: in evaluation mode, on the device of the tensors that are given later.
    """

    def __init__(self, network: BlockEnsemble) -> None:
        self._network = network

    @torch.inference_mode()
    def score(
        self,
        codes: Tensor,
        tracks: Tensor,
        starts: Tensor,
        annotation: Tensor | None = None,
        *,
        batch_size: int = 512,
        amp: bool = False,
    ) -> Tensor:
        """Return probabilities of bins, float32 (N, tasks), equal to those of each bin alone.

        Args:
            codes: bases of the tile, uint8 (S,).
            tracks: signal, float32 (T, S).
            starts: first base that the score of each bin depends on, int64 (N,), in any order.
            annotation: bits of each base, uint8 (S,); None if the network uses none.
            batch_size: maximum number of runs that are computed at once.
            amp: compute in bfloat16 where it is safe.
        """
        length = self._network.config.window_length
        scores = torch.empty(len(starts), len(self._network.config.tasks), device=codes.device)
        found = RunsOfBins(starts.cpu().numpy())
        first, bins = found.first, found.bins
        for n in np.unique(bins).tolist():
            of_length = np.flatnonzero(bins == n)
            at_once = max(1, min(batch_size, _BLOCKS_AT_ONCE // (n + length // STRIDE)))
            for i in range(0, of_length.size, at_once):
                runs = of_length[i : i + at_once]
                span = torch.from_numpy(first[runs][:, None] + np.arange(length + (n - 1) * STRIDE)).to(codes.device)
                with torch.autocast(codes.device.type, torch.bfloat16, enabled=amp):
                    bits = None if annotation is None else block_bits(annotation[span])
                    logits = self._network.both_strands(codes[span], tracks[:, span].transpose(0, 1), bits)
                rows, run, place = found.rows_of(runs)
                scores[torch.from_numpy(rows).to(codes.device)] = torch.sigmoid(logits.float())[run, place]
        return scores


def block_bits(bits: Tensor) -> Tensor:
    """Return the annotation bits of blocks of 50 bases, uint8 (n, blocks), from those of bases, (n, 50 x blocks)."""
    found = bits.view(len(bits), -1, STRIDE)
    while found.shape[2] > 1:  # halves: there is no reduction by OR
        half = found.shape[2] // 2
        both = found[..., :half] | found[..., half : 2 * half]
        found = torch.cat([both, found[..., 2 * half :]], dim=2)
    return found[..., 0]


class RunsOfBins:
    """Bins sorted into runs whose neighbours are a multiple of 50 bases apart.

    Args:
        starts: first base of each bin, int64 (N,), N > 0, in any order.
        longest: largest number of bins in a run; longer ones are divided.
        widest_gap: bins not asked for between two that are in one run; a wider gap costs more than a run of its own,
            which reads 65 blocks on either side.

    Attributes:
        first: first base of each run, int64 (R,).
        bins: number of bins of each run, with those in between that are not asked for, int64 (R,).
    """

    def __init__(self, starts: NDArray[np.int64], *, longest: int = 2048, widest_gap: int = 64) -> None:
        order = np.lexsort((starts, starts % STRIDE))
        ordered = starts[order]
        step = np.diff(ordered)
        apart = (ordered[1:] % STRIDE != ordered[:-1] % STRIDE) | (step > widest_gap * STRIDE)
        cuts = np.concatenate([[0], np.flatnonzero(apart) + 1])
        run = np.repeat(np.arange(cuts.size), np.diff(np.append(cuts, ordered.size)))
        # Pieces of a run, each of so many bins at most.
        piece = (ordered - ordered[cuts][run]) // STRIDE // longest
        begins = np.concatenate([[True], (np.diff(run) != 0) | (np.diff(piece) != 0)])
        self._order, self._begin = order, np.flatnonzero(begins)
        self._count = np.diff(np.append(self._begin, ordered.size))
        self._ordered = ordered
        self.first: NDArray[np.int64] = ordered[self._begin]
        self.bins: NDArray[np.int64] = (ordered[self._begin + self._count - 1] - self.first) // STRIDE + 1

    def rows_of(self, runs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the bins of some runs, the run of each (its place in `runs`), and its place in the run."""
        count = self._count[runs]
        run = np.repeat(np.arange(runs.size), count)
        position = np.arange(run.size) - np.repeat(np.cumsum(count) - count, count) + self._begin[runs][run]
        place = (self._ordered[position] - self.first[runs][run]) // STRIDE
        return self._order[position], run, place
