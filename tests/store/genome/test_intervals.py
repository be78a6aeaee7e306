"""Interval algebra compared with sets of single bases; coordinates and regions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.store.errors import UsageError
from factornet.store.genome.intervals import (
    GenomeCoordinates,
    Intervals,
    contains,
    intersect,
    merge,
    nth,
    overlaps,
    size,
    starts_inside,
    subtract,
)
from factornet.store.genome.regions import Region, parse_region

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 15)), max_size=8)


def intervals(items: list[tuple[int, int]]) -> Intervals:
    starts = np.array([s for s, _ in items], np.int64)
    return Intervals(starts, starts + np.array([w for _, w in items], np.int64))


def bases(x: Intervals) -> set[int]:
    return {b for s, e in zip(x.starts, x.stops, strict=True) for b in range(s, e)}


def is_merged(x: Intervals) -> bool:
    return bool((x.starts[1:] > x.stops[:-1]).all() and (x.stops > x.starts).all())


@given(pairs)
def test_merge_size_and_nth_equal_set_operations(items):
    merged = merge(intervals(items))
    assert is_merged(merged)
    assert bases(merged) == bases(intervals(items))
    assert size(merged) == len(bases(merged))
    assert nth(merged, np.arange(size(merged))).tolist() == sorted(bases(merged))


@given(pairs, pairs)
def test_subtract_and_intersect_equal_set_operations(a, b):
    a, b = merge(intervals(a)), merge(intervals(b))
    assert is_merged(subtract(a, b))
    assert bases(subtract(a, b)) == bases(a) - bases(b)
    assert bases(intersect(a, b)) == bases(a) & bases(b)


@given(pairs, pairs)
def test_overlaps_and_contains_equal_set_operations(queries, b):
    queries, b = intervals(queries), merge(intervals(b))
    query_bases = [set(range(s, e)) for s, e in zip(queries.starts, queries.stops, strict=True)]
    assert overlaps(queries, b).tolist() == [bool(q & bases(b)) for q in query_bases]
    assert contains(b, queries).tolist() == [q <= bases(b) for q in query_bases]


@given(pairs, st.integers(1, 9))
def test_starts_inside_keeps_whole_windows(items, width):
    allowed = merge(intervals(items))
    expected = {s for s in bases(allowed) if set(range(s, s + width)) <= bases(allowed)}
    assert bases(starts_inside(allowed, width)) == expected


def test_coordinates_round_trip_and_widen_stays_in_chromosome():
    coordinates = GenomeCoordinates(("chr1", "chr2"), (10, 20))
    chrom, position = np.array([0, 0, 1, 1]), np.array([0, 9, 0, 19])
    assert [x.tolist() for x in coordinates.from_absolute(coordinates.to_absolute(chrom, position))] == [
        chrom.tolist(),
        position.tolist(),
    ]
    wide = coordinates.widen(
        Intervals(coordinates.to_absolute([0, 1], [8, 1]), coordinates.to_absolute([0, 1], [9, 3])), 5
    )
    assert wide.starts.tolist() == [3, 11]
    assert wide.stops.tolist() == [10, 11 + 8]
    assert merge(coordinates.whole).starts.size == 2, "neighbouring chromosomes must not merge"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr2", Region("chr2", 0, 20)),
        ("chr2:3-20", Region("chr2", 3, 20)),
        ("chr1:1,0-1,0", None),
        ("chr2:3-21", None),
        ("chr3", None),
        ("chr2:5", None),
    ],
)
def test_parse_region_returns_the_region_or_refuses(text, expected):
    coordinates = GenomeCoordinates(("chr1", "chr2"), (10, 20))
    if expected is None:
        with pytest.raises(UsageError, match="chr"):
            parse_region(text, coordinates)
    else:
        assert parse_region(text, coordinates) == expected
