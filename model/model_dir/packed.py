"""Pack a model folder into one file, and unpack it: a zip archive of stored entries, each with its SHA-256.

    factornet-pack.json      sealed JSON: name of the model, and size and SHA-256 of each other entry
    model.json, ...          the files of the model folder, as they are
    comment of the archive   SHA-256 of all bytes before it, which covers what else a zip file has

The same folder gives the same bytes. What is unpacked is compared with the digests, and then verified as any model
folder is; a folder appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ... import __version__
from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import named_write_errors, naming_file, not_read_back, replacing
from ...store.files.digest import file_digest
from ...store.files.limited_read import check_is_file, read_cure
from ...store.files.outputs import check_output_file, output_lock, staged_folder
from ...store.files.sealed_json import SELF_DIGEST, JsonFormat, check_format, is_sealed, seal_document
from ...store.files.sealed_toml import RUN_FILE
from ...store.text import format_foreign, shell_word
from .findings import FileFinding
from .lifecycle import is_event_file, is_model_file
from .verification.verify import verify_model

SUFFIXES = (".factornet", ".zip")
"""What names of packed models end in."""
_MANIFEST = "factornet-pack.json"
_HINT = "copy the file again, or pack the model folder again"
_FORMAT = JsonFormat("factornet-pack", 1, "give a file that factornet-model pack wrote")
_COMMENT = 64  # digits of a SHA-256
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can state
_MAX_MANIFEST = 4_000_000  # bytes
_PIECE = 1 << 20
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError, OSError, struct.error)
"""What zipfile raises of damaged files; OSError where it would read before their begin."""


@dataclass(frozen=True, kw_only=True)
class PackedModel:
    """What a packed model holds.

    Attributes:
        name: of the model folder.
        files: size and SHA-256 of each file, by its path in the folder.
        left_out: files of the folder that are not the model's, so not packed.
    """

    name: str
    files: Mapping[str, tuple[int, str]]
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _ in self.files.values())


def pack_model(folder: Path, path: Path, *, overwrite: bool = False) -> PackedModel:
    """Write the files of a model folder into one file, after they were verified.

    Args:
        folder: the model folder.
        path: of the file, whose name ends in ``.factornet`` or ``.zip``.
        overwrite: replace an existing file.

    Returns:
        What was packed; the user's own files in the folder are left out and named.

    Raises:
        InputError: the folder holds no model, or a damaged one, or the file cannot be written.
        UsageError: another name, or the file exists and `overwrite` is false.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: the name of a packed model ends in {' or '.join(SUFFIXES)}")
    report = verify_model(folder)
    if report.faults:
        first = report.faults[0]
        hint = f"factornet-model verify {shell_word(folder)} lists all faults; only a sound model is packed"
        raise InputError(folder / first.path, describe_fault(first), hint=hint)
    names = sorted(f.path for f in report.files if _is_packed(f.path) and (folder / f.path).is_file())
    left_out = tuple(
        sorted(f.path for f in report.files if f.path not in names and (f.kind == "foreign" or f.path == RUN_FILE))
    )
    files = {name: ((folder / name).stat().st_size, file_digest(folder / name)) for name in names}
    packed = PackedModel(name=folder.resolve().name, files=files, left_out=left_out)
    with output_lock(path):
        check_output_file(path, overwrite=overwrite)
        with named_write_errors(path), replacing(path) as part:
            _write(part, folder, packed)
            with _opened(part) as (_, found):  # compares every digest
                if found.files != packed.files:
                    raise not_read_back(path)
    return packed


def unpack_model(path: Path, folder: Path) -> PackedModel:
    """Write the model folder that a file holds, and verify it; nothing is written where a digest differs.

    Args:
        path: of a packed model.
        folder: to create.

    Raises:
        InputError: the file is damaged, or no packed model, or the folder cannot be written.
        UsageError: the folder exists.
    """
    with output_lock(folder, parents=True):
        if folder.exists():
            raise UsageError(f"{folder} already exists; choose another folder")
        with _opened(path) as (archive, packed), staged_folder(folder) as staged:
            for name in packed.files:
                target = staged / name
                target.parent.mkdir(exist_ok=True)
                with archive.open(name) as source, naming_file(target), target.open("wb") as file:
                    while piece := _read_again(path, source):
                        file.write(piece)
            if not packed.files:
                raise InputError(path, "holds no file of a model", hint=_HINT)
            report = verify_model(staged)
            if report.faults:
                first = report.faults[0]
                raise InputError(path, f"{first.path}: {describe_fault(first)}", hint=_HINT)
    return packed


def _read_again(path: Path, source: IO[bytes]) -> bytes:
    """Read a piece of an entry whose digest was compared before."""
    try:
        return source.read(_PIECE)
    except (zipfile.BadZipFile, EOFError) as error:
        raise InputError(path, f"changed while it was read ({error})", hint=_HINT) from error
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({error.strerror or error})", hint=read_cure(error, "check the disk")
        ) from error


def describe_fault(fault: FileFinding) -> str:
    """Return what is wrong with a file of a model folder, as text."""
    return fault.problem if fault.problem.startswith(fault.kind) else f"{fault.kind}: {fault.problem}"


def is_packed_model(path: Path) -> bool:
    """Return whether a path is a file that has the name of a packed model."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def _is_packed(name: str) -> bool:
    """Return whether a path in a model folder is that of a file of the model."""
    first, _, second = name.partition("/")
    if second:
        return first == "tensorboard" and "/" not in second and "\\" not in second and is_event_file(second)
    # The record of a run names a host and its paths, which are nobody else's concern.
    return first not in ("tensorboard", RUN_FILE) and is_model_file(first)


def _write(path: Path, folder: Path, packed: PackedModel) -> None:
    listed = {name: {"bytes": size, "sha256": sha256} for name, (size, sha256) in packed.files.items()}
    content = {"name": packed.name, "library_version": __version__, "files": listed}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(_MANIFEST), seal_document(_FORMAT, content))
        for name in packed.files:
            with (folder / name).open("rb") as source, archive.open(_entry(name), "w", force_zip64=True) as file:
                while piece := source.read(_PIECE):
                    file.write(piece)
        archive.comment = b"0" * _COMMENT
    with path.open("r+b") as file:
        digest = _digest_before_comment(file)
        file.seek(-_COMMENT, os.SEEK_END)
        file.write(digest)


def _digest_before_comment(file: IO[bytes]) -> bytes:
    left, digest = file.seek(0, os.SEEK_END) - _COMMENT, hashlib.sha256()
    file.seek(0)
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest().encode()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o644 << 16
    return entry


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, PackedModel]]:
    """Open a packed model, once each of its entries was compared with its digest.

    Raises:
        InputError: one differs, or the file is no packed model.
    """
    check_is_file(path, _FORMAT.hint)
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise InputError(path, f"damaged, or no packed model ({format_foreign(str(error))})", hint=_HINT) from error
    with archive:
        try:
            packed = _read_manifest(path, archive)
            for name, (size, sha256) in packed.files.items():
                with archive.open(name) as file:
                    _check_digest(path, name, file, size, sha256)
            with path.open("rb") as whole:
                if archive.comment != _digest_before_comment(whole):
                    raise InputError(path, "damaged: its bytes do not have the digest at its end", hint=_HINT)
        except _DAMAGE as error:
            raise InputError(path, f"damaged ({format_foreign(str(error))})", hint=_HINT) from error
        yield archive, packed


def _check_digest(path: Path, name: str, file: IO[bytes], size: int, sha256: str) -> None:
    digest, found = hashlib.sha256(), 0
    while piece := file.read(_PIECE):
        digest.update(piece)
        found += len(piece)
    if (found, digest.hexdigest()) != (size, sha256):
        raise InputError(path, f"damaged: {name} does not have the digest in {_MANIFEST}", hint=_HINT)


def _read_manifest(path: Path, archive: zipfile.ZipFile) -> PackedModel:
    """Read the list of files, and check that the entries are these, and stored."""
    entries = {entry.orig_filename: entry for entry in archive.infolist()}
    if _MANIFEST not in entries or len(entries) != len(archive.infolist()):
        problem = f"no packed model: it has no {_MANIFEST}" if _MANIFEST not in entries else "lists an entry twice"
        raise InputError(path, problem, hint=_FORMAT.hint)
    for name, entry in entries.items():
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED or entry.filename != name:
            raise InputError(path, f"entry {format_foreign(name, 100)!r} is not stored as it is", hint=_HINT)
        if entry.file_size != entry.compress_size or entry.file_size > path.stat().st_size:
            raise InputError(path, f"entry {format_foreign(name, 100)!r} claims another size than it has", hint=_HINT)
    # Entries that share bytes of the archive would be written once for each of them.
    if sum(entry.file_size for entry in entries.values()) > path.stat().st_size:
        raise InputError(path, "its entries claim more bytes than it has", hint=_HINT)
    if entries[_MANIFEST].file_size > _MAX_MANIFEST:
        raise InputError(path, f"{_MANIFEST} is larger than {_MAX_MANIFEST:,} bytes", hint=_HINT)
    text = archive.read(_MANIFEST)
    content = json.loads(text)
    if not isinstance(content, dict):
        raise InputError(path, f"{_MANIFEST} is no JSON object", hint=_HINT)
    check_format(path, content, _FORMAT)
    if not is_sealed(text, str(content.get(SELF_DIGEST))):
        raise InputError(path, f"damaged: {_MANIFEST} does not have its own digest", hint=_HINT)
    files = _files(path, content)
    if set(files) != set(entries) - {_MANIFEST}:
        raise InputError(path, f"its entries are not those that {_MANIFEST} lists", hint=_HINT)
    return PackedModel(name=format_foreign(content.get("name"), 200), files=files)


def _files(path: Path, content: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    listed = content.get("files")
    if not isinstance(listed, dict):
        raise InputError(path, f"{_MANIFEST} does not list files", hint=_HINT)
    files = {}
    for name, entry in listed.items():
        # Names of files of a model only: no path leads out of the folder.
        if not _is_packed(name) or re.search(r"[\x00-\x1f:\\]", name):
            raise InputError(path, f"{format_foreign(name, 100)!r} is no file of a model", hint=_HINT)
        try:
            files[name] = int(entry["bytes"]), str(entry["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(path, f"{_MANIFEST} does not describe {name}", hint=_HINT) from error
    return files
