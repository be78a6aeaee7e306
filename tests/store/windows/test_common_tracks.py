"""Which tracks cell lines have in common, where some list tracks of the genome and others do not."""

from types import SimpleNamespace

import pytest

from factornet.store import UsageError
from factornet.store.cell_info import Track
from factornet.store.windows.inputs import common_tracks, shared_tracks

GENOME = ("Unique35", "GC")


def store_of(**listed):
    """Stand for a store of cell lines, each with the tracks that it lists."""
    cells = {
        name: SimpleNamespace(
            tracks=tuple(Track(track, shared=track in GENOME) for track in tracks.split()),
            track_names=tuple(tracks.split()),
        )
        for name, tracks in listed.items()
    }
    return SimpleNamespace(cell=cells.__getitem__)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("DGF", "DGF", "DGF"),
        ("Unique35 DGF", "DGF", "Unique35 DGF"),
        ("DGF", "Unique35 DGF", "Unique35 DGF"),
        ("DGF", "DGF Unique35", "DGF Unique35"),
        ("Unique35 DGF", "DGF GC", "Unique35 DGF GC"),
        ("Unique35", "", "Unique35"),
        ("", "", ""),
        ("Unique35 DGF", "DGF Unique35", None),
        ("Unique35 DGF", "ATAC", None),
        ("DGF ATAC", "Unique35 ATAC DGF", None),
        ("DGF GC", "Unique35 DGF", None),  # GC is before Unique35 or behind it
    ],
)
def test_genome_tracks_belong_to_all_if_any_lists_them(one, two, expected):
    store = store_of(one=one, two=two)
    if expected is None:
        with pytest.raises(UsageError, match="must have the same tracks in the same order: one has"):
            common_tracks(store, ("one", "two"))
    else:
        assert common_tracks(store, ("one", "two")) == tuple(expected.split())


def test_tracks_to_choose_from_are_with_those_of_the_genome():
    store = store_of(one="DGF ATAC", two="Unique35 DGF", three="DGF")
    assert shared_tracks(store, ("one", "two", "three")) == ("DGF", "Unique35")
    assert shared_tracks(store, ("one", "three")) == ("DGF",)
