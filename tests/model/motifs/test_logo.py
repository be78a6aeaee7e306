"""Where the letters of a logo stand, and the files of a picture."""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from factornet.model.motifs.logo import KernelPicture, draw, letter_heights, logo_letters, render_svg, save_pictures

SVG = "{http://www.w3.org/2000/svg}"
SIGNALS = [{}, {"DGF": np.linspace(0, 3, 8), "<odd> & flat": np.zeros(8), "log": -np.ones(8)}]


def picture(known_start=0, signals=SIGNALS[1], known_name="M<1>"):
    heights = letter_heights(np.random.default_rng(0).dirichlet([0.3] * 4, 8))
    return KernelPicture(heights, (2, 5), heights[:5], known_start, known_name, signals)


def test_letters_stand_on_each_other_the_tallest_on_top():
    heights = letter_heights(np.array([[0.7, 0.1, 0.2, 0.0], [0.25] * 4]))
    letters = list(logo_letters(heights))
    assert [(x.base, x.position) for x in letters] == [("C", 0), ("G", 0), ("A", 0)], "an even position has no letters"
    assert [x.bottom for x in letters] == pytest.approx([0, heights[0, 1], heights[0, 1:].sum()])
    entropy = -sum(p * np.log2(p) for p in (0.7, 0.1, 0.2))
    assert letters[-1].bottom + letters[-1].height == pytest.approx(2 - entropy)


def test_letters_of_a_drawing_fill_their_columns_from_the_axis_up():
    drawing = draw(KernelPicture(np.array([[2, 0, 0, 0], [0, 0.5, 0, 1]]), (0, 2)))
    assert drawing.logos[0].letters == [
        ("A", "matrix(17 0 0 110.0 0.5 0.0)"),
        ("C", "matrix(17 0 0 27.5 18.5 82.5)"),
        ("T", "matrix(17 0 0 55.0 18.5 27.5)"),
    ]
    assert (drawing.core_x, drawing.core_width, drawing.axis_width) == (0, 36, 36)


@pytest.mark.parametrize(("known_start", "kernel_x", "columns"), [(-3, 54, 11), (2, 0, 8), (6, 0, 11)])
def test_a_known_motif_that_sticks_out_widens_the_drawing(known_start, kernel_x, columns):
    drawing = draw(picture(known_start))
    assert picture(known_start).span == (min(0, known_start), max(8, known_start + 5))
    assert (drawing.kernel_x, drawing.axis_width) == (kernel_x, 18 * columns)
    assert drawing.core_x == kernel_x + 2 * 18
    assert drawing.numbers == [(kernel_x + 9, 1), (kernel_x + 81, 5)]


def test_the_axis_of_a_signal_includes_zero():
    first, flat, negative = draw(picture()).signals
    assert (first.low, first.high, first.zero) == ("0", "3", "42.0")
    assert (flat.low, flat.high, flat.zero) == ("0", "1", "42.0")
    assert (negative.low, negative.high, negative.zero) == ("-1", "0", "0.0")


@pytest.mark.parametrize("known_start", [-3, 2, 6])
@pytest.mark.parametrize("signals", SIGNALS)
def test_svg_is_well_formed_and_names_are_text(known_start, signals):
    text = render_svg(picture(known_start, signals), 'a "title" <b>')
    root = ElementTree.fromstring(text)
    shown = [t.text for t in root.iter(f"{SVG}text")]
    assert root.find(f"{SVG}title").text == 'a "title" <b>'
    assert shown[0] == 'a "title" <b>'
    assert "M<1>" in shown
    assert [t for t in shown if t in signals] == list(signals)
    ids = {path.get("id") for path in root.iter(f"{SVG}path")}
    assert {use.get("href")[1:] for use in root.iter(f"{SVG}use")} <= ids
    assert "nan" not in text


def test_files_of_a_picture_are_the_same_each_time(tmp_path):
    for stem in ("a", "b"):
        save_pictures(tmp_path / stem, picture(), "title", formats=("png", "svg"))
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    save_pictures(tmp_path / "c", picture(), "title", formats=("svg",))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg", "c.svg"]


def test_png_has_two_pixels_a_unit_and_text_without_installed_fonts(tmp_path):
    drawing = draw(picture())
    save_pictures(tmp_path / "a", picture(), "title", formats=("png",))
    save_pictures(tmp_path / "b", picture(), "another title", formats=("png",))
    content = (tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (2 * drawing.width, 2 * drawing.height)
    assert content != (tmp_path / "b.png").read_bytes()
