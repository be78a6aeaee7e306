"""Motifs of JASPAR, from the optional package pyjaspar, which contains the whole database."""

from __future__ import annotations

import difflib
import importlib
import warnings

import numpy as np

from ...store.errors import UsageError
from .pwm import Motif

_HUMAN = "9606"  # NCBI taxonomy


def jaspar_motif(factor: str) -> Motif:
    """Return the motif of a factor from JASPAR's CORE collection of vertebrates.

    Human matrices come before those of other species. Of several, the one with the lowest accession is taken: later
    ones are variants, such as CTCF's with its flanks.

    Raises:
        UsageError: pyjaspar is not installed, or JASPAR has no such factor; the message lists close names.
    """
    try:
        package = importlib.import_module("pyjaspar")
    except ImportError as error:
        raise UsageError("motifs of JASPAR need pyjaspar; install it with: pip install 'factornet[jaspar]'") from error
    database = package.jaspardb()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a factor without a motif is an error below
        found = database.fetch_motifs(tf_name=factor, collection="CORE", tax_group=["vertebrates"])
    if not found:
        names = {str(m.name).upper(): str(m.name) for m in database.fetch_motifs(tax_group=["vertebrates"])}
        if factor.upper() in names and names[factor.upper()] != factor:
            return jaspar_motif(names[factor.upper()])
        close = [names[n] for n in difflib.get_close_matches(factor.upper(), names, n=5)]
        raise UsageError(f"{database.release} has no motif for {factor}; close names: {', '.join(close) or 'none'}")
    best = min(found, key=lambda m: (_HUMAN not in (m.species or []), m.matrix_id))
    counts = np.array([best.counts[base] for base in "ACGT"], np.float64).T
    return Motif(str(best.matrix_id), str(best.name), counts / counts.sum(axis=1, keepdims=True))
