"""Keep the scores of finished parts of regions next to the output, so that an interrupted prediction can be resumed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import write_cure
from ...store.files.digest import file_digest
from ...store.files.limited_read import read_cure
from ...store.files.outputs import remove
from ...store.files.sealed_json import SELF_DIGEST, JsonFormat, read_sealed_json, write_sealed_json
from ...store.genome.regions import Region
from ...store.text import format_foreign

_log = logging.getLogger("factornet-predict")
_SETTINGS, _DIGESTS = "settings.json", "digests.json"
_HINT = "predict again without resuming"
_SETTINGS_FORMAT = JsonFormat("factornet-prediction-settings", 1, _HINT)
_DIGESTS_FORMAT = JsonFormat("factornet-prediction-digests", 1, _HINT)


@dataclass(frozen=True)
class RegionParts:
    """A folder ``.<output name>.parts``: settings, one file per finished part, and the SHA-256 of each of these.

    A part counts once its digest is written, after it. One that does not match its digest is computed again.

    Attributes:
        folder: the folder.
        regions: of one part each.
        settings: digest of the settings that the parts were computed with.
        digests: SHA-256 of each finished part by name.
    """

    folder: Path
    regions: tuple[Region, ...]
    settings: str
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, output: Path, regions: list[Region], settings: Mapping[str, Any], *, resume: bool) -> Self:
        """Create the folder for an output, or resume that of an interrupted run; the caller holds the output's lock.

        Args:
            output: file that the parts are joined to.
            regions: of one part each.
            settings: all that the bytes of a part depend on, as JSON values.
            resume: keep finished parts.

        Raises:
            UsageError: the interrupted run had other settings; each that differs is named with both values.
            InputError: its settings cannot be read, or those of this run cannot be written.
        """
        folder = _folder_of(output)
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise InputError(folder, "is not a folder", hint="move it away: finished parts are kept there")
        if resume and (folder / _SETTINGS).exists():
            parts = cls(folder, tuple(regions), _check_settings(folder, settings))
            parts.digests.update(parts._read_digests())
            parts._forget_damaged()
            _log.info(f"{folder}: {len(parts.digests)} of {len(regions)} parts are finished")
            return parts
        if folder.exists():
            reason = "it ended before its settings were written" if resume else "resuming would have kept them"
            n_parts = _count_finished(folder)
            _log.warning(f"{folder}: {n_parts} finished parts of an interrupted run are replaced; {reason}")
            remove(folder)
        try:
            folder.mkdir()
        except OSError as e:
            raise InputError(
                folder, f"cannot be created ({e.strerror})", hint=write_cure(e, "check permissions")
            ) from e
        try:
            digest = write_sealed_json(folder / _SETTINGS, _SETTINGS_FORMAT, {"settings": dict(settings)})
        except BaseException:
            remove(folder)  # nothing to resume
            raise
        return cls(folder, tuple(regions), digest)

    def _read_digests(self) -> dict[str, str]:
        """Return the digests of finished parts; none, with a warning, where they are damaged or of another run."""
        path = self.folder / _DIGESTS
        if not path.exists():
            return {}
        try:
            content = read_sealed_json(path, _DIGESTS_FORMAT, hint=_HINT)
            digests = _object_in(path, content, "sha256", hint=_HINT)
            if content.get("settings") != self.settings:
                raise InputError(path, f"does not belong to {_SETTINGS}", hint=_HINT)
        except InputError as e:
            _log.warning(f"{e.path}: {e.problem}; all parts are computed again")
            remove(path)
            return {}
        # Other names are of no part of this run, and may lead out of the folder ("..").
        names = {self._name(i) for i in range(len(self.regions))}
        return {name: str(digest) for name, digest in digests.items() if name in names}

    def _forget_damaged(self) -> None:
        """Drop the digests of parts that do not match them, so that these are computed again."""
        for name, digest in list(self.digests.items()):
            path = self.folder / name
            try:
                sound = path.is_file() and file_digest(path) == digest
                problem = "" if sound else "missing, or does not match its digest"
            except OSError as e:
                if cure := read_cure(e):  # no fault of the part
                    raise InputError(path, f"cannot be read ({e.strerror})", hint=cure) from e
                problem = f"cannot be read ({e.strerror})"
            if problem:
                _log.warning(f"{path}: {problem}; computed again")
                remove(path)
                del self.digests[name]

    def _name(self, i: int) -> str:
        return f"{i:05d}-{self.regions[i].chrom}"

    def path(self, i: int) -> Path:
        """Return the path of the i-th part's scores."""
        return self.folder / self._name(i)

    def is_finished(self, i: int) -> bool:
        """Return whether the i-th part's scores are complete."""
        return self._name(i) in self.digests

    def finish(self, i: int, *, digest: str | None = None) -> None:
        """Record the digest of the i-th part's scores, which have been written.

        Args:
            i: index of the part.
            digest: of what was written; None to read it back.

        Raises:
            InputError: it cannot be written.
        """
        digests = self.digests | {self._name(i): digest or file_digest(self.path(i))}
        write_sealed_json(self.folder / _DIGESTS, _DIGESTS_FORMAT, {"settings": self.settings, "sha256": digests})
        self.digests.update(digests)  # what could not be recorded does not count

    def check(self, i: int, digest: str) -> None:
        """Check the digest of what was read of the i-th part's scores.

        Raises:
            InputError: it is not that of what was written.
        """
        if digest != self.digests[self._name(i)]:
            raise InputError(self.path(i), "does not match its digest", hint="resume: it is computed again")

    def remove(self) -> None:
        """Remove the folder.

        Raises:
            InputError: it cannot be removed.
        """
        remove(self.folder)


def remove_parts_of_finished(output: Path, settings: Mapping[str, Any]) -> None:
    """Remove the folder of an output that is finished: its run was killed, or failed, while it removed the folder.

    Args:
        output: file that the parts were joined to; the caller holds its lock.
        settings: of its run; finished parts of a run with other settings stay.

    Raises:
        InputError: it cannot be removed.
    """
    folder = _folder_of(output)
    with suppress(InputError):  # damaged: nothing resumes from it
        if (folder / _SETTINGS).exists() and _read_settings(folder, hint=_HINT)[0] != settings:
            return
    if folder.is_dir() and not folder.is_symlink():
        remove(folder)


def _folder_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.parts")


def _object_in(path: Path, content: Mapping[str, Any], key: str, *, hint: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise InputError(path, f"{key} must be a JSON object, got {type(value).__name__}", hint=hint)
    return value


def _count_finished(folder: Path) -> int:
    """Return the number of parts in a folder, of any run."""
    return sum(path.name[:5].isdigit() for path in folder.iterdir())


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> str:
    """Compare the settings of an interrupted run with those of this one, and return the digest of its file."""
    hint = f"use the same, or do not resume (this replaces {_count_finished(folder)} finished parts)"
    old, digest = _read_settings(folder, hint=hint)
    if differ := "; ".join(_differences(old, settings)):
        raise UsageError(f"{folder}: cannot resume with other settings: {differ}; {hint}")
    return digest


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Yield what differs between settings, as text: values of a table one by one."""
    for name in {**old, **new}:
        was, now = old.get(name), new.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _differences(was, now, f"{within}{name} ")
        elif was != now:
            yield f"{within}{name} was {format_foreign(was, 80)}, is {format_foreign(now, 80)}"


def _read_settings(folder: Path, *, hint: str) -> tuple[dict[str, Any], str]:
    """Return the settings of the run of a folder, and the digest of their file."""
    path = folder / _SETTINGS
    content = read_sealed_json(path, _SETTINGS_FORMAT, hint=hint)
    return _object_in(path, content, "settings", hint=hint), str(content[SELF_DIGEST])
