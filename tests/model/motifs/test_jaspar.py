"""Motifs from JASPAR, where the user gives no file."""

import importlib

import numpy as np
import pytest

from factornet.model import Motif
from factornet.model.motifs.jaspar import jaspar_motif
from factornet.store import UsageError


def consensus(motif: Motif) -> str:
    return "".join("ACGT"[i] for i in motif.probabilities.argmax(1))


@pytest.mark.parametrize(
    ("factor", "matrix", "core"),
    [("CTCF", "MA0139", "CCAGGGGGC"), ("MAX", "MA0058", "CACGTG"), ("max", "MA0058", "CACGTG")],
)
def test_matrix_of_a_factor_has_its_core(factor, matrix, core):
    motif = jaspar_motif(factor)
    assert motif.name.startswith(matrix)
    reverse = consensus(Motif("r", "", motif.probabilities[::-1, ::-1].copy()))
    assert core in consensus(motif) or core in reverse
    np.testing.assert_allclose(motif.probabilities.sum(1), 1)


def test_unknown_factor_lists_close_names():
    with pytest.raises(UsageError, match=r"JASPAR\d+ has no motif for CTCX; close names: CTCF"):
        jaspar_motif("CTCX")


def test_missing_package_is_one_line_with_the_command(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"^motifs of JASPAR need pyjaspar; .*: pip install 'factornet\[jaspar\]'$"):
        jaspar_motif("CTCF")
