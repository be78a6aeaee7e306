"""Which records of a FASTA k-mers are counted in: all but those whose names match a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ...store.errors import InputError
from ...store.text import format_count, printable
from ..inputs.chrom_aliases import abbreviate
from ..inputs.fasta import PreparedFasta

DEFAULT_EXCLUDED = ("*_random", "*_hap[0-9]*", "*_alt", "*_fix", "*_decoy", "HLA-*", "chrEBV")
"""What the Duke track left out (``_random`` and alternative haplotypes), under its names in hg18, hg19 and hg38, and
what analysis sets add to an assembly: decoys, HLA alleles, a virus. Unplaced sequences (``chrUn_*``) and chrM are
counted: the track's description does not name them among what it left out."""
_MAX_LENGTH = 2**32 - 1  # bases of a chromosome of a bigWig


@dataclass(frozen=True)
class CountedRecords:
    """The records of a FASTA, divided.

    Attributes:
        counted: bases of each record that is counted, by name, in the order of the file.
        left_out: bases of the others, by name.
        excluded: the patterns.
    """

    counted: dict[str, int]
    left_out: dict[str, int]
    excluded: tuple[str, ...]

    def describe(self) -> list[str]:
        """Return notes on what is counted and what is left out."""
        notes = [f"counted in {_describe(self.counted)}"]
        if self.left_out:
            patterns = [p for p in self.excluded if any(fnmatchcase(name, p) for name in self.left_out)]
            notes.append(f"left out as {', '.join(map(printable, patterns))}: {_describe(self.left_out)}")
        return notes


def divide_records(fasta: PreparedFasta, excluded: Sequence[str], *, required: Sequence[str] = ()) -> CountedRecords:
    """Divide the records of a FASTA by the patterns of names that are excluded (``*_alt``; case matters).

    Args:
        fasta: the prepared file.
        excluded: the patterns.
        required: names of records that must be counted.

    Raises:
        InputError: all records are excluded, or one that must be counted, or one is longer than a bigWig can say.
    """
    left_out = {n: size for n, size in fasta.lengths.items() if any(fnmatchcase(n, p) for p in excluded)}
    counted = {n: size for n, size in fasta.lengths.items() if n not in left_out}
    if not counted:
        problem = f"no record is left to count k-mers in: {abbreviate(map(printable, left_out))} are excluded"
        raise InputError(fasta.source, problem, hint="exclude fewer")
    if absent := [name for name in required if name in left_out]:
        problem = f"the store has {abbreviate(map(printable, absent))}, which computing uniqueness leaves out"
        raise InputError(fasta.source, problem, hint="exclude other records, or choose other chromosomes")
    for name, size in counted.items():
        if size > _MAX_LENGTH:
            hint = "exclude it, or cut it into parts"
            raise InputError(fasta.source, f"record {name!r} has {size:,} bases, a bigWig 2^32 - 1 at most", hint=hint)
    return CountedRecords(counted, left_out, tuple(excluded))


def _describe(records: dict[str, int]) -> str:
    names = abbreviate(map(printable, records))
    return f"{format_count(len(records), 'record')} of {sum(records.values()):,} bases ({names})"
