"""Which known motif each kernel resembles, by Tomtom (Gupta et al. 2007, as memelite has it); kernels as a table."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernel_motifs import FloatArray, KernelSites
from .pwm import Motif

FEW_MOTIFS = 25
"""With fewer known motifs than this, Tomtom's p-values depend much on which: their columns are its background."""

RELIABLE_Q = 0.1
"""A match of at most this q-value is taken for one."""

_FLANK = 2
"""Places beside a core that are compared too. Measured on the published MAX model: cores alone have p-values ten times
as large; whole kernels are matched by the composition of their 34 places (ZFX, SP3) rather than by their E-box.
"""


@dataclass(frozen=True, eq=False)
class MotifMatch:
    """The closest known motif, and how it lies on the query.

    Attributes:
        motif: as it was given.
        p_value: chance that a motif like it matches so well, at any offset and on either strand.
        q_value: share of false matches among all at least as good (Benjamini and Hochberg 1995, over all pairs).
        reverse: whether it is the motif's reverse complement that matches.
        start: place of the query at which the (reversed) motif begins; below 0 where it begins earlier.
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
        """Whether the q-value is small enough to believe in it."""
        return self.q_value <= RELIABLE_Q

    @property
    def oriented(self) -> FloatArray:
        """The motif's probabilities as they lie on the query, float64 (w, 4)."""
        p = self.motif.probabilities
        return p[::-1, ::-1] if self.reverse else p

    @property
    def name(self) -> str:
        """Its name, and the factor's where the name does not begin with it."""
        name, factor = self.motif.name, self.motif.alternate
        return name if name.upper().startswith(factor.upper()) else f"{name} ({factor})"


def match_kernels(layer: KernelSites, known: Sequence[Motif]) -> dict[int, MotifMatch]:
    """The closest known motif of each kernel that has sites and a core; `start` is a place of the kernel.

    Only the core and two places on either side take part: the flanks of a wide kernel hold no more than the
    composition of the sequences, which would count for or against a motif.
    """
    kernels = [k for k in layer.ranked if layer.cores[k, 1] > 0]
    starts = [max(int(layer.cores[k, 0]) - _FLANK, 0) for k in kernels]
    cores = [layer.probabilities[k][a : layer.cores[k, 1] + _FLANK] for k, a in zip(kernels, starts, strict=True)]
    found = zip(kernels, starts, match_motifs(cores, known), strict=True)
    return {k: replace(match, start=match.start + start) for k, start, match in found}


def match_motifs(queries: Sequence[FloatArray], known: Sequence[Motif]) -> list[MotifMatch]:
    """The closest of the known motifs for each query.

    Args:
        queries: probabilities, shape (w, 4) each, widths of their own.
        known: at least one.
    """
    if not queries:
        return []
    from memelite import tomtom  # numba takes a second to import, and a minute to compile when it is first used

    with warnings.catch_warnings():
        # The command says it in its own words.
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
    """A kernel in a line of kernels.csv.

    Attributes:
        layer: 1 or 2.
        rank: by strength within the layer, from 1.
        kernel: its number, from 0.
        sites: windows it was summed over.
        strength: see `KernelSites.strength`, bits.
        information: bits of the whole matrix.
        core_start: first place of the core, from 0.
        core_stop: the place past its last.
        consensus: of the core, or of all places where there is none; see `consensus`.
        mean_activation: over the sites.
        max_activation: the highest.
        match: name of the closest known motif; "" where none was looked for.
        match_factor: its factor.
        p_value: of the match, None without.
        q_value: of the match, None without.
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
    """A row for each kernel that has sites, the strongest first; `number` is the layer's."""
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


def rows_csv(rows: Sequence[KernelRow]) -> str:
    """The rows as comma-separated text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(KernelRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows)
    return text.getvalue()


_TWO_LETTERS = {"AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K"}


def consensus(probabilities: FloatArray) -> str:
    """One letter a place: a base of more than half and twice the next, else two of more than three quarters, else n.

    Source: Cavener 1987, with IUPAC's letters for two bases.

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
