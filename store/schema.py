"""Schema of the store: its paths, and the attributes of its root, which round-trip through JSON.

Paths inside a store, with the dimensions of each array::

    genome/sequence/<chrom>                 uint8   (position_<chrom>)      0..3 = ACGT, 4 = anything else
    genome/annotation/<chrom>               uint8   (position_<chrom>)      bit i = FEATURES[i]
    genome/tracks/<name>/<chrom>            float32 (position_<chrom>)      tracks that all cell lines share
    genome/blacklist                        chrom, start, stop  (interval)
    genome/assembly_gaps                    chrom, start, stop  (interval)  runs of N, where there are any
    cells/<cell>/tracks/<name>/<chrom>      float32 (position_<chrom>)
    cells/<cell>/peaks/<factor>/<set>       chrom, start, stop, summit  (peak);  set: conservative, relaxed
    cells/<cell>/labels/<chrom>             uint8   (bin_<chrom>, factor)   0 unbound, 1 bound, 2 ambiguous
    cells/<cell>/meta                       float32 (feature)
    genome/manifest, cells/<cell>/manifest  uint8   (byte)                  JSON: size and sha256 of every object

In a raw store, where a signal has at most 65,535 distinct values, two arrays are in place of one (schema version 2)::

    .../tracks/<name>/<chrom>/codes         uint8, uint16 (position_<chrom>)
    .../tracks/<name>/<chrom>/values        float32 (code)                  value of each code, the first is 0

In a compressed store arrays are sharded, compressed and checksummed; in a raw one each is a single file of its values,
to be memory-mapped (`format.memmap`). Coordinates are 0-based and half-open; a gap in a bigWig is 0. A dimension is
named after its chromosome because one xarray dataset cannot hold two lengths of one dimension.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .attribute_checks import check_printable, check_provenance, check_type, describe_error
from .errors import SchemaVersionError, StoreError, UsageError
from .genome.intervals import GenomeCoordinates

FORMAT = "factornet-store"
SCHEMA_VERSION = 1
"""Of every group but those in which signal is kept as codes."""
CODED_VERSION = 2
"""Of a group of a raw store in which signal is kept as codes: readers of version 1 refuse it."""
READABLE_VERSIONS = (SCHEMA_VERSION, CODED_VERSION)
ENCODINGS = ("compressed", "raw")
BASES = "ACGT"
FEATURES = ("cpg", "cds", "intron", "promoter", "utr5", "utr3")
BIN = 200
STRIDE = 50
UNBOUND, BOUND, AMBIGUOUS = 0, 1, 2
BOUND_BASES = 101
"""A bin is bound if this many of its 200 bases are in a conservative peak (``bedtools intersect -f 0.505``)."""
GAP_BASES = BIN
"""Bases other than A, C, G and T in a row that make a gap of the assembly: shorter runs do not fill a bin."""
PeakSet = Literal["conservative", "relaxed"]


MAX_LENGTH = 2**40
"""Bases of a chromosome at most: the sum of all fits 64 bits."""
MAX_NAME_LENGTH = 200
"""Letters of a name: file systems allow 255, of which temporary and lock files take some."""


def bin_count(length: int) -> int:
    """Return the number of whole 200-base bins, one every 50 bases, on a chromosome of `length` bases."""
    return max(0, (length - BIN) // STRIDE + 1)


def check_name(name: str, what: str) -> str:
    """Return `name` if it is a valid folder name on every file system.

    Args:
        name: of a cell line, track or factor.
        what: kind of name, for the message.

    Raises:
        UsageError: it has characters other than letters, digits and ``. _ + -``, starts with a dot, is too long, or is
            none of a node of a Zarr hierarchy: its metadata's, or one that starts with ``__``.
    """
    if len(name) > MAX_NAME_LENGTH:
        start = f"{name[:20]}..."
        raise UsageError(f"{what} {start!r} has {len(name)} characters: shorten it to {MAX_NAME_LENGTH} at most")
    problem = ""
    if not re.fullmatch(r"[A-Za-z0-9._+-]+", name):
        problem = "use letters, digits and . _ + - only"
    elif name.startswith("."):
        problem = "it starts with a dot; choose another name"
    elif name.lower() == "zarr.json":  # some file systems do not tell capitals
        problem = "Zarr has a file of this name; choose another name"
    elif name.startswith("__"):
        problem = "Zarr reserves names that start with __; choose another name"
    if problem:
        raise UsageError(f"{what} {name!r} cannot be a name in a store: {problem}")
    return name


@dataclass(frozen=True)
class Chromosome:
    """Name, length in bases, and GA4GH refget digest (``SQ.`` + sha512t24u of the upper-case sequence)."""

    name: str
    length: int
    digest: str


@dataclass(frozen=True)
class StoreInfo:
    """Attributes of the root group.

    Attributes:
        assembly: name of the genome assembly.
        chromosomes: in store order.
        encoding: ``compressed`` or ``raw``.
        shared: name of each shared track (stored with the genome) -> digest of its values.
        provenance: inputs, options and software that the genome was built from.
        summary: figures of the shared tracks, as in `CellInfo`, and of the gaps of the assembly.
        genome_manifest: SHA-256 of the genome's manifest.
        genome_manifest_objects: path, size and SHA-256 of the two objects that the manifest consists of.
        unpacked_from: of a raw store, `genome_manifest` of the compressed store it was unpacked from.
        schema_version: of the root and the genome; of cell lines see `CellInfo`.
    """

    assembly: str
    chromosomes: tuple[Chromosome, ...]
    encoding: str = "compressed"
    shared: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    genome_manifest: str = ""
    genome_manifest_objects: dict[str, Any] = field(default_factory=dict)
    unpacked_from: str = ""
    schema_version: int = field(default=SCHEMA_VERSION, compare=False)

    @property
    def coordinates(self) -> GenomeCoordinates:
        """The chromosomes as one coordinate axis."""
        return GenomeCoordinates(tuple(c.name for c in self.chromosomes), tuple(c.length for c in self.chromosomes))

    @property
    def sequences(self) -> str:
        """SHA-256 of names, lengths and refget digests of the chromosomes: identifies the genome, however stored."""
        lines = "".join(f"{c.name}\t{c.length}\t{c.digest}\n" for c in self.chromosomes)
        return hashlib.sha256(lines.encode()).hexdigest()

    def to_attributes(self) -> dict[str, Any]:
        """Return the JSON attributes of the root group."""
        return {"format": FORMAT, "schema_version": self.schema_version, **json_fields(self)}

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any], *, location: str) -> StoreInfo:
        """Parse and check attributes written by `to_attributes`.

        Args:
            attributes: of the root group.
            location: of the store, for messages.

        Raises:
            SchemaVersionError: the store has another schema version; the message names both.
            StoreError: not a FactorNet store, of an unknown encoding, or damaged.
        """
        if attributes.get("format") != FORMAT:
            raise StoreError(
                location,
                f"not a FactorNet store (its root has no attribute format={FORMAT!r})",
                hint="create one with `factornet-etl genome`",
            )
        version = check_version(attributes, "the store has", location, hint="update factornet, or rebuild the store")
        if attributes.get("encoding") not in ENCODINGS:
            raise StoreError(
                location,
                f"the store's encoding is {attributes.get('encoding')!r}, this factornet reads "
                f"{' and '.join(ENCODINGS)}",
                hint="update factornet",
            )
        try:
            check_type(attributes["chromosomes"], list)
            info = cls(
                assembly=attributes["assembly"],
                chromosomes=tuple(Chromosome(**c) for c in attributes["chromosomes"]),
                encoding=attributes["encoding"],
                shared=attributes["shared"],
                provenance=attributes["provenance"],
                summary=attributes.get("summary", {}),
                genome_manifest=attributes["genome_manifest"],
                genome_manifest_objects=attributes["genome_manifest_objects"],
                unpacked_from=attributes.get("unpacked_from", ""),
                schema_version=version,
            )
            strings = [info.assembly, info.genome_manifest, info.unpacked_from]
            for c in info.chromosomes:
                strings += [c.name, c.digest]
                check_type(c.length, int)
                if not 0 < c.length <= MAX_LENGTH:
                    raise TypeError(f"{c.name} has {c.length} bases, not 1 to {MAX_LENGTH:,}")
            check_type(info.shared, dict)
            check_printable([*strings, *info.shared, *info.shared.values()])
            check_provenance(info.provenance)
            check_type(info.summary, dict)
            check_type(info.genome_manifest_objects, dict)
        except (KeyError, TypeError) as e:
            raise StoreError(
                location,
                f"invalid root attributes ({describe_error(e)})",
                hint="copy its zarr.json again",
            ) from e
        return info


def check_version(attributes: dict[str, Any], what: str, location: str, *, hint: str) -> int:
    """Return the schema version in the attributes of a group.

    Args:
        attributes: of the group.
        what: the group and a verb, for the message.
        location: of the group, for the message.
        hint: what to do about another version.

    Raises:
        SchemaVersionError: it is none that can be read; the message names both.
    """
    version = attributes.get("schema_version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise SchemaVersionError(
            location, f"{what} schema version {version!r}, this factornet reads versions {readable}", hint=hint
        )
    return version


def json_fields(info: Any) -> dict[str, Any]:
    """Return all fields of a dataclass of attributes as JSON; `unpacked_from` only if it is set."""
    return {key: value for key, value in asdict(info).items() if key != "unpacked_from" or value}
