"""Entries of a catalogue, as dataclasses that round-trip through JSON; each value is checked, as of a stranger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from ...store.attribute_checks import check_printable, check_type
from ...store.schema import ENCODINGS, check_name

MAX_SIZE = 2**50
"""Bytes of a store at most, a million GB: a size beyond it is no size."""
_MAX_BASES = 2**40
_MAX_STATEMENT = 2000  # characters
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class Statements:
    """What only people can say of a store; each is empty where they have not.

    Attributes:
        licence: under which its data may be used.
        citation: of the work that its data are from.
        contact: whom to ask.
    """

    licence: str = ""
    citation: str = ""
    contact: str = ""

    def __post_init__(self) -> None:
        check_printable(vars(self).values())
        for name, text in vars(self).items():
            if len(text) > _MAX_STATEMENT:
                raise TypeError(f"{name} has {len(text):,} characters, more than {_MAX_STATEMENT:,}")

    def or_else(self, other: Statements) -> Statements:
        """Return these statements, and those of another where there is none."""
        return Statements(**{name: text or getattr(other, name) for name, text in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class CellEntry:
    """A cell line of a store.

    Attributes:
        name: of the cell line.
        manifest: SHA-256 of its manifest.
        tracks: names of its tracks, shared ones of the genome included.
        factors: names of its factors.
    """

    name: str
    manifest: str
    tracks: tuple[str, ...]
    factors: tuple[str, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "cell line")
        _check_digest("manifest", self.manifest)
        check_printable([*self.tracks, *self.factors])


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A store in a folder, as its catalogue lists it.

    Attributes:
        name: of its folder or zip file.
        size: bytes of the zip file, or of all objects that the manifests list.
        unpacked_size: bytes of its values, uncompressed; a raw store, in which signal may be codes, takes less.
        sha256: of the zip file; empty for a folder, of which the manifests have the digests.
        encoding: compressed or raw.
        assembly: name of the genome assembly.
        sequences: SHA-256 of names, lengths and digests of its chromosomes.
        n_chromosomes: number of its chromosomes.
        bases: of them.
        genome_manifest: SHA-256 of the genome's manifest.
        cells: its cell lines, sorted by name.
        software: that built the genome.
        exported: day of the export, in UTC.
        card: file with its card; empty where there is none.
        card_sha256: of the card, as it was written.
        statements: licence, citation and contact.
    """

    name: str
    size: int
    unpacked_size: int
    sha256: str
    encoding: str
    assembly: str
    sequences: str
    n_chromosomes: int
    bases: int
    genome_manifest: str
    cells: tuple[CellEntry, ...]
    software: str
    exported: str
    card: str = ""
    card_sha256: str = ""
    statements: Statements = field(default_factory=Statements)

    def __post_init__(self) -> None:
        check_name(self.name, "store")
        check_printable([self.assembly, self.software])
        for key, most in (("size", MAX_SIZE), ("unpacked_size", MAX_SIZE), ("bases", _MAX_BASES)):
            _check_number(key, getattr(self, key), most)
        _check_number("n_chromosomes", self.n_chromosomes, self.bases)
        for key in ("sequences", "genome_manifest", *(["sha256"] if self.is_zip else [])):
            _check_digest(key, getattr(self, key))
        if self.encoding not in ENCODINGS:
            raise TypeError(f"the encoding {self.encoding!r} is none of {', '.join(ENCODINGS)}")
        if not _DATE.fullmatch(self.exported):
            raise TypeError(f"{self.exported!r} is no day")
        if self.card:
            check_name(self.card, "card")
            _check_digest("card_sha256", self.card_sha256)
        names = [cell.name for cell in self.cells]
        if len(set(names)) < len(names):
            raise TypeError(f"a cell line of {self.name} is listed twice")

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip file; else it is a folder."""
        return self.name.lower().endswith(".zip")

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of all cell lines."""
        return tuple(dict.fromkeys(track for cell in self.cells for track in cell.tracks))

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors of all cell lines."""
        return tuple(dict.fromkeys(factor for cell in self.cells for factor in cell.factors))

    @property
    def identity(self) -> tuple[str, dict[str, str]]:
        """Digests of what the store holds: of the genome's manifest, and of that of each cell line."""
        return self.genome_manifest, {cell.name: cell.manifest for cell in self.cells}

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Return what `to_json` returned.

        Raises:
            KeyError, TypeError, UsageError: a value is missing, of another type or form, or no valid name.
        """
        check_type(content, dict)
        values = {f.name: content[f.name] for f in fields(cls)}
        cells, statements = values["cells"], values["statements"]
        check_type(cells, list)
        check_type(statements, dict)
        for key in ("name", "sha256", "encoding", "exported", "card", "card_sha256"):
            check_type(values[key], str)
        values["cells"] = tuple(map(_cell_from_json, cells))
        values["statements"] = Statements(**{f.name: statements[f.name] for f in fields(Statements)})
        return cls(**values)


def _cell_from_json(content: Any) -> CellEntry:
    check_type(content, dict)
    for key in ("tracks", "factors"):
        check_type(content[key], list)
    for text in (content["name"], *content["tracks"], *content["factors"]):
        check_type(text, str)
    tracks, factors = tuple(content["tracks"]), tuple(content["factors"])
    return CellEntry(name=content["name"], manifest=content["manifest"], tracks=tracks, factors=factors)


def statements_of(content: Any) -> Statements:
    """Return the statements in an entry of a damaged catalogue; those that are none are left out."""
    found = content.get("statements") if isinstance(content, Mapping) else None
    found = found if isinstance(found, Mapping) else {}
    kept = Statements()
    for key in vars(kept):
        try:
            kept = Statements(**{**vars(kept), key: found.get(key, "")})
        except TypeError:
            continue
    return kept


def _check_number(key: str, value: object, most: int) -> None:
    check_type(value, int)
    if not (isinstance(value, int) and 0 < value <= most):
        raise TypeError(f"{key} is {value}, not 1 to {most:,}")


def _check_digest(key: str, value: object) -> None:
    check_type(value, str)
    if not _DIGEST.fullmatch(str(value)):
        raise TypeError(f"{key} is {str(value)[:80]!r}, no SHA-256")
