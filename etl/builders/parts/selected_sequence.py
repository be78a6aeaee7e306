"""Select the chromosomes of a genome from its FASTA, and name the assembly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....store.errors import InputError, UsageError
from ....store.genome.intervals import GenomeCoordinates
from ....store.schema import check_name
from ....store.text import format_count, printable
from ...inputs.assembly import known_assemblies
from ...inputs.chrom_aliases import alias_hint, default_selection, file_names
from ...inputs.fasta import PreparedFasta, prepare_fasta


@dataclass(frozen=True)
class SelectedSequence:
    """A prepared FASTA and the chromosomes selected from it.

    Attributes:
        fasta: the prepared file.
        records: store name -> FASTA name of each chromosome, in the FASTA's order.
        coordinates: their store names and lengths.
        assembly: name of the assembly.
        notes: on records left out.
    """

    fasta: PreparedFasta
    records: dict[str, str]
    coordinates: GenomeCoordinates
    assembly: str
    notes: tuple[str, ...]


def read_sequence(
    path: Path, work: Path, *, chroms: Sequence[str], aliases: Mapping[str, str], assembly: str | None
) -> SelectedSequence:
    """Check and index a FASTA, and select the chromosomes of a genome.

    Args:
        path: plain or gzipped FASTA.
        work: folder for intermediate files.
        chroms: store names of the chromosomes to include; FactorNet's (chr1..22, X) if empty.
        aliases: name in the file -> name in the store.
        assembly: name of the assembly; if None, recognised by chromosome lengths, else taken from the file name.

    Raises:
        InputError: the FASTA is invalid or lacks a chromosome, or a length differs from that in the assembly named.
    """
    fasta = prepare_fasta(path, work)
    records, notes = _select_records(path, fasta, chroms, aliases)
    coordinates = GenomeCoordinates(tuple(records), tuple(fasta.lengths[r] for r in records.values()))
    return SelectedSequence(fasta, records, coordinates, _assembly_name(assembly, coordinates, path), notes)


def _select_records(
    path: Path, fasta: PreparedFasta, chroms: Sequence[str], aliases: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Map store names of the selected chromosomes to records, in the FASTA's order; add a note on those left out."""
    names = [aliases.get(r, r) for r in fasta.lengths]
    selected = list(chroms) or default_selection(names)
    records = file_names([n for n in names if n in selected], fasta.lengths, aliases, file=path)
    absent = [n for n in selected if n not in records]
    if absent:
        have = ", ".join(list(fasta.lengths)[:6])
        raise InputError(
            path, f"no record for {', '.join(absent)}; it has {have}", hint=alias_hint(fasta.lengths, absent)
        )
    for name in records:
        try:
            check_name(name, "chromosome")
        except UsageError as e:
            hint = "rename it with a chromosome alias, or select chromosomes without it"
            raise InputError(path, str(e), hint=hint) from e
    omitted = [n for n in names if n not in records]
    if not omitted:
        return records, ()
    shown = ", ".join(omitted[:6]) + (", ..." if len(omitted) > 6 else "")
    return records, (f"{format_count(len(omitted), 'record')} of the FASTA left out: {shown}",)


def _assembly_name(given: str | None, coordinates: GenomeCoordinates, fasta: Path) -> str:
    """Return the assembly's name: the given one, else one recognised by chromosome lengths, else from the file name.

    Raises:
        InputError: the given name is a known assembly in which a chromosome has another length.
    """
    for name, known in known_assemblies().items():
        chromosomes = zip(coordinates.names, coordinates.lengths, strict=True)
        different = [(chrom, length) for chrom, length in chromosomes if known.get(chrom) != length]
        if given == name and different:
            chrom, length = different[0]
            expected = f"in {name} it has {known[chrom]}" if chrom in known else f"{name} has no chromosome {chrom}"
            hint = "download the file again if it is incomplete, or correct the assembly"
            raise InputError(fasta, f"{chrom} has {length} bases, {expected}", hint=hint)
        if given is None and not different:
            return name
    return printable(given or fasta.name.split(".")[0])
