"""A network that predicts one of its factors in a cell line, and the record of what it predicted."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ... import __version__
from ...store.errors import UsageError
from ...store.reader import Store
from ...store.text import format_foreign
from ..data.inputs import check_factor, manifest_digests, network_inputs
from ..model_dir.calibration import Calibration
from ..model_dir.weights import LoadedModel
from ..network.variants import AnyNetwork, config_to_json
from .bins import Bins, count_uncomputed
from .sidecar import PredictionRecord
from .together import predict_together

_OF_SCORES = ("batch_size", "amp", "device", "calibrated", "calibration_sha256", "prevalence")
_OF_BINS = ("regions", "stride", "bed_sha256", "tile")
"""Options of a record that decide scores, and bins; the name of a BED file does not."""


@dataclass(frozen=True, kw_only=True)
class BinSummary:
    """What a record says of the bins of a file.

    Attributes:
        n: their number.
        chroms: their chromosomes, indices in the store, sorted.
        not_computed: how many were not computed, by reason; their score is 0.
        tiles: the same of the tiles of long intervals; empty where intervals are not tiled.
    """

    n: int
    chroms: tuple[int, ...]
    not_computed: Mapping[str, int]
    tiles: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, pieces: Iterable[Bins], store: Store, *, margin: int) -> Self:
        """Count bins, given in pieces of bounded size; `margin` as for `count_uncomputed`."""
        chroms, n, uncomputed = set[int](), 0, Counter[str](chromosome_ends=0, blacklist=0)
        for bins in pieces:
            n += len(bins)
            chroms |= set(np.unique(bins.chrom).tolist())
            uncomputed.update(count_uncomputed(bins, store, margin=margin))
        return cls(n=n, chroms=tuple(sorted(chroms)), not_computed=dict(uncomputed))


@dataclass(frozen=True, eq=False, slots=True)
class PredictorScores:
    """Scores of some bins by all predictors of one network.

    Attributes:
        predictors: their indices among those given.
        rows: of the bins, int64 (n,).
        scores: of each of these predictors, float32 (n,).
        seconds: that the network took.
    """

    predictors: tuple[int, ...]
    rows: NDArray[np.int64]
    scores: tuple[NDArray[np.float32], ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A network that predicts one of its factors in a cell line; other fields as for `predict_together`.

    Args:
        network: of either kind.
        source: the model folder that the network is from, to be recorded; None if it is from none.
        calibration: what the scores of the factor mean: written are calibrated probabilities; None for the network's
            own.
        prevalence: share of bound bins that is expected in the cell line; None for that of the validation bins, on
            which the calibration was fitted.

    Raises:
        UsageError: the network does not predict the factor, or the cell line lacks inputs of the network.
    """

    network: AnyNetwork
    store: Store
    cell: str
    factor: str
    device: torch.device
    batch_size: int = 512
    amp: bool = False
    source: LoadedModel | None = None
    calibration: Calibration | None = None
    prevalence: float | None = None

    def __post_init__(self) -> None:
        check_factor(self.network.config, self.factor)
        network_inputs(self.network.config, self.store, (self.cell,))  # an error before any file is created
        if self.prevalence is not None and self.calibration is None:
            raise UsageError("a prevalence shifts calibrated scores, and the model is not calibrated")
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise UsageError(f"a prevalence lies between 0 and 1, got {self.prevalence}")

    def __repr__(self) -> str:
        source = f"model {self.source.name!r}" if self.source else "a network of no model folder"
        return f"Predictor({self.factor} in {self.cell} by {source}, on {self.device})"

    def scored(self, bins: Bins) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows of the bins and their probabilities, (n,), in genome order."""
        for found in score_together([self], bins):
            yield found.rows, found.scores[0]

    def factor_scores(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of the factor, (n,), calibrated, from those of the network, (n, tasks)."""
        return self._calibrated(scores[:, self.network.config.tasks.index(self.factor)])

    def _calibrated(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.calibration is None:
            return scores
        calibrated = self.calibration.apply(scores)
        return calibrated if self.prevalence is None else self.calibration.at_prevalence(calibrated, self.prevalence)

    @cached_property
    def network_digest(self) -> str:
        """SHA-256 of the network's configuration and weights."""
        digest = hashlib.sha256(json.dumps(config_to_json(self.network.config)).encode())
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def settings(self) -> dict[str, Any]:
        """Return all that a score depends on, as JSON values."""
        attributes = [self.store.info.to_attributes(), self.store.cell(self.cell).to_attributes()]
        return {
            "factornet": __version__,
            "model": self.network_digest,
            "store": hashlib.sha256(json.dumps(attributes).encode()).hexdigest(),
            "cell": self.cell,
            "factor": self.factor,
            "batch": self.batch_size,
            "amp": self.amp,
            "device": self.device.type,
            "calibration": self.calibration.to_json() if self.calibration else None,
            "prevalence": self.prevalence,
        }

    def record(self, summary: BinSummary, options: Mapping[str, Any], *, file_sha256: str) -> PredictionRecord:
        """Return the record of a file of predictions.

        Args:
            summary: of its bins.
            options: settings of the bins, as JSON values.
            file_sha256: digest of the file.
        """
        chromosomes = [self.store.info.chromosomes[c] for c in summary.chroms]
        return PredictionRecord(
            factor=self.factor,
            cell=self.cell,
            model=self.describe_model(),
            trainings=self.source.card.trainings if self.source else (),
            assembly=self.store.info.assembly,
            chromosomes={c.name: c.digest for c in chromosomes},
            manifests=manifest_digests(self.store, (self.cell,)),
            intervals={"n": summary.n, "not_computed": dict(summary.not_computed), **summary.tiles},
            options=self._options() | dict(options),
            file_sha256=file_sha256,
        )

    def differences(self, record: PredictionRecord, bins: Mapping[str, Any]) -> list[str]:
        """Return what of a record of predictions is not what this predictor would record, as text.

        Args:
            record: of the predictions.
            bins: settings of the bins that this command asks for, as `record` has them in its options.
        """
        manifests = manifest_digests(self.store, (self.cell,))
        pairs = (
            ("factor", record.factor, self.factor),
            ("cell line", record.cell, self.cell),
            ("model", dict(record.model), self.describe_model()),
            ("data of the store", dict(record.manifests), manifests),
        )
        differing = [(what, was, now) for what, was, now in pairs if was != now]
        found = [
            f"{what} {was}, not {now}" if isinstance(was, str) else f"other {what}" for what, was, now in differing
        ]
        expected = self._options() | dict(bins)
        options = [
            f"{key} {format_foreign(record.options.get(key))}, not {expected.get(key)}"
            for key in dict.fromkeys([*_OF_SCORES, *_OF_BINS])
            if record.options.get(key) != expected.get(key)
        ]
        return found + ([f"other options: {', '.join(options)}"] if options else [])

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"batch_size": self.batch_size, "amp": self.amp, "device": self.device.type}
        options["calibrated"] = self.calibration is not None
        if self.calibration is not None:  # a model may be calibrated again, on other data
            options["calibration_sha256"] = self.calibration.digest
        return options if self.prevalence is None else options | {"prevalence": self.prevalence}

    def describe_model(self) -> dict[str, Any]:
        """Return names and digests of network and weights, as JSON values."""
        model: dict[str, Any] = {"network": self.network_digest, "tasks": list(self.network.config.tasks)}
        if self.source is not None:
            model |= {"name": self.source.name, "model_json": self.source.card.digest}
            model |= {"weights": self.source.weights, "weights_sha256": self.source.weights_sha256}
            if "software" in self.source.card.provenance:  # of the original FactorNet
                model["software"] = self.source.card.provenance["software"]
        return model


def score_together(predictors: Sequence[Predictor], bins: Bins) -> Iterator[PredictorScores]:
    """Yield scores of the bins by predictors of one cell line on one device, networks that several share computed once.

    Of each predictor every row comes once, in genome order, with the scores that it has alone (`predict_together`).

    Raises:
        UsageError, StoreError: as for `predict_together`.
    """
    members: dict[int, list[int]] = {}
    for i, predictor in enumerate(predictors):
        members.setdefault(id(predictor.network), []).append(i)
    first, groups = predictors[0], list(members.values())
    networks = [predictors[group[0]].network for group in groups]
    options: dict[str, Any] = {"device": first.device, "batch_size": first.batch_size, "amp": first.amp}
    for found in predict_together(networks, first.store, first.cell, bins, **options):
        group = tuple(groups[found.network])
        scores = tuple(predictors[i].factor_scores(found.scores) for i in group)
        yield PredictorScores(group, found.rows, scores, found.seconds)
