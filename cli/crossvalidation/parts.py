"""The parts of a cross-validation: one factor without one cell line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...store.errors import InputError, UsageError
from ...store.files.sealed_json import JsonFormat, read_sealed_json, write_sealed_json
from ...store.files.sealed_toml import RUN_FILE
from ...store.reader import Store
from ...store.windows.inputs import check_has_tracks, common_meta, common_tracks
from ..common.signal_check import naming_ignore_units

_HINT = "use the same options, or another folder"
_SETTINGS = JsonFormat("factornet-crossval", 1, "give a folder of factornet-crossval, or a new one")
_SCORES = JsonFormat("factornet-crossval-scores", 1, "remove it, and run the command again")
_LONGEST = 180  # bytes of the name of predictions: records and temporary files next to them have longer names
_OWN_FILES = ("crossval.json", RUN_FILE)
_OWN_FILES_OF_FACTOR = ("model", "scores.json")
"""What stands beside the folders of factors, and beside those of a factor's cell lines."""


@dataclass(frozen=True)
class Part:
    """A factor that is learnt in some cell lines and predicted in another.

    Attributes:
        folder: of the part: ``<factor>/<cell line held out>``.
        factor: transcription factor.
        held_out: cell line to predict.
        cells: cell lines to train on.
    """

    folder: Path
    factor: str
    held_out: str
    cells: tuple[str, ...]

    @property
    def model(self) -> Path:
        """Model folder."""
        return self.folder / "model"

    @property
    def predictions(self) -> Path:
        """Predictions of the test regions in the cell line held out; it appears once the part is done."""
        return self.folder / f"{self.factor}_{self.held_out}.bw"

    @property
    def is_done(self) -> bool:
        """Whether its predictions are complete."""
        return self.predictions.is_file()


def plan_parts(store: Store, folder: Path, *, factors: Sequence[str], cells: Sequence[str]) -> list[Part]:
    """Return the parts of a cross-validation: each factor without each of the cell lines that have it.

    Args:
        store: holds peaks of the factors.
        folder: of the cross-validation.
        factors: to learn; none: all that at least two of the cell lines have.
        cells: to use; none: all of the store.

    Raises:
        UsageError: a name is not in the store, or a factor is in fewer than two cell lines.
    """
    unknown = [cell for cell in cells if cell not in store.cells]
    if unknown:
        raise UsageError(f"{store.location}: has no cell line {', '.join(unknown)}; it has {', '.join(store.cells)}")
    used = tuple(dict.fromkeys(cells)) or tuple(store.cells)
    having = {cell: set(store.cell(cell).factor_names) for cell in used}
    chosen = tuple(dict.fromkeys(factors)) or tuple(sorted(set().union(*having.values())))
    parts = []
    for factor in chosen:
        found = [cell for cell in used if factor in having[cell]]
        if len(found) < 2 and factors:
            where = f"only in {found[0]}" if found else "in none"
            raise UsageError(f"{store.location}: {factor} is {where} of {', '.join(used)}; leaving one out needs two")
        if len(found) >= 2:
            parts += [
                Part(folder / factor / cell, factor, cell, tuple(c for c in found if c != cell)) for cell in found
            ]
    if not parts:
        raise UsageError(f"{store.location}: no factor is in two of the cell lines {', '.join(used)}")
    _check_names(store, parts)
    return parts


def _check_names(store: Store, parts: Sequence[Part]) -> None:
    """Check that folders and files of a cross-validation do not get one name, and that names are no options.

    Raises:
        UsageError: a factor or cell line has such a name.
    """
    named = [("factor", part.factor, _OWN_FILES) for part in parts]
    named += [("cell line", part.held_out, _OWN_FILES_OF_FACTOR) for part in parts]
    for what, name, own in named:
        if name.casefold() in own or name.startswith("-"):
            why = "a file or folder of the cross-validation" if name.casefold() in own else "an option of a command"
            raise UsageError(
                f"{store.location}: the {what} {name} has the name of {why}; leave it out, by naming the others (-f, "
                "-i), or build it under another name"
            )
    for part in parts:
        name = part.predictions.name
        if len(name.encode()) > _LONGEST:
            raise UsageError(
                f"{store.location}: the factor {part.factor[:20]}... and the cell line {part.held_out[:20]} together "
                f"make a name of {len(name.encode())} bytes, more than the {_LONGEST} of a file's; leave them out, by "
                "naming the others (-f, -i), or build them under shorter names"
            )


def check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Record what a cross-validation is of, or check that it is the same as recorded; the folder exists.

    Raises:
        UsageError: it began with other settings; each that differs is named with both values.
        InputError: the record is damaged or cannot be written.
    """
    path = folder / "crossval.json"
    if not path.exists():
        if not all(entry.name.startswith(".") for entry in folder.iterdir()):
            raise UsageError(f"{folder}: holds other files; give a new folder")
        write_sealed_json(path, _SETTINGS, {"settings": dict(settings)})
    # Read what was just written too: of processes that begin together, those with other settings end here.
    before = read_sealed_json(path, _SETTINGS, hint=_HINT).get("settings")
    if not isinstance(before, dict):
        raise InputError(path, "its settings are missing", hint=_HINT)
    differing = [key for key in {**before, **settings} if before.get(key) != settings.get(key)]
    if differing:
        text = "; ".join(f"{key} was {before.get(key)}, is {settings.get(key)}" for key in differing)
        raise UsageError(f"{folder}: began with other settings: {text}; {_HINT}")


def check_cells(
    store: Store, parts: Sequence[Part], tracks: Sequence[str] | None, *, meta: bool, ignore_units: bool
) -> list[str]:
    """Check that models of the others can predict each cell line, before the first is trained.

    Args:
        store: has the cell lines.
        parts: of the cross-validation.
        tracks: that the networks see; None for all of the cell lines that each is trained on.
        meta: whether they see meta values.
        ignore_units: warn of units that differ, too, instead of raising an error.

    Returns:
        What is unlike among the signals of the cell lines, as warnings.

    Raises:
        UsageError: a cell line lacks a track, or has other meta values or units.
    """
    from ...model.data.signals import compare_among, track_signals

    cells = tuple(dict.fromkeys(part.held_out for part in parts))
    for part in parts:
        needed = common_tracks(store, part.cells) if tracks is None else tuple(tracks)
        try:
            check_has_tracks(store, (part.held_out, *part.cells), needed)
        except UsageError as error:
            cure = "choose some that all have with --tracks behind --, or leave the cell line out (-i)"
            raise UsageError(f"{error}; a model of {', '.join(part.cells)} sees {', '.join(needed)}: {cure}") from error
    if meta:
        common_meta(store, cells)
    warnings: dict[str, None] = {}
    with naming_ignore_units():
        for factor in dict.fromkeys(part.factor for part in parts):
            own = [part.held_out for part in parts if part.factor == factor]
            found = track_signals(store, own, common_tracks(store, tuple(own)) if tracks is None else tracks)
            warnings |= dict.fromkeys(compare_among(found, ignore_units=ignore_units))
    return list(warnings)


def describe_data(store: Store, parts: Sequence[Part]) -> dict[str, str]:
    """Return digests of the genome and of the cell lines of parts, by path in the store."""
    from ...model.data.inputs import manifest_digests

    return manifest_digests(store, sorted({part.held_out for part in parts}))


def check_predictions(part: Part) -> None:
    """Check that the predictions of a part are of its factor and cell line, and as they were written.

    Raises:
        InputError: they are others, or damaged.
    """
    from ...model.prediction.sidecar import read_record

    record = read_record(part.predictions)
    if (record.factor, record.cell) != (part.factor, part.held_out):
        problem = f"are predictions of {record.factor} in {record.cell}, not of {part.factor} in {part.held_out}"
        raise InputError(part.predictions, problem, hint="remove the file, and run the command again")


def write_scores(path: Path, factor: str, scores: Mapping[str, Any]) -> None:
    """Write the scores of a factor in the cell lines held out.

    Raises:
        InputError: the file cannot be written.
    """
    write_sealed_json(path, _SCORES, {"factor": factor, "scores": dict(scores)})


def read_scores(path: Path, factor: str) -> dict[str, Any]:
    """Read what `write_scores` wrote.

    Raises:
        InputError: it is damaged, of another factor, or another file.
    """
    content = read_sealed_json(path, _SCORES, hint=_SCORES.hint)
    if content.get("factor") != factor:
        raise InputError(
            path,
            f"has the scores of {content.get('factor') or 'a factor that is not said'}, not of {factor}",
            hint=_SCORES.hint,
        )
    if not isinstance(scores := content.get("scores"), dict):
        raise InputError(path, "its scores are missing", hint=_SCORES.hint)
    return scores
