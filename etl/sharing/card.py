"""Describe a store in Markdown: what it holds, from which files, whose it is, how to cite, verify and read it.

All of it is from attributes of the store, but licence, citation and contact, which only people can state. What is not
known is said to be so. The same store and statements give the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...store.annotation_rules import rules_of_store
from ...store.cell_info import CellInfo
from ...store.errors import StoreError
from ...store.format.manifest import NOT_FACTORNET
from ...store.reader import Store
from ...store.schema import FEATURES
from ...store.text import (
    format_count,
    markdown_list,
    markdown_page,
    markdown_table,
    markdown_text,
    printable,
    shell_word,
)
from .catalogue import short_name
from .entry import Statements

NOT_STATED = "not stated"
NOT_RECORDED = "not recorded"
_ACCESSION = re.compile(r"(?<![A-Za-z0-9])(ENC[A-Z]{2}\d{3}[A-Z]{3}|GS[EM]\d{3,}|[SED]RR\d{5,})(?![A-Za-z0-9])")
_FACTORNET = "FactorNet: D. Quang, X. Xie, Methods 166 (2019) 40-47, doi:10.1016/j.ymeth.2019.03.020"
_ENCODE = (
    "ENCODE's data: The ENCODE Project Consortium, Nature 489 (2012) 57-74, doi:10.1038/nature11247; "
    "Y. Luo et al., Nucleic Acids Research 48 (2020) D882-D889, doi:10.1093/nar/gkz1062; and the accessions above, "
    "with their laboratories (https://www.encodeproject.org/help/citing-encode/)"
)


@dataclass(frozen=True)
class _Source:
    """An input file of a group: its bytes, accessions in public archives, laboratory and digests."""

    group: str
    name: str
    size: int
    accessions: tuple[str, ...]
    laboratory: str
    digests: str


def store_card(name: str, store: Store, statements: Statements) -> str:
    """Return the card of a store as Markdown.

    Args:
        name: of its folder or zip file.
        store: the store.
        statements: licence, citation and contact.

    Raises:
        StoreError: a cell line is damaged, or a summary has another form.
    """
    cells = [store.cell(cell) for cell in store.cells]
    try:
        sources = [*_sources(store, cells)]
        sections = (
            ("", [*_summary(store, cells)]),
            ("Tracks", [*_tracks(store, cells)]),
            ("Factors", [*_factors(cells)]),
            ("Annotation", [*_annotation(store)]),
            ("Sources", [*_source_table(sources)]),
            ("Licence and citation", [*_origin(statements, sources)]),
            ("Verify and read", [*_commands(name, store)]),
            ("Digests", [*_digests(store, cells)]),
        )
        return markdown_page(name, sections)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise StoreError(store.location, "a summary in its attributes has another form", hint=NOT_FACTORNET) from e


def _summary(store: Store, cells: Sequence[CellInfo]) -> Iterator[str]:
    lengths = store.coordinates.lengths
    assembly = markdown_text(store.info.assembly)
    yield f"- genome: {assembly}, {format_count(len(lengths), 'chromosome')}, {sum(lengths):,} bases"
    yield f"- cell lines: {markdown_list([cell.name for cell in cells]) or 'none'}"
    factors = dict.fromkeys(factor for cell in cells for factor in cell.factor_names)
    yield f"- factors: {markdown_list([*factors]) or 'none'}"
    yield f"- stored {'uncompressed, to be memory-mapped' if store.is_raw else 'compressed'}, as Zarr version 3"
    versions = dict.fromkeys(str(p.get("factornet", "unknown")) for p in _provenances(store, cells).values())
    yield f"- built by: factornet {markdown_list([*versions])}"


def _tracks(store: Store, cells: Sequence[CellInfo]) -> Iterator[str]:
    """Yield a table of tracks with the scale of their values, over all bases, where it is recorded."""
    rows = [("all", name, "", "", *_scale(store.info.summary, name)) for name in store.info.shared]
    for cell in cells:
        own = [track for track in cell.tracks if not track.shared]
        rows += [(cell.name, t.name, t.assay, t.units, *_scale(cell.summary, t.name)) for t in own]
    if not rows:
        yield "- none"
        return
    titles = ("cell line", "track", "assay", "units", "mean", "not 0", "quantile 0.999")
    yield from markdown_table(titles, [tuple(value or NOT_STATED for value in row) for row in rows])


def _scale(summary: Mapping[str, Any], track: str) -> tuple[str, str, str]:
    figures = summary.get("tracks", {}).get(track, {}).get("all_bases")
    if figures is None:
        return (NOT_RECORDED,) * 3
    return f"{figures['mean']:.4g}", f"{figures['nonzero']:.3%}", f"{figures['quantiles']['0.999']:.4g}"


def _factors(cells: Sequence[CellInfo]) -> Iterator[str]:
    rows = []
    for cell in cells:
        for name in cell.factor_names:
            found = cell.summary.get("factors", {}).get(name)
            figures: tuple[str, ...] = (NOT_RECORDED,) * 3
            if found is not None:
                relaxed = "none" if found["relaxed"] is None else f"{found['relaxed']:,}"
                figures = (f"{found['conservative']:,}", relaxed, f"{found['bins']['bound']:,}")
            rows.append((cell.name, name, *figures))
    if not rows:
        yield "- none, for prediction only"
        return
    yield from markdown_table(("cell line", "factor", "conservative peaks", "relaxed peaks", "bound bins"), rows)


def _annotation(store: Store) -> Iterator[str]:
    if not store.has_annotation:
        yield "- none"
        return
    yield f"- rules: {markdown_text(rules_of_store(store.info) or NOT_RECORDED)}"
    bases = store.info.summary.get("annotation", {}).get("bases", {})
    for feature in FEATURES:
        yield f"- {feature}: {f'{bases[feature]:,} bases' if feature in bases else NOT_RECORDED}"


def _provenances(store: Store, cells: Sequence[CellInfo]) -> dict[str, Mapping[str, Any]]:
    return {"genome": store.info.provenance} | {cell.name: cell.provenance for cell in cells}


def _sources(store: Store, cells: Sequence[CellInfo]) -> Iterator[_Source]:
    """Yield the input files of the genome and of each cell line."""
    for group, provenance in _provenances(store, cells).items():
        described = provenance.get("sources", {})
        for item in provenance.get("inputs", ()):
            name, source = str(item["name"]), described.get(item["name"], {})
            stated = filter(None, (source.get("accession"), source.get("experiment")))
            accessions = tuple(dict.fromkeys([*map(str, stated), *_ACCESSION.findall(name)]))
            md5 = f", MD5 {source['md5']}" if source.get("md5") else ""
            laboratory, digests = str(source.get("lab", "")), f"SHA-256 {item['sha256']}{md5}"
            yield _Source(group, name, int(item["size"]), accessions, laboratory, digests)


def _source_table(sources: Sequence[_Source]) -> Iterator[str]:
    if not sources:
        yield f"- {NOT_RECORDED}"
        return
    rows = [
        (s.group, s.name, f"{s.size:,}", ", ".join(s.accessions) or NOT_STATED, s.laboratory or NOT_STATED, s.digests)
        for s in sources
    ]
    yield from markdown_table(("for", "file", "bytes", "accessions", "laboratory", "digests"), rows)


def _origin(statements: Statements, sources: Sequence[_Source]) -> Iterator[str]:
    ask = f"; ask {markdown_text(statements.contact)}" if statements.contact else "; ask whoever gave you the store"
    yield f"- licence: {markdown_text(statements.licence) if statements.licence else NOT_STATED + ask}"
    yield f"- cite: {markdown_text(statements.citation) if statements.citation else NOT_STATED + ask}"
    yield f"- contact: {markdown_text(statements.contact or NOT_STATED)}"
    if any(accession.startswith("ENC") for source in sources for accession in source.accessions):
        yield f"- cite: {markdown_text(_ENCODE)}"
    yield f"- cite: {markdown_text(_FACTORNET)}"


def _commands(name: str, store: Store) -> Iterator[str]:
    """Yield commands for the folder in which the store is, and lines of Python."""
    path = printable(name)
    path = f"./{path}" if path.startswith("-") else path
    target = f"{short_name(path)}.zarr" if path.lower().endswith(".zip") else ""
    yield "With factornet, in the folder that has the store:"
    yield ""
    yield f"    factornet-etl verify {shell_word(path)}"
    yield f"    factornet-etl info {shell_word(path)}"
    if target:
        yield f"    factornet-etl import {shell_word(path)} {shell_word(target)}"
    yield ""
    yield "In Python:"
    yield ""
    yield "    from factornet.store import open_store"
    yield ""
    in_place = not (target and store.is_raw)  # a raw store is memory-mapped, so not read from a zip file
    yield f"    store = open_store({(path if in_place else target)!r})"
    chrom = store.coordinates.names[0]
    yield f"    store.sequence({chrom!r})[:100]    # 0 to 3 are A, C, G, T"
    if not path.lower().endswith(".zip"):
        yield ""
        yield "Or with xarray alone:"
        yield ""
        yield "    import xarray"
        yield ""
        yield f"    xarray.open_datatree({path!r}, engine='zarr', consolidated=False)"


def _digests(store: Store, cells: Sequence[CellInfo]) -> Iterator[str]:
    yield "SHA-256 of the manifests, which cover every byte, as `factornet-etl info --json` prints them:"
    yield ""
    rows = [("genome", store.info.genome_manifest), *((cell.name, cell.manifest) for cell in cells)]
    yield from markdown_table(("group", "SHA-256"), rows)


def card_name(location: str) -> str:
    """Return the name of a store for its card: the last part of a path or URL."""
    return PurePosixPath(location).name or location
