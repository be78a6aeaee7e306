"""model.json of a model folder, and the lists of names that the original FactorNet reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from ... import __version__
from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import named_write_errors, replacing, write_atomic
from ...store.files.limited_read import is_there, read_limited
from ...store.files.sealed_json import (
    SELF_DIGEST,
    JsonFormat,
    check_format,
    read_json_object,
    read_sealed_json,
    write_sealed_json,
)
from ...store.text import format_names
from ..network.variants import AnyConfig, config_from_json, config_to_json

NO_MODEL_HINT = "factornet-train makes model folders, factornet-model import converts the original's"
LIST_HINT = "remove it (a resumed training writes it again), or copy the folder again"
DAMAGED_HINT = "copy or train it again, or use other weights"
_REGION = re.compile(r".+:[0-9]{1,18}-[0-9]{1,18}")
_MAX_MORE = 1_000_000  # bytes of a list of names more than it was written with, to be compared
Selection = Literal["loss", "ap"]
"""By what the best epoch is chosen: the validation loss, or the average precision of the validation regions."""
MODEL = JsonFormat("factornet-model", 2, NO_MODEL_HINT)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a network was trained on: the chromosomes of its cell lines without validation and test regions.

    Attributes:
        cells: cell lines trained on.
        valid_cells: cell lines of the validation regions.
        valid, test: validation and test regions, as text.
        chromosomes: names of the chromosomes of the store.
        manifests: digest of the genome and of each cell line, by path in the store.
    """

    cells: tuple[str, ...]
    valid_cells: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    chromosomes: tuple[str, ...]
    manifests: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {name: list(v) if isinstance(v, tuple) else dict(v) for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Return what `to_json` returned.

        Raises:
            TypeError, KeyError: a value is missing or of another type.
        """
        if not isinstance(content, Mapping) or not isinstance(content["manifests"], Mapping):
            raise TypeError("a training and its manifests must be JSON objects")
        names = [field.name for field in fields(cls) if field.name != "manifests"]
        for name in names:
            value = content[name]
            if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
                raise TypeError(f"{name} must be a list of names")
        if not all(isinstance(digest, str) for digest in content["manifests"].values()):
            raise TypeError("manifests must be digests by name")
        for region in (*content["valid"], *content["test"]):
            if not _REGION.fullmatch(region):
                raise TypeError(f"{region!r} is not a region, chrom:start-stop")
        return cls(**{name: tuple(content[name]) for name in names}, manifests=dict(content["manifests"]))

    @property
    def is_recorded(self) -> bool:
        """Whether it is known; all fields are empty where weights are from a model that does not record it."""
        return bool(self.cells)


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelCard:
    """Content of model.json.

    Args:
        config: configuration of the network.
        training: options of the training, as JSON values.
        provenance: where data and weights come from, as JSON values.
        library_version: version of factornet that made the folder.
        digest: self-digest of model.json, to which weights and training states are bound; empty before it is written.
    """

    config: AnyConfig
    training: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    library_version: str = __version__
    digest: str = ""

    def __repr__(self) -> str:
        tasks, tracks = (
            format_names(names, noun) for names, noun in ((self.config.tasks, "task"), (self.config.tracks, "track"))
        )
        return f"ModelCard({tasks}, {tracks}, windows of {self.config.window_length:,} bases)"

    @property
    def select(self) -> Selection:
        """By what the best epoch of the training was chosen; models of before there was a choice say nothing."""
        return "ap" if self.training.get("select") == "ap" else "loss"

    @property
    def trainings(self) -> tuple[TrainingData, ...]:
        """Data of this training, then of those whose weights it started from.

        Empty for a network whose data are not recorded, such as one imported from the original FactorNet. The data of
        such a one, where this training started from it, have no field (`TrainingData.is_recorded`).
        """
        if "cells" not in self.training:
            return ()
        own = {key: self.training.get(key) or [] for key in ("cells", "valid_cells", "valid", "test")}
        own["chromosomes"] = list(self.provenance.get("chromosomes") or {})
        own["manifests"] = self.provenance.get("manifests") or {}
        earlier = self.provenance.get("earlier_trainings", ())
        if self.training.get("init_from") and not earlier:
            earlier = (dict.fromkeys(("cells", "valid_cells", "valid", "test", "chromosomes"), ()) | {"manifests": {}},)
        return tuple(map(TrainingData.from_json, (own, *earlier)))


def has_model(folder: str | Path) -> bool:
    """Return whether a folder holds a model that factornet wrote.

    Raises:
        InputError: its model.json is of another kind, or of another version.
    """
    path = Path(folder) / "model.json"
    if not is_there(path):
        return False
    check_format(path, read_json_object(path, hint=DAMAGED_HINT)[1], MODEL)
    return True


def write_card(folder: str | Path, card: ModelCard) -> None:
    """Write model.json and FactorNet's lists of names: chip.txt, bigwig.txt, feature.txt, meta.txt.

    Raises:
        InputError: a file cannot be written.
    """
    folder = Path(folder)
    content = {"library_version": card.library_version, "config": config_to_json(card.config)}
    content |= {"training": dict(card.training), "provenance": dict(card.provenance)}
    write_sealed_json(folder / "model.json", MODEL, content)
    for name, text in lists_of_names(card.config).items():
        write_atomic(folder / name, text)


def restore_lists(folder: Path, config: AnyConfig) -> None:
    """Write the lists of names that are missing.

    Raises:
        InputError: a file cannot be written.
    """
    for name, text in lists_of_names(config).items():
        if not is_there(folder / name):
            write_atomic(folder / name, text)


def read_card(folder: str | Path) -> ModelCard:
    """Read model.json of a model folder, and compare the lists of names that exist with it.

    Raises:
        InputError: as for `read_model_json`, or a list of names is damaged.
    """
    card = read_model_json(folder)
    for name, text in lists_of_names(card.config).items():
        if is_there(Path(folder) / name):
            check_list(Path(folder) / name, text)
    return card


def read_model_json(folder: str | Path) -> ModelCard:
    """Read model.json of a model folder.

    Raises:
        InputError: no such folder, no model in it, a model of other software or of another version, or model.json is
            damaged.
    """
    path = Path(folder) / "model.json"
    if not is_there(path):
        if Path(folder).is_file():
            raise InputError(folder, "is a file, not a folder", hint="give the model folder that it is in")
        problem = "no such folder" if not path.parent.is_dir() else "holds no model.json, so no model"
        raise InputError(folder, problem, hint=NO_MODEL_HINT)
    _, found = read_json_object(path, hint=DAMAGED_HINT)
    if is_keras_model(found):
        raise InputError(path, "is the original FactorNet's (Keras)", hint="convert it with factornet-model import")
    content = read_sealed_json(path, MODEL, hint=DAMAGED_HINT)
    try:
        config = config_from_json(content["config"])
        named = {key: content[key] for key in ("training", "provenance", "library_version")}
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        raise InputError(path, f"its configuration does not describe a network ({error})") from error
    for key in ("training", "provenance"):
        if not isinstance(named[key], dict):
            raise InputError(path, f"{key} must be a JSON object, got {type(named[key]).__name__}", hint=DAMAGED_HINT)
    card = ModelCard(config=config, **named, digest=str(content[SELF_DIGEST]))
    try:
        _ = card.trainings
    except (KeyError, TypeError) as error:
        raise InputError(path, f"its training data have another form ({error})", hint=DAMAGED_HINT) from error
    return card


def model_digest(folder: str | Path, expected: str = "") -> str:
    """Return the self-digest of model.json of a model folder, to which its other files are bound.

    Args:
        folder: the model folder.
        expected: digest that it must have: that of the model.json which the running training has begun with.

    Raises:
        InputError: as for `read_card`, or model.json has been replaced, moved or removed.
    """
    if expected and not is_there(Path(folder) / "model.json"):
        raise moved_error(folder)
    digest = read_card(folder).digest
    if expected and digest != expected:
        problem = f"was replaced while the training ran: its digest is {digest[:16]}, not {expected[:16]}"
        raise InputError(Path(folder) / "model.json", problem, hint="train into a folder that nothing else writes")
    return digest


def moved_error(folder: str | Path) -> InputError:
    """Return the error of a model folder that is no longer where a training has made it."""
    problem = "was moved or removed while the training ran: it has no model.json"
    return InputError(folder, problem, hint="resume the training where the folder is now, or train it again")


def write_model_file(path: Path, data: bytes, model: str) -> None:
    """Replace a file of a model folder atomically, while its model.json has the digest `model`.

    Another model that somebody moves there meanwhile keeps its files: the temporary file is in the folder that was
    there before, or that model's digest is seen before the rename.

    Raises:
        InputError: as for `model_digest`, or the file cannot be written.
    """
    with named_write_errors(path), replacing(path) as temporary:
        temporary.write_bytes(data)
        model_digest(path.parent, model)


def is_keras_model(content: Mapping[str, Any]) -> bool:
    """Return whether the content of a model.json is that of the original FactorNet's, which Keras wrote."""
    return "keras_version" in content or content.get("class_name") == "Model"


def lists_of_names(config: AnyConfig) -> dict[str, bytes]:
    """Return the content of each list of names by file."""
    features = ["bigwig"] + ["meta"] * bool(config.meta) + ["gencode"] * config.uses_annotation
    lists = {"chip.txt": config.tasks, "bigwig.txt": config.tracks, "feature.txt": features}
    if config.meta:
        lists["meta.txt"] = config.meta
    return {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in lists.items()}


def check_list(path: Path, text: bytes) -> None:
    """Check a list of names: other programs read it, and take its names for the network's.

    Raises:
        InputError: it cannot be read, or is not `text`.
    """
    if read_limited(path, len(text) + _MAX_MORE, hint=LIST_HINT) != text:
        problem = "damaged or changed: it is not as it was written, with the names of the network in model.json"
        raise InputError(path, problem, hint=LIST_HINT)
