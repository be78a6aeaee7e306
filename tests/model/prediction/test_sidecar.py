"""The record next to predictions: what it says, that it belongs to its file, and what happens to it on errors."""

import json
import os

import numpy as np
import pytest
import torch

from factornet.model import (
    Bins,
    FactorNet,
    ModelCard,
    NetworkConfig,
    predict_intervals,
    predict_regions,
    read_card,
    save_weights,
)
from factornet.model.model_dir.card import write_card
from factornet.model.model_dir.weights import load_model
from factornet.model.prediction.bins import count_uncomputed
from factornet.model.prediction.predictor import Predictor
from factornet.model.prediction.sidecar import NoRecordError, read_record, sidecar_path
from factornet.store import InputError, UsageError, open_store, parse_region
from factornet.store.files.digest import file_digest
from factornet.store.files.sealed_json import JsonFormat, write_sealed_json

REGION = "chr21:100000-101000"


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    """A model folder whose card states a training."""
    folder = tmp_path_factory.mktemp("model")
    config = NetworkConfig(tasks=("MAX", "CTCF"), tracks=("Unique35", "DGF"), kernels=8, recurrent=-1, dense=8)
    data = {"cells": ["GM12878"], "valid_cells": ["GM12878"], "valid": ["chr11:0-9"], "test": ["chr1:0-9"]}
    provenance = {"chromosomes": {"chr1": "SQ.x", "chr11": "SQ.y"}, "manifests": {"genome": "0" * 64}}
    write_card(folder, ModelCard(config=config, training=data, provenance=provenance))
    save_weights(folder, FactorNet(config, seed=1).state_dict(), "best")
    return folder


@pytest.fixture
def predictor(store, small_model):
    model = load_model(small_model)
    return Predictor(
        network=model.network, source=model, store=store, cell="K562", factor="CTCF", device=torch.device("cpu")
    )


@pytest.fixture
def bins(store):
    start = np.arange(100_000, 101_000, 50)
    return Bins(np.full(start.size, store.coordinates.index("chr21")), start, start + 200)


@pytest.mark.parametrize("name", ["x.bed.gz", "x.bw"])
@pytest.mark.parametrize("regions", [False, True])
def test_record_names_model_data_and_file(predictor, bins, store, *, small_model, tmp_path, name, regions):
    path = tmp_path / name
    if regions:
        record = predict_regions(predictor, [parse_region(REGION, store.coordinates)], path, stride=50)
    else:
        record = predict_intervals(predictor, bins, path, options={"bed": "x.bed"})
    assert sidecar_path(path).name == f"{name}.json"
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, f"{name}.json"]
    assert read_record(path) == record
    assert (record.factor, record.cell, record.assembly) == ("CTCF", "K562", store.info.assembly)
    assert record.file_sha256 == file_digest(path)
    card = read_card(small_model)
    assert record.model["model_json"] == card.digest
    assert record.model["weights_sha256"] == file_digest(small_model / "best.safetensors")
    assert record.trainings == card.trainings
    assert record.manifests == {"genome": store.info.genome_manifest, "cells/K562": store.cell("K562").manifest}
    assert list(record.chromosomes) == ["chr21"]
    assert record.intervals == {"n": 17 if regions else 20, "not_computed": {"chromosome_ends": 0, "blacklist": 0}}
    assert record.options[("regions" if regions else "bed")] == ([REGION] if regions else "x.bed")


def test_scores_that_are_not_computed_are_counted(store, predictor, tmp_path):
    """The oracle is the scores: 0 for those, and for no other."""
    rng = np.random.default_rng(1)
    chrom = rng.integers(0, 5, 3000)
    near = rng.integers(0, 3000, 3000)
    length = np.array(store.coordinates.lengths)[chrom]
    start = np.where(rng.random(3000) < 0.3, near, rng.integers(0, length - 200))
    bins = Bins(chrom, start, start + 200)
    record = predict_intervals(predictor, bins, tmp_path / "x.bed.gz")
    zeros = sum(int((scores == 0).sum()) for _, scores in predictor.scored(bins))
    counts = record.intervals["not_computed"]
    assert counts == count_uncomputed(bins, store, margin=predictor.network.config.excluded_margin)
    assert sum(counts.values()) == zeros
    assert counts["chromosome_ends"] > 0
    assert counts["blacklist"] > 0


def test_changed_predictions_have_no_record(predictor, bins, tmp_path):
    path = tmp_path / "x.bed.gz"
    predict_intervals(predictor, bins, path)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(
        NoRecordError, match=r"x\.bed\.gz\.json next to it is the record of other bytes.*; predict it again"
    ):
        read_record(path)
    sidecar_path(path).unlink()
    with pytest.raises(NoRecordError, match=r"no x\.bed\.gz\.json records which model predicted it"):
        read_record(path)


def test_damaged_record_is_refused(predictor, bins, tmp_path):
    path = tmp_path / "x.bed.gz"
    predict_intervals(predictor, bins, path)
    text = sidecar_path(path).read_bytes()
    for changed in (text[:-9], text.replace(b"K562", b"K563", 1), b"[]", b""):
        sidecar_path(path).write_bytes(changed)
        with pytest.raises(InputError) as caught:
            read_record(path)
        assert not isinstance(caught.value, NoRecordError)
        assert caught.value.hint == "remove it, or predict again"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("factor", 3),
        ("trainings", {}),
        ("trainings", [7]),
        (
            "trainings",
            [{"cells": "K562", "valid_cells": [], "valid": [], "test": [], "chromosomes": [], "manifests": {}}],
        ),
        ("trainings", [{"cells": [], "valid_cells": [], "valid": [5], "test": [], "chromosomes": [], "manifests": {}}]),
        ("manifests", []),
        ("chromosomes", None),
        ("chromosomes", {"chr1": 3}),
        ("model", {"tasks": [3]}),
        ("model", {"tasks": "CTCF"}),
    ],
)
def test_record_of_other_types_is_refused(predictor, bins, tmp_path, *, key, value):
    path = tmp_path / "x.bed.gz"
    content = predict_intervals(predictor, bins, path).to_json()
    write_sealed_json(sidecar_path(path), JsonFormat("factornet-prediction", 1, ""), content | {key: value})
    with pytest.raises(InputError, match=r"is no record of predictions"):
        read_record(path)


def test_file_of_the_user_at_the_place_of_the_record_is_kept(predictor, bins, tmp_path):
    path = tmp_path / "x.bed.gz"
    sidecar_path(path).write_text('{"mine": 1}')
    with pytest.raises(UsageError, match=r"x\.bed\.gz\.json: exists and is no record of predictions .*move it away"):
        predict_intervals(predictor, bins, path, overwrite=True)
    assert json.loads(sidecar_path(path).read_text()) == {"mine": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.bed.gz.json"]


def test_predictions_are_not_named_like_a_record(predictor, bins, tmp_path):
    """A prediction to x.bed.gz that ends later would replace x.bed.gz.json by its record."""
    for write in (
        lambda path: predict_intervals(predictor, bins, path, overwrite=True),
        lambda path: predict_regions(
            predictor, [parse_region("chr21:0-1000", predictor.store.coordinates)], path, stride=50, overwrite=True
        ),
    ):
        with pytest.raises(UsageError, match=r"x\.bed\.gz\.json: a file of scores cannot have this name"):
            write(tmp_path / "x.bed.gz.json")
    assert list(tmp_path.iterdir()) == []


def test_record_of_a_killed_run_is_replaced(predictor, bins, tmp_path):
    path = tmp_path / "x.bed.gz"
    predict_intervals(predictor, bins, path)
    path.unlink()
    (tmp_path / ".x.bed.gz.0123abcd.part.json").write_text("left by a killed run")
    record = predict_intervals(predictor, bins, path)
    assert read_record(path) == record
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.bed.gz", "x.bed.gz.json"]


@pytest.mark.parametrize("first", [False, True])
def test_failed_replacement_keeps_predictions_and_record(predictor, bins, tmp_path, *, monkeypatch, first):
    """Whichever rename fails, the earlier pair stays, or nothing where there was none."""
    path = tmp_path / "x.bed.gz"
    if not first:
        predict_intervals(predictor, bins.take(slice(5)), path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    replace = os.replace
    for failing in (".json", ".gz"):

        def rename(source, target, failing=failing):
            if str(target).endswith(failing):
                raise OSError(28, "No space left on device", str(source))
            replace(source, target)

        with monkeypatch.context() as patched:
            patched.setattr("pathlib.Path.replace", lambda self, target, rename=rename: rename(self, target))
            with pytest.raises(InputError, match=r"x\.bed\.gz.*: cannot be written \(No space left on device\)"):
                predict_intervals(predictor, bins, path, overwrite=True)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
