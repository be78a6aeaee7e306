"""Expression components: against scikit-learn's, unchanged by order and version, projected, and named by their loadings."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from factornet.etl.expression.components import fit_components, project
from factornet.etl.expression.loadings_file import read_loadings, write_loadings
from factornet.etl.expression.tpm_table import TpmTable
from factornet.store import InputError, UsageError


def table(values, *, genes=None, names=(), cells=None):
    n_genes, n_cells = values.shape
    genes = genes or tuple(f"ENSG{i:011d}" for i in range(n_genes))
    cells = cells or tuple(f"C{i}" for i in range(n_cells))
    return TpmTable(tuple(genes), tuple(names) or ("",) * n_genes, cells, values, {c: (c,) for c in cells})


def random_table(seed=1, n_genes=200, n_cells=12, **more):
    rng = np.random.default_rng(seed)
    values = np.log2(rng.gamma(0.5, 30, (n_genes, n_cells)) + 1)
    return table(values, **more)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 15), st.integers(3, 60))
def test_components_are_those_of_a_principal_component_analysis(seed, n_cells, n_genes):
    some = random_table(seed, n_genes, n_cells)
    count = min(3, n_genes)
    loadings = fit_components(some, count)
    oracle = PCA(n_components=count, svd_solver="full").fit(some.values.T)
    scores = oracle.transform(some.values.T)
    values = project(loadings, some).values
    np.testing.assert_allclose(loadings.explained, oracle.explained_variance_ratio_, rtol=1e-9)
    for k in range(count):
        sign = np.sign(scores[:, k] @ values[:, k])
        np.testing.assert_allclose(values[:, k], sign * scores[:, k] / scores[:, k].std(), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(values.std(axis=0), 1, rtol=1e-9)


@given(st.permutations(range(12)), st.randoms())
def test_order_of_genes_and_cell_lines_and_sign_of_the_decomposition_do_not_matter(cells, random):
    some = random_table()
    genes = list(range(len(some.genes)))
    random.shuffle(genes)
    other = table(
        some.values[genes][:, cells],
        genes=tuple(some.genes[i] for i in genes), cells=tuple(some.cells[i] for i in cells),
    )  # fmt: skip
    found, expected = project(fit_components(other, 4), other), project(fit_components(some, 4), some)
    np.testing.assert_allclose(found.values, expected.values[cells], atol=1e-8)
    largest = fit_components(other, 4).vectors
    assert (largest[np.abs(largest).argmax(axis=0), range(4)] > 0).all()


def test_genes_that_do_not_vary_are_left_out():
    values = random_table().values
    values[:50] = 3.0
    loadings = fit_components(table(values), 4)
    assert len(loadings.genes) == 150
    np.testing.assert_allclose(
        loadings.vectors, fit_components(table(values[50:], genes=loadings.genes), 4).vectors, atol=1e-9
    )


@pytest.mark.parametrize(
    ("values", "count", "problem"),
    [
        (np.eye(3), 3, "3 components need at least 4 cell lines; the table has 3"),
        (np.ones((5, 9)), 2, "no gene of the table varies"),
        (np.outer(np.arange(5.0), np.arange(9)), 2, "differ in 1 components only, 2 are asked for"),
    ],
)
def test_table_of_too_little_is_refused(values, count, problem):
    with pytest.raises(UsageError, match=problem):
        fit_components(table(values), count)


def test_new_cell_line_is_projected_alone_and_with_missing_genes():
    some = random_table()
    loadings = fit_components(some, 4)
    expected = project(loadings, some)
    order = np.random.default_rng(2).permutation(200)
    alone = table(some.values[order, 5:6], genes=tuple(some.genes[i] for i in order), cells=("new",))
    found = project(loadings, alone)
    np.testing.assert_allclose(found.values[0], expected.values[5], atol=1e-9)
    assert (found.missing, found.unused, found.missing_weight) == (0, 0, 0.0)
    fewer = table(np.vstack([some.values[3:], some.values[:1]]), genes=(*some.genes[3:], "ENSGNEW"))
    found = project(loadings, fewer)
    weights = (loadings.vectors[:3] ** 2).sum(axis=0)
    assert (found.missing, found.unused) == (3, 1)
    assert found.missing_weight == pytest.approx(weights.max())
    centred = (some.values - loadings.means[:, None]).copy()
    centred[:3] = 0
    np.testing.assert_allclose(found.values, centred.T @ loadings.vectors / loadings.sds, atol=1e-9)
    with pytest.raises(UsageError, match=r"100 of 200 genes of the loadings are missing .* at most 10% may be"):
        project(loadings, table(some.values[100:], genes=some.genes[100:]))


def test_genes_are_matched_by_name_where_identifiers_differ():
    names = (*(f"G{i}" for i in range(198)), "twice", "twice")
    some = random_table(names=names)
    loadings = fit_components(some, 3)
    by_symbol = table(some.values[:198], genes=names[:198], cells=some.cells)
    found = project(loadings, by_symbol, max_missing=0.5)
    assert (found.by_name, found.missing) == (True, 2)
    reverse = project(fit_components(by_symbol, 3), some)
    assert (reverse.by_name, reverse.missing, reverse.unused) == (True, 0, 2)
    with pytest.raises(
        UsageError, match=r"200 of 200 genes .*the loadings have ENSG0+0, ENSG0+1, ..., the table has X0"
    ):
        project(loadings, table(some.values, genes=tuple(f"X{i}" for i in range(200))))


def test_loadings_are_read_back_bit_by_bit_and_changes_are_noticed(tmp_path):
    loadings = fit_components(random_table(names=tuple(f"G{i}" for i in range(200))), 4)
    path = tmp_path / "l.json"
    digest = write_loadings(path, loadings)
    found, again = read_loadings(path)
    assert again == digest
    for field in ("genes", "names", "cells"):
        assert getattr(found, field) == getattr(loadings, field)
    for field in ("means", "vectors", "sds", "explained"):
        np.testing.assert_array_equal(getattr(found, field), getattr(loadings, field))
    text = path.read_text()
    path.write_text(text.replace("0.1", "0.2", 1))
    with pytest.raises(InputError, match=r"l.json: damaged or changed"):
        read_loadings(path)
    path.write_text(json.dumps({"format": "x"}))
    with pytest.raises(InputError, match="not a factornet-expression-loadings file"):
        read_loadings(path)


def test_too_many_numbers_are_refused(tmp_path):
    some = random_table(n_genes=300, n_cells=9)
    loadings = fit_components(some, 8)
    big = type(loadings)(**{**vars(loadings), "vectors": np.zeros((200_000, 8))})
    with pytest.raises(InputError, match="200,000 genes with 8 components are too many"):
        write_loadings(tmp_path / "l.json", big)
