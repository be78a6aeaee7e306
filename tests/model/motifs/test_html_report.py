"""The page of all kernels: names are shown as text, numbers as they are."""

from html.parser import HTMLParser

import numpy as np
import pytest

from factornet.model import Motif
from factornet.model.motifs.html_report import LayerReport, render_page
from factornet.model.motifs.kernel_motifs import KernelSites
from factornet.model.motifs.tomtom import MotifMatch, kernel_rows

ODD = """<script>alert("1")</script> & 'x'"""


class Page(HTMLParser):
    """Text of the page, its elements and the attributes that hold text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.labels, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.labels += [value for name, value in attrs if name == "aria-label"]

    def handle_data(self, data):
        self.text.append(data)


def layer(number, *, track="DGF", match=None):
    """Two kernels of 6 positions: number 0 has no site, number 1 the motif CACGTG."""
    counts = np.zeros((2, 6, 4))
    counts[1, np.arange(6), [1, 0, 1, 2, 3, 2]] = 1234
    zeros = np.zeros(2)
    sites = KernelSites(counts, np.array([0, 1234]), np.ones((1, 2, 6)), zeros + 0.5, zeros + 2)
    matches = {} if match is None else {1: match}
    rows = kernel_rows(number, sites, matches)
    return LayerReport(number=number, sites=sites, rows=rows, matches=matches, tracks=(track,))


def known(name, factor, *, q_value=0.001, others=()):
    return MotifMatch(Motif(name, factor, np.eye(4)[[1, 0, 1, 2, 3, 2]]), 1e-5, q_value, False, 0, others)


def test_names_with_markup_are_text_wherever_they_are_shown():
    match = known(ODD, ODD, others=(ODD, "b"))
    page = Page(render_page(ODD, {ODD: ODD}, [layer(1, track=ODD, match=match), layer(2)], n_known=100))
    assert "script" not in page.tags
    plain = Page(
        render_page("t", {"a": "b"}, [layer(1, match=known("n", "n", others=("a", "b"))), layer(2)], n_known=100)
    )
    assert page.tags == plain.tags
    found = [text for text in page.text if ODD in text]
    # title, h1, dt, dd, table, card, other matches, caption of the known motif, caption of the track
    assert len(found) == 9
    assert found[:4] == [ODD] * 4
    assert f"; also {ODD}, b" in "".join(page.text)


@pytest.mark.parametrize(("q_value", "reliable"), [(0.001, True), (0.3, False)])
def test_only_a_reliable_match_is_drawn(q_value, reliable):
    page = Page(
        render_page("t", {}, [layer(1, match=known("MA0058.3", "MAX", q_value=q_value)), layer(2)], n_known=100)
    )
    text = "".join(page.text)
    assert ("closest: MA0058.3 (MAX)" in text) == (not reliable)
    assert page.text.count("bits") == (3 if reliable else 2), "an axis of bits a logo"


def test_facts_of_kernels_and_layers():
    page = Page(render_page("t", {"model": "MAX"}, [layer(1), layer(2)], n_known=0))
    text = " ".join("".join(page.text).split())
    assert "Layer 1: convolution: 1 of 2 kernels have sites" in text
    assert text.count("Never above 0, so without sites: kernel 0.") == 2
    assert text.count("1,234 sites · 12.0 bits · activation 0.5") == 2
    assert page.labels == ["Logo of kernel 1: CACGTG"] * 2
    assert "known motifs" not in text
    assert "few" in "".join(Page(render_page("t", {}, [layer(1), layer(2)], n_known=24)).text)


def test_a_layer_without_any_site_has_an_empty_table():
    zeros = np.zeros(3)
    sites = KernelSites(np.zeros((3, 6, 4)), zeros.astype(int), np.zeros((0, 3, 6)), zeros, zeros)
    silent = LayerReport(number=2, sites=sites, rows=(), matches={}, tracks=())
    text = "".join(Page(render_page("t", {}, [layer(1), silent], n_known=0)).text)
    assert "Never above 0, so without sites: kernels 0, 1, 2." in text
