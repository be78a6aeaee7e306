"""Components in meta.txt: other rows are kept, other components only replaced by force."""

import numpy as np
import pytest

from factornet.etl.expression.meta_sheet import check_no_others, write_components
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.store import InputError, UsageError
from factornet.store.files.outputs import output_lock
from factornet.store.meta_names import component_names, explain_other_meta, is_component, loadings_of

NAMES = component_names(2, "0123456789abcdef" * 4)
OTHERS = component_names(2, "fedcba9876543210" * 4)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "K562"
    path.mkdir()
    return path


def test_names_have_the_digest_of_their_loadings():
    assert NAMES == ("GEPC1@0123456789ab", "GEPC2@0123456789ab")
    assert all(map(is_component, (*NAMES, "GEPC8")))
    assert not any(map(is_component, ("age", "GEPC", "GEPC1@x", "GEPC1@0123456789abc", "xGEPC1")))
    assert loadings_of(("age", *NAMES, *OTHERS, "GEPC1")) == ("0123456789ab", "fedcba987654", "")


def test_components_are_read_back_as_float32(folder):
    values = np.array([1 / 3, -1e-9])
    assert write_components(folder, NAMES, values, force=False) == "written"
    found = read_cell_folder(folder).meta
    assert [name for name, _ in found] == [*NAMES]
    np.testing.assert_array_equal(np.float32([v for _, v in found]), np.float32(values))
    assert write_components(folder, NAMES, values, force=False) == "unchanged"


def test_other_rows_are_kept_and_other_components_replaced_by_force_only(folder):
    (folder / "meta.txt").write_text("# my values\n0.5\tGEPC1\n41 age\n-1 GEPC2\r\n")
    with pytest.raises(UsageError, match=r"meta.txt: already has components \(GEPC1, ...\)"):
        write_components(folder, NAMES, np.zeros(2), force=False)
    assert write_components(folder, NAMES, np.array([1, 2]), force=True) == "replaced"
    assert (folder / "meta.txt").read_text() == f"# my values\n41 age\n1.0\t{NAMES[0]}\n2.0\t{NAMES[1]}\n"
    assert write_components(folder, NAMES, np.array([1, 3]), force=False) == "replaced"  # of the same loadings
    with pytest.raises(UsageError, match="already has components"):
        check_no_others(folder, OTHERS)
    with output_lock(folder), pytest.raises(InputError, match="is being written"):
        write_components(folder, NAMES, np.zeros(2), force=True)


@pytest.mark.parametrize(
    ("wanted", "found", "said"),
    [
        (("GEPC1", "GEPC2"), NAMES, "no loadings were published"),
        (("GEPC1", "GEPC2"), (), "no loadings were published"),
        (
            NAMES,
            OTHERS,
            "of the loadings 0123456789ab; those of the cell line are of fedcba987654: project the cell line",
        ),
        (NAMES, ("GEPC1", "GEPC2"), "those of the cell line are of no known loadings"),
        (NAMES, (), "of the loadings 0123456789ab: project"),
        (("age",), (), ""),
    ],
)
def test_what_to_do_about_other_components(wanted, found, said):
    explained = explain_other_meta(wanted, found)
    assert said in explained
    assert bool(explained) == bool(said)
