"""A case of bad input: one changed file, and the expected outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from support.bad_input.changes import Change

Command = Literal["genome", "build", "predict", "train"]
HTML = "<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
FASTA, SIGNAL, PEAKS, RELAXED = "genome.fa", "CELL/signal.bw", "CELL/CTCF.conservative.bed", "CELL/CTCF.relaxed.bed"
BIGWIG, CHIP, META = "CELL/bigwig.txt", "CELL/chip.txt", "CELL/meta.txt"
GTF, CPG, BLACKLIST = "annotation/genes.gtf", "annotation/cpg.txt", "annotation/blacklist.bed"
REGIONS, MEME, MODEL, WEIGHTS = "regions.bed", "motifs.meme", "model/model.json", "model/best.safetensors"
ANEW = "download or create the file again"
AGAIN, RECREATE = "download (it|the file) again", "download or recreate the file"
ASSEMBLY = "another assembly"
TREE, DATA, INDEX = 8, 16, 24
"""Bytes of a bigWig's header with the offsets of its chromosome list, data and index."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One changed file.

    Attributes:
        name: of the case.
        command: the command that reads the file.
        file: path in the experiment.
        change: function that is applied to the clean file.
        problem: pattern of problem and location in the message; empty where the file must be accepted.
        hint: pattern of the remedy that the message must give.
        options: additional options of the command.
        named: file that the message must name; `file` where empty.
        same: whether an accepted file must give arrays with the digests of the clean file.
        notes: pattern of the report on an accepted file.
    """

    name: str
    command: Command
    file: str
    change: Change
    problem: str = ""
    hint: str = ""
    options: tuple[str, ...] = ()
    named: str = ""
    same: bool = True
    notes: str = ""

    @property
    def refused(self) -> bool:
        """Whether the command must exit with status 2."""
        return bool(self.problem)


def bad(
    name: str, change: Change, problem: str, hint: str, *options: str, named: str = ""
) -> tuple[str, Change, dict[str, object]]:
    """Return a row of a file to be refused."""
    return name, change, {"problem": problem, "hint": hint, "options": options, "named": named}


def odd(
    name: str, change: Change, notes: str = "", *, same: bool = True, options: tuple[str, ...] = ()
) -> tuple[str, Change, dict[str, object]]:
    """Return a row of a file to be accepted."""
    return name, change, {"notes": notes, "same": same, "options": options}
