"""Names of cell lines, tracks and factors are folders of a Zarr hierarchy."""

import pytest

from factornet.store.errors import UsageError
from factornet.store.schema import check_name


@pytest.mark.parametrize("name", ["zarr.json", "Zarr.JSON"])
def test_name_of_the_metadata_of_a_group_is_refused(name):
    """A cell line of this name would take the place of the metadata of all cell lines."""
    with pytest.raises(UsageError, match=f"cell line '{name}' cannot be a name in a store: Zarr has a file"):
        check_name(name, "cell line")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("__x__", "Zarr reserves names that start with __"),
        (".x", "it starts with a dot"),
        ("..", "it starts with a dot"),
        ("a b", "use letters, digits"),
        ("", "use letters, digits"),
    ],
)
def test_name_that_is_none_of_a_zarr_node_is_refused_with_its_reason(name, problem):
    with pytest.raises(UsageError, match=f"cannot be a name in a store: {problem}"):
        check_name(name, "cell line")


@pytest.mark.parametrize("name", ["_x", "K562", "cells", "zarr", "zarr.json.bw", "-f", "H1-hESC"])
def test_other_names_are_returned(name):
    assert check_name(name, "cell line") == name
