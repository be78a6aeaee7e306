"""Show all kernels of a network on one web page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .kernel_motifs import CORE_BITS, KernelSites
from .logo import COLOURS, Drawing, KernelPicture, draw, letter_heights, letter_outlines
from .templates import load_template
from .tomtom import FEW_MOTIFS, RELIABLE_Q, KernelRow, MotifMatch

_TITLES = {1: "Layer 1: convolution", 2: "Layer 2: kernels mixed at each position"}


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerReport:
    """One layer of the network on the page.

    Attributes:
        number: 1 or 2.
        sites: of its kernels.
        rows: of the kernels that have sites, the strongest first.
        matches: closest known motif by kernel; may lack kernels.
        tracks: names of the signal tracks, in the order of ``sites.mean_signal``.
    """

    number: int
    sites: KernelSites
    rows: Sequence[KernelRow]
    matches: Mapping[int, MotifMatch]
    tracks: Sequence[str]

    @property
    def title(self) -> str:
        """Heading of the layer."""
        return _TITLES[self.number]

    @property
    def n_kernels(self) -> int:
        """Number of kernels, with sites or without."""
        return len(self.sites.sites)

    @property
    def silent(self) -> list[int]:
        """Kernels without a site."""
        return [k for k, n in enumerate(self.sites.sites) if n == 0]

    def picture(self, kernel: int) -> KernelPicture:
        """Return what to draw of a kernel; the known motif only if it is a reliable match."""
        sites, match = self.sites, self.matches.get(kernel)
        first, stop = (int(i) for i in sites.cores[kernel])
        heights = letter_heights(sites.probabilities[kernel], sites.information[kernel])
        signals = {name: sites.mean_signal[t, kernel] for t, name in enumerate(self.tracks)}
        if match is None or not match.reliable:
            return KernelPicture(heights, (first, stop), signals=signals)
        name = match.name + (", reverse complement" if match.reverse else "")
        return KernelPicture(heights, (first, stop), letter_heights(match.oriented), match.start, name, signals)

    def drawing(self, kernel: int) -> Drawing:
        """Return the picture of a kernel, laid out."""
        return draw(self.picture(kernel))


def render_page(title: str, facts: Mapping[str, str], layers: Sequence[LayerReport], *, n_known: int) -> str:
    """Return the page as HTML (resources/kernels.html.j2).

    Args:
        title: its heading.
        facts: model, cell line and sequences, as names and values.
        layers: layer 1, layer 2.
        n_known: number of known motifs the kernels were compared with; 0 for none.
    """
    return load_template("kernels.html.j2").render(
        title=title,
        facts=facts,
        layers=layers,
        n_known=n_known,
        core_bits=CORE_BITS,
        few_motifs=FEW_MOTIFS,
        reliable_q=RELIABLE_Q,
        colours=COLOURS,
        outlines=letter_outlines(),
    )
