"""Known binding motifs: read them, put one into a network, score sequence with one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..store.errors import InputError, UsageError
from .network import FactorNet, one_hot

FloatArray = NDArray[np.float64]
_CURE = "fetch or make the file anew"


@dataclass(frozen=True, eq=False)
class Motif:
    """A position probability matrix.

    Args:
        name: identifier, such as ``CTCF_f2``.
        alternate: the factor's name, such as ``CTCF``; may be empty.
        probabilities: float64, shape (w, 4), columns A, C, G, T; each row sums to about 1.

    Raises:
        UsageError: the matrix is none.
    """

    name: str
    alternate: str
    probabilities: FloatArray

    def __post_init__(self) -> None:
        p = self.probabilities
        if p.ndim != 2 or p.shape[1] != 4 or not len(p) or not _are_probabilities(p).all():
            raise UsageError(f"motif {self.name}: needs rows of four probabilities that sum to 1, got {p.tolist()}")

    def __len__(self) -> int:
        return len(self.probabilities)


def _are_probabilities(rows: FloatArray) -> NDArray[np.bool_]:
    # Published matrices are rounded: MEME itself writes six digits, others as few as two.
    return np.asarray((rows >= 0).all(-1) & (np.abs(rows.sum(-1) - 1) <= 0.02))


def read_meme(path: str | Path) -> dict[str, Motif]:
    """Motifs by name, in file order, of a file in minimal MEME format (DNA).

    Raises:
        InputError: not a MEME file of DNA motifs, a matrix is missing, cut short or not made of probabilities, or two
            motifs have one name; the message names the line.
    """
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError as error:
        raise InputError(path, "no such file", cure="correct the path (--motifs)") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"not text at byte {error.start}", cure="give a file in MEME format") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", cure="give a file in MEME format") from error
    lines = iter(enumerate(text.splitlines(), start=1))
    _check_header(path, lines)
    motifs: dict[str, Motif] = {}
    pending: tuple[int, list[str]] | None = None  # the MOTIF line whose matrix has not come yet
    for number, line in lines:
        words = line.split()
        if words[:1] == ["ALPHABET="] and words[1:] != ["ACGT"]:
            raise InputError(
                path, f"alphabet is {' '.join(words[1:])!r}, not ACGT", cure="give motifs of DNA", line=number
            )
        if words[:1] == ["MOTIF"]:
            _check_motif_line(path, number, words, pending, motifs)
            pending = number, words[1:3]
        elif line.startswith("letter-probability matrix"):
            if pending is None:
                raise InputError(path, "a matrix without a MOTIF line before it", cure=_CURE, line=number)
            matrix = _read_matrix(path, number, line, lines)
            name, alternate = (*pending[1], "")[:2]
            motifs[name] = Motif(name, alternate, matrix)
            pending = None
        elif len(words) == 4 and _numbers(words) is not None:
            raise InputError(
                path, f"a row outside any matrix, whose width is too small: {line.strip()!r}", cure=_CURE, line=number
            )
    if pending is not None:
        raise InputError(path, f"motif {pending[1][0]} has no letter-probability matrix", cure=_CURE, line=pending[0])
    if not motifs:
        raise InputError(path, "holds no motif", cure=_CURE)
    return motifs


def _check_header(path: str | Path, lines: Iterator[tuple[int, str]]) -> None:
    number, line = next(((n, text) for n, text in lines if text.strip()), (1, ""))
    if not line.startswith("MEME version"):
        raise InputError(
            path, f"not a MEME file: expected 'MEME version', got {line[:40]!r}", line=number,
            cure="convert it, e.g. with the MEME suite's jaspar2meme or transfac2meme",
        )  # fmt: skip


def _check_motif_line(
    path: str | Path,
    number: int,
    words: list[str],
    pending: tuple[int, list[str]] | None,
    motifs: Mapping[str, Motif],
) -> None:
    if pending is not None:
        raise InputError(path, f"motif {pending[1][0]} has no letter-probability matrix", cure=_CURE, line=pending[0])
    if len(words) < 2:
        raise InputError(path, "a MOTIF line without a name", cure=_CURE, line=number)
    if words[1] in motifs:
        raise InputError(path, f"motif {words[1]} is there twice", cure="keep one of them", line=number)


def _read_matrix(path: str | Path, number: int, header: str, lines: Iterator[tuple[int, str]]) -> FloatArray:
    """The rows that follow a matrix's header line; as many as it says."""
    settings = header.partition(":")[2].replace("=", " ").split()
    width = dict(zip(settings[::2], settings[1::2], strict=False)).get("w", "")
    if not width.isdecimal() or int(width) < 1:
        raise InputError(path, f"matrix header without a width 'w= N': {header!r}", cure=_CURE, line=number)
    rows: list[list[float]] = []
    while len(rows) < int(width):
        at, line = next(lines, (number, ""))
        if not line.strip():
            raise InputError(path, f"matrix of width {width} ends after {len(rows)} rows", cure=_CURE, line=at)
        row = _numbers(line.split())
        if row is None:
            problem = f"matrix of width {width} ends after {len(rows)} rows, got {line.strip()[:60]!r}"
            raise InputError(path, problem, cure=_CURE, line=at)
        if len(row) != 4 or not _are_probabilities(np.array(row)):
            raise InputError(
                path, f"expected four probabilities that sum to 1, got {line.strip()!r}", cure=_CURE, line=at
            )
        rows.append(row)
    return np.array(rows)


def _numbers(words: list[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def find_motif(motifs: Mapping[str, Motif], factor: str) -> Motif:
    """The motif of a factor: by alternate name, else by name, else by the name's part before ``_``, in any case.

    Raises:
        UsageError: none, or several that fit equally well; the message names those or close ones.
    """
    wanted = factor.upper()
    by_alternate = [m for m in motifs.values() if m.alternate.upper() == wanted]
    by_name = [m for m in motifs.values() if m.name.upper() == wanted]
    by_stem = [m for m in motifs.values() if m.name.upper().partition("_")[0] == wanted]
    found = by_alternate or by_name or by_stem
    if len(found) > 1:
        raise UsageError(f"{factor} has {len(found)} motifs; name one of {', '.join(m.name for m in found)}")
    if not found:
        known = {key.upper(): key for m in motifs.values() for key in (m.name, m.alternate) if key}
        close = [known[key] for key in difflib.get_close_matches(wanted, known, n=5)]
        raise UsageError(f"no motif for {factor} among {len(motifs)}; close names: {', '.join(close) or 'none'}")
    return found[0]


def log_odds(probabilities: FloatArray) -> FloatArray:
    """``log2(p / 0.25)`` of the probabilities plus 0.001, made to sum to 1 again; shape (w, 4) as given."""
    padded = probabilities + 0.001
    odds: FloatArray = np.log2(padded / padded.sum(axis=1, keepdims=True) / 0.25)
    return odds


@torch.no_grad()
def inject_motif(network: FactorNet, motif: Motif) -> None:
    """Put a motif's log odds into kernel 0, and its reverse complement into kernel 1, of an untrained network.

    Both lie in the kernel's middle, from ``w // 2 - len(motif) // 2``; the rest of the two kernels, their weights on
    the tracks and their biases become 0.

    Raises:
        UsageError: the motif is wider than the kernels, or there are fewer than two.
    """
    config, width = network.config, len(motif)
    if width > config.kernel_width:
        raise UsageError(
            f"motif {motif.name} is {width} bases wide, the kernels {config.kernel_width}; widen the kernels to {width}"
        )
    if config.kernels < 2:
        raise UsageError(f"a motif takes two kernels, one a strand; the network has {config.kernels}")
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
    """Best log odds of a motif in each sequence, over all places and both strands, shape (n,).

    Args:
        codes: bases, shape (n, L): 0..3 = ACGT, anything else N, which adds 0.
        log_odds: shape (w, 4), as `log_odds` gives them.

    Raises:
        UsageError: the sequences are shorter than the motif.
    """
    n, length = codes.shape
    if length < len(log_odds):
        raise UsageError(f"sequences of {length} bases are shorter than the motif of {len(log_odds)}")
    both = np.stack([log_odds, log_odds[::-1, ::-1]]).astype(np.float32)
    kernels = torch.from_numpy(both).mT.unsqueeze(2)  # (2 strands, 4, 1, w)
    best = np.empty(n, np.float32)
    rows = max(1, 2**18 // length)  # some 2**20 floats of one-hot sequence at a time, 4 MiB
    for first in range(0, n, rows):
        bases = one_hot(torch.from_numpy(codes[first : first + rows]))
        hits = functional.conv2d(bases.unsqueeze(1).permute(0, 3, 1, 2), kernels)
        best[first : first + rows] = hits.amax((1, 2, 3)).numpy()
    return best
