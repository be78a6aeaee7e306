"""Choose a factor's known motif, from a file of motifs, JASPAR, or the one that FactorNet came with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from .arguments import naming_option
from .output import print_line

if TYPE_CHECKING:
    from ...model.motifs.pwm import Motif

JASPAR = "JASPAR"
MOTIFS_HELP = (
    "motifs in MEME format (HOCOMOCO, JASPAR, output of MEME, STREME), JASPAR's, TRANSFAC's or HOMER's; the word "
    "JASPAR: those of pyjaspar"
)


def choose_motif(motifs: Path, name: str, *, quiet: bool = False) -> Motif:
    """Return the motif of a factor in a file, or in JASPAR; say on standard error where there was a choice.

    Args:
        motifs: file of motifs, or the word JASPAR.
        name: of the factor or the motif.
        quiet: whether nothing is said of a choice.

    Raises:
        InputError: the file cannot be read.
        UsageError: no motif of this name.
    """
    from ...model.motifs.formats import read_motifs
    from ...model.motifs.jaspar import jaspar_motif
    from ...model.motifs.names import find_motifs

    if str(motifs) == JASPAR and not motifs.exists():
        with naming_option("--motifs", hint="or give a file with --motifs FILE, and a name in it with --motif-name"):
            return jaspar_motif(name)
    with naming_option("--motifs", hint="choose one with --motif-name"):
        found = find_motifs(read_motifs(motifs), name)
    if (note := found.describe()) and not quiet:
        print_line(f"{note}; choose another with --motif-name", file=sys.stderr)
    return found.best


def default_motifs(*, option: str = "-mo") -> Path:
    """Return the file of HOCOMOCO v9, which the original's ``-mo`` used.

    Args:
        option: that needs motifs, for the message.

    Raises:
        UsageError: it was not downloaded.
    """
    from ...etl.download.user_data import find_motifs_file  # the package etl takes a while to import

    if found := find_motifs_file():
        return found
    raise UsageError(
        f"{option}: the motifs of HOCOMOCO v9, which FactorNet used, are not here; download them with "
        f"`factornet-etl fetch motifs`, or give others with --motifs FILE (--motifs {JASPAR}: those of pyjaspar)"
    )
