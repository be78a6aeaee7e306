"""Compare kernels with known motifs by Tomtom (Gupta et al. 2007, in memelite's implementation); list kernels."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...store.text import spreadsheet_text
from .kernel_motifs import FloatArray, KernelSites
from .pwm import Motif

FEW_MOTIFS = 25
"""With fewer known motifs, Tomtom's p-values depend much on which they are: their columns are its background."""

RELIABLE_Q = 0.1
"""Highest q-value of a reliable match."""

_FLANK = 2
"""Positions on either side of a core that are compared too. Measured on the published MAX model: p-values of cores
alone are ten times as large; whole kernels match by the composition of their 34 positions (ZFX, SP3), not by their
E-box.
"""


@dataclass(frozen=True, eq=False)
class MotifMatch:
    """The closest known motif of a query, and how the two are aligned.

    Attributes:
        motif: in its own orientation.
        p_value: probability that a random motif matches as well, at any offset and on either strand.
        q_value: share of false matches among all at least as good (Benjamini and Hochberg 1995, over all pairs).
        reverse: whether the motif's reverse complement matches.
        start: position of the query at which the (reversed) motif begins; below 0 where it begins earlier.
        others: names of the next closest with a q-value of at most `RELIABLE_Q`, four at most.
    """

    motif: Motif
    p_value: float
    q_value: float
    reverse: bool
    start: int
    others: tuple[str, ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether the q-value is at most `RELIABLE_Q`."""
        return self.q_value <= RELIABLE_Q

    @property
    def oriented(self) -> FloatArray:
        """The motif's probabilities in the orientation that matches the query, float64 (w, 4)."""
        p = self.motif.probabilities
        return p[::-1, ::-1] if self.reverse else p

    @property
    def name(self) -> str:
        """Name of the motif, followed by the factor's unless it begins with that."""
        name, factor = self.motif.name, self.motif.alternate
        return name if name.upper().startswith(factor.upper()) else f"{name} ({factor})"


def match_kernels(layer: KernelSites, known: Sequence[Motif]) -> dict[int, MotifMatch]:
    """Return the closest known motif of each kernel that has sites and a core; `start` is a position of the kernel.

    Only the core and two positions on either side are compared: the flanks of a wide kernel contain no more than the
    composition of the sequences, which would count for or against a motif.
    """
    kernels = [k for k in layer.ranked if layer.cores[k, 1] > 0]
    starts = [max(int(layer.cores[k, 0]) - _FLANK, 0) for k in kernels]
    cores = [layer.probabilities[k][a : layer.cores[k, 1] + _FLANK] for k, a in zip(kernels, starts, strict=True)]
    found = zip(kernels, starts, match_motifs(cores, known), strict=True)
    return {k: replace(match, start=match.start + start) for k, start, match in found}


@contextmanager
def _threads_of_torch() -> Iterator[None]:
    """Give torch, and MKL in it, the number of threads that it had before the block.

    Numba's threads change the number of all that use OpenMP, and scores by other numbers differ in the last digits.
    """
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def match_motifs(queries: Sequence[FloatArray], known: Sequence[Motif]) -> list[MotifMatch]:
    """Return the closest known motif of each query.

    Args:
        queries: probabilities, shape (w, 4) each; w may differ.
        known: at least one.
    """
    if not queries:
        return []
    from memelite import tomtom  # numba takes a second to import, and a minute to compile at first use

    with warnings.catch_warnings(), _threads_of_torch():
        # It warns of few known motifs; factornet-visualize does so itself, see FEW_MOTIFS.
        warnings.filterwarnings("ignore", message="tomtom was given", category=UserWarning)
        found = tomtom([np.array(q.T) for q in queries], [np.array(m.probabilities.T) for m in known])
    p_values, _, offsets, _, strands = found  # each (queries, known)
    p_values = np.clip(p_values, 0, 1)
    q_values = false_discovery_rates(p_values)
    matches = []
    for i, row in enumerate(p_values):
        best, *others = (int(t) for t in np.argsort(row, kind="stable")[:5])
        matches.append(
            MotifMatch(
                known[best],
                p_value=float(row[best]),
                q_value=float(q_values[i, best]),
                reverse=bool(strands[i, best]),
                start=-int(offsets[i, best]),
                others=tuple(known[t].name for t in others if q_values[i, t] <= RELIABLE_Q),
            )
        )
    return matches


def false_discovery_rates(p_values: FloatArray) -> NDArray[np.float64]:
    """Return the q-value of each p-value (Benjamini and Hochberg 1995), over all of them; same shape."""
    from scipy.stats import false_discovery_control  # a second to import

    q_values = false_discovery_control(p_values, axis=None, method="bh")
    return np.asarray(q_values, np.float64).reshape(p_values.shape)


@dataclass(frozen=True, kw_only=True)
class KernelRow:
    """A line of kernels.csv: one kernel.

    Attributes:
        layer: 1 or 2.
        rank: by strength within the layer, from 1.
        kernel: its number, from 0.
        sites: number of windows summed.
        strength: see `KernelSites.strength`, bits.
        information: bits of the whole matrix.
        core_start: first position of the core, 0-based.
        core_stop: the position past its last.
        consensus: of the core, or of all positions without one; see `consensus`.
        mean_activation: over the sites.
        max_activation: over the sites.
        match: name of the closest known motif; "" without one.
        match_factor: its factor.
        p_value: of the match; None without one.
        q_value: of the match; None without one.
    """

    layer: int
    rank: int
    kernel: int
    sites: int
    strength: float
    information: float
    core_start: int
    core_stop: int
    consensus: str
    mean_activation: float
    max_activation: float
    match: str = ""
    match_factor: str = ""
    p_value: float | None = None
    q_value: float | None = None

    @property
    def anchor(self) -> str:
        """Name of the kernel, as in ``layer1-kernel3``: its anchor on the page, and its pictures' file name."""
        return f"layer{self.layer}-kernel{self.kernel}"


def kernel_rows(number: int, layer: KernelSites, matches: Mapping[int, MotifMatch]) -> list[KernelRow]:
    """Return a row for each kernel that has sites, the strongest first; `number` is the layer's."""
    return [
        KernelRow(
            layer=number,
            rank=rank,
            kernel=k,
            sites=int(layer.sites[k]),
            strength=float(layer.strength[k]),
            information=float(layer.information[k].sum()),
            core_start=int(layer.cores[k, 0]),
            core_stop=int(layer.cores[k, 1]),
            consensus=consensus(layer.probabilities[k][slice(*layer.cores[k]) if layer.cores[k, 1] else slice(None)]),
            mean_activation=float(layer.mean_activation[k]),
            max_activation=float(layer.max_activation[k]),
            **_match_fields(matches.get(k)),
        )
        for rank, k in enumerate(layer.ranked, 1)
    ]


def _match_fields(match: MotifMatch | None) -> dict[str, Any]:
    if match is None:
        return {}
    name = {"match": match.motif.name, "match_factor": match.motif.alternate}
    return {**name, "p_value": match.p_value, "q_value": match.q_value}


def to_csv(rows: Sequence[KernelRow]) -> str:
    """Return the rows as comma-separated text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(KernelRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _field(v) for k, v in asdict(row).items()} for row in rows)
    return text.getvalue()


def _field(value: Any) -> Any:
    """Return a value for the CSV file: names of motifs are other people's."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return spreadsheet_text(value) if isinstance(value, str) else value


_TWO_LETTERS = {"AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K"}


def consensus(probabilities: FloatArray) -> str:
    """Return one letter for each position.

    It is a base with a share of more than 1/2 and more than twice the next; else the IUPAC letter of two bases with
    more than 3/4 together; else n. Source: Cavener 1987.

    Args:
        probabilities: shape (w, 4).
    """
    letters = []
    for row in probabilities:
        second, first = np.argsort(row, kind="stable")[-2:]
        if row[first] > 0.5 and row[first] > 2 * row[second]:
            letters.append("ACGT"[first])
        elif row[first] + row[second] > 0.75:
            letters.append(_TWO_LETTERS["".join(sorted("ACGT"[first] + "ACGT"[second]))])
        else:
            letters.append("n")
    return "".join(letters)
