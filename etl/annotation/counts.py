"""Texts of what was left out of annotation files, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ...store.text import format_count

_SHOWN = 6


def list_counts(counts: Mapping[str, int]) -> str:
    """Return names with their counts, the most frequent first: ``gene (12), UTR (3) and 2 more``."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"{name} ({counts[name]:,})" for name in names[:_SHOWN]) + more


def outside_notes(n_outside: Mapping[str, int], noun: str) -> list[str]:
    """Return a note on rows by chromosome that is not in the store; none where there are no such rows."""
    if not n_outside:
        return []
    total, chromosomes = format_count(sum(n_outside.values()), noun), format_count(len(n_outside), "chromosome")
    return [f"{total} left out, on {chromosomes} that the store lacks: {list_counts(n_outside)}"]
