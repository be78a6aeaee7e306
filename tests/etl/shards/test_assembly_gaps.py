"""Gaps of an assembly, found in blocks of sequence; against a regular expression on all of it."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.etl.shards.assembly_gaps import GapFinder


def find(text: str, cuts=()) -> list[tuple[int, int]]:
    finder = GapFinder()
    letters = np.frombuffer(text.encode(), np.uint8)
    for begin, end in zip((0, *cuts), (*cuts, len(letters)), strict=True):
        finder.add(letters[begin:end])
    return [*finder.finish()]


def expected(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer("[^ACGT]{200,}", text)]


@pytest.mark.parametrize(
    ("text", "gaps"),
    [
        ("", []),
        ("ACGT" * 100, []),
        ("N" * 199, []),
        ("N" * 200, [(0, 200)]),
        ("A" + "N" * 199 + "C" + "N" * 200, [(201, 401)]),
        ("N" * 300 + "ACGT" + "N" * 500, [(0, 300), (304, 804)]),
        ("A" + "NRYK" * 50 + "T", [(1, 201)]),
    ],
)
def test_gaps_are_runs_of_at_least_200_letters_other_than_acgt(text, gaps):
    assert find(text) == expected(text) == gaps


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.sampled_from("ACNNR"), st.sampled_from([1, 99, 100, 199, 200, 201, 450])), max_size=12),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
)  # fmt: skip
def test_blocks_make_no_difference(pieces, cuts):
    text = "".join(letter * n for letter, n in pieces)
    assert find(text, sorted(min(c, len(text)) for c in cuts)) == expected(text)
