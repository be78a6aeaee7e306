"""Known motifs without a file: JASPAR's, from the package pyjaspar, which carries the whole database."""

from __future__ import annotations

import difflib
import importlib
import warnings

import numpy as np

from ...store.errors import UsageError
from .pwm import Motif

_HUMAN = "9606"


def jaspar_motif(factor: str) -> Motif:
    """The matrix of a factor in JASPAR's CORE collection of vertebrates, a human one where there is one.

    Of several, the one with the lowest accession: later ones are variants, as CTCF's with its flanks.

    Raises:
        UsageError: pyjaspar is not installed, or JASPAR has no such factor; close names are given.
    """
    try:
        package = importlib.import_module("pyjaspar")
    except ImportError as error:
        raise UsageError(
            "-mo needs a motif: give a MEME file with --motifs FILE.meme, or install JASPAR's: "
            "pip install 'factornet[jaspar]'"
        ) from error
    database = package.jaspardb()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what is an error here
        found = database.fetch_motifs(tf_name=factor, collection="CORE", tax_group=["vertebrates"])
    if not found:
        names = {str(m.name).upper(): str(m.name) for m in database.fetch_motifs(tax_group=["vertebrates"])}
        if factor.upper() in names and names[factor.upper()] != factor:
            return jaspar_motif(names[factor.upper()])
        close = [names[n] for n in difflib.get_close_matches(factor.upper(), names, n=5)]
        raise UsageError(
            f"{database.release} has no motif for {factor}; close names: {', '.join(close) or 'none'}; give another "
            "with --motif-name, or a MEME file with --motifs"
        )
    best = min(found, key=lambda m: (_HUMAN not in (m.species or []), m.matrix_id))
    counts = np.array([best.counts[base] for base in "ACGT"], np.float64).T
    return Motif(str(best.matrix_id), str(best.name), counts / counts.sum(axis=1, keepdims=True))
