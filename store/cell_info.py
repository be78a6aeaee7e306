"""Attributes of a cell line in a store, as dataclasses that round-trip through JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .attribute_checks import check_folder_names, check_printable, check_provenance, check_type, describe_error, is_term
from .errors import StoreError, UsageError
from .schema import SCHEMA_VERSION, StoreInfo, check_version, json_fields

_REBUILD_HINT = "remove the cell line, or rebuild it on this genome with the force option"


@dataclass(frozen=True)
class Track:
    """A signal track of a cell line.

    Attributes:
        name: of the track.
        shared: whether it is stored once for all cell lines, under ``genome/tracks``.
        assay: what was measured, such as ``DNase-seq``; empty where bigwig.txt does not say.
        units: what a value of 1 means, such as ``1x`` or ``fold-change``; empty where bigwig.txt does not say.
    """

    name: str
    shared: bool
    assay: str = ""
    units: str = ""


@dataclass(frozen=True)
class Factor:
    """A transcription factor with ChIP-seq peaks in a cell line.

    `relaxed` tells whether there is a relaxed peak set; without one, the conservative set also defines ambiguous bins.
    """

    name: str
    relaxed: bool


@dataclass(frozen=True)
class CellInfo:
    """Attributes of one cell line's group.

    Attributes:
        name: of the cell line.
        genome: `StoreInfo.sequences` of the genome that it was built on.
        tracks: in the order of bigwig.txt.
        factors: in the order of chip.txt; the columns of the labels.
        meta: names of the cell-line features.
        shared: name of each of its shared tracks -> digest of its values, as in `StoreInfo`.
        provenance: inputs, options and software that it was built from.
        summary: figures of each track and factor, which `factornet-etl info` prints.
        manifest: SHA-256 of its manifest.
        manifest_objects: path, size and SHA-256 of the two objects that the manifest consists of.
        unpacked_from: in a raw store, `manifest` of the cell line it was unpacked from.
        schema_version: of the group.
    """

    name: str
    genome: str
    tracks: tuple[Track, ...]
    factors: tuple[Factor, ...]
    meta: tuple[str, ...]
    shared: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    manifest: str = field(default="", compare=False)
    manifest_objects: dict[str, Any] = field(default_factory=dict, compare=False)
    unpacked_from: str = field(default="", compare=False)
    schema_version: int = field(default=SCHEMA_VERSION, compare=False)

    def check_genome(self, store: StoreInfo, *, location: str) -> None:
        """Check that it was built on the genome of a store, with the same shared tracks.

        Raises:
            StoreError: it was built on another genome or with other tracks; the message names both digests.
        """
        if self.genome != store.sequences:
            raise StoreError(
                location,
                f"was built on another genome (sequences {self.genome[:16]}..., those of the store are "
                f"{store.sequences[:16]}...)",
                hint=_REBUILD_HINT,
            )
        for name, digest in self.shared.items():
            stored = store.shared.get(name)
            if stored == digest:
                continue
            problem = f"its shared track {name} is not in the genome of this store"
            if stored:
                problem = (
                    f"its shared track {name} has other values in the genome of this store ({stored[:16]}..., "
                    f"it was built on {digest[:16]}...)"
                )
            raise StoreError(location, problem, hint=_REBUILD_HINT)

    def to_attributes(self) -> dict[str, Any]:
        """Return the JSON attributes of the group."""
        return {"schema_version": self.schema_version, **json_fields(self)}

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any], *, location: str) -> CellInfo:
        """Parse and check attributes written by `to_attributes`.

        Args:
            attributes: of the cell line's group.
            location: of the cell line, for messages.

        Raises:
            SchemaVersionError: the cell line has another schema version; the message names both.
            StoreError: they are damaged.
        """
        hint = "update factornet, or rebuild the cell line"
        version = check_version(attributes, "the cell line has", location, hint=hint)
        try:
            for key in ("tracks", "factors", "meta"):
                check_type(attributes[key], list)
            info = cls(
                name=attributes["name"],
                genome=attributes["genome"],
                tracks=tuple(Track(**t) for t in attributes["tracks"]),
                factors=tuple(Factor(**f) for f in attributes["factors"]),
                meta=tuple(attributes["meta"]),
                shared=attributes["shared"],
                provenance=attributes["provenance"],
                summary=attributes["summary"],
                manifest=attributes["manifest"],
                manifest_objects=attributes["manifest_objects"],
                unpacked_from=attributes.get("unpacked_from", ""),
                schema_version=version,
            )
            check_printable([info.name, info.genome, *info.meta, info.manifest, info.unpacked_from])
            check_printable([*info.track_names, *info.factor_names])
            check_folder_names([info.name, *info.track_names, *info.factor_names])
            for term in (*(t.assay for t in info.tracks), *(t.units for t in info.tracks)):
                check_type(term, str)
                if not is_term(term):
                    raise TypeError(f"{term[:40]!r} is no assay or unit")
            for flag in (*(t.shared for t in info.tracks), *(f.relaxed for f in info.factors)):
                check_type(flag, bool)
            for table in (info.shared, info.summary, info.manifest_objects):
                check_type(table, dict)
            check_provenance(info.provenance)
            check_printable([*info.shared, *info.shared.values()])
            if missing := [t.name for t in info.tracks if t.shared and t.name not in info.shared]:
                raise TypeError(f"the digest of the shared track {missing[0]} is missing")
        except (KeyError, TypeError) as e:
            raise StoreError(
                location,
                f"invalid attributes ({describe_error(e)})",
                hint="rebuild the cell line, or copy it again",
            ) from e
        return info

    @property
    def track_names(self) -> tuple[str, ...]:
        """Names of the tracks, in the order of bigwig.txt."""
        return tuple(t.name for t in self.tracks)

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the factors, in the order of chip.txt."""
        return tuple(f.name for f in self.factors)

    def factor_index(self, name: str) -> int:
        """Return the column of a factor in the labels.

        Raises:
            UsageError: the cell line has no such factor; the message lists the factors it has.
        """
        if name not in self.factor_names:
            has = ", ".join(self.factor_names) or "none (it is for prediction only)"
            raise UsageError(f"cell line {self.name} has no factor {name!r}; it has {has}")
        return self.factor_names.index(name)
