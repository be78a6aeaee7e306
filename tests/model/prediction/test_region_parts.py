"""Interrupted predictions of regions: what is kept, what is computed again, what is refused."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from support.sealed import change_sealed

from factornet.model import FactorNet, NetworkConfig, Predictor, predict_regions
from factornet.model.prediction import region_parts
from factornet.model.prediction.sidecar import sidecar_path
from factornet.store import InputError, UsageError, open_store, parse_region
from factornet.store.files.sealed_json import JsonFormat, write_sealed_json
from factornet.store.genome.regions import Region

SIZES = {"window_length": 500, "kernels": 8, "kernel_width": 10, "recurrent": 3, "dense": 16}


def predictor_of(store, factor, **sizes):
    config = NetworkConfig(tasks=("MAX", "CTCF"), tracks=("Unique35", "DGF"), **(SIZES | sizes))
    network = FactorNet(config, seed=5).eval()
    return Predictor(network=network, store=store, cell="K562", factor=factor, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture
def predictor(store):
    return predictor_of(store, "CTCF")


def regions_of(store, *texts):
    return [parse_region(t, store.coordinates) for t in texts]


class CutError(Exception):
    """Stands for an error in the middle of a run."""


@pytest.mark.parametrize(("name", "error"), [("x.bed.gz", KeyboardInterrupt), ("x.bw", CutError)])
def test_resumed_run_ends_in_the_same_bytes(store, predictor, tmp_path, *, name, error, caplog):
    regions = regions_of(store, *(f"{n}:5000-9000" for n in store.coordinates.names[:3]))
    output, sizes = tmp_path / name, []
    predict_regions(predictor, regions, output, stride=50)
    whole = output.read_bytes()
    output.unlink()

    def cut(bins):
        sizes.append(bins)
        if len(sizes) == 2:
            raise error

    with pytest.raises(error):
        predict_regions(predictor, regions, output, stride=50, on_bins=cut)
    parts = tmp_path / f".{name}.parts"
    assert sorted(p.name for p in parts.iterdir()) == [
        f"00000-{store.coordinates.names[0]}",
        "digests.json",
        "settings.json",
    ]
    (parts / f".00001-{store.coordinates.names[1]}.0123abcd.part").write_bytes(b"half")  # what a killed run leaves

    kept = (parts / f"00000-{store.coordinates.names[0]}").stat().st_mtime_ns
    with pytest.raises(UsageError, match=r"stride was 50, is 100; .* do not resume \(this replaces 1 finished parts\)"):
        predict_regions(predictor, regions, output, stride=100, resume=True)
    other = predictor_of(store, "MAX", dense=17)
    with pytest.raises(UsageError, match=r"model was \w+, is \w+; factor was CTCF, is MAX"):
        predict_regions(other, regions, output, stride=50, resume=True)
    assert (parts / f"00000-{store.coordinates.names[0]}").stat().st_mtime_ns == kept

    sizes.clear()
    kept = []
    predict_regions(predictor, regions, output, stride=50, resume=True, on_bins=sizes.append, on_kept=kept.append)
    assert output.read_bytes() == whole
    assert (sum(sizes), kept) == (2 * 77, [77])
    assert sorted(tmp_path.iterdir()) == [output, sidecar_path(output)]
    assert not caplog.records


def test_new_run_warns_that_it_replaces_parts(store, predictor, tmp_path, caplog):
    parts = tmp_path / ".x.bed.gz.parts"
    parts.mkdir()
    (parts / "00000-chr1").write_text("old")
    regions = regions_of(store, f"{store.coordinates.names[0]}:5000-9000")
    predict_regions(predictor, regions, tmp_path / "x.bed.gz", stride=50)
    assert "1 finished parts of an interrupted run are replaced" in caplog.text
    assert "resuming would have kept them" in caplog.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.bed.gz", "x.bed.gz.json"]


def test_resumed_run_without_settings_says_that_nothing_can_be_resumed(store, predictor, tmp_path, caplog):
    (tmp_path / ".x.bed.gz.parts").mkdir()  # as a kill before the settings are written leaves it
    regions = regions_of(store, f"{store.coordinates.names[0]}:5000-9000")
    predict_regions(predictor, regions, tmp_path / "x.bed.gz", stride=50, resume=True)
    assert "0 finished parts of an interrupted run are replaced; it ended before its settings were" in caplog.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.bed.gz", "x.bed.gz.json"]


def test_damaged_settings_of_parts_are_named(store, predictor, tmp_path):
    parts = tmp_path / ".x.bed.gz.parts"
    parts.mkdir()
    (parts / "settings.json").write_text("{")
    regions = regions_of(store, f"{store.coordinates.names[0]}:5000-9000")
    with pytest.raises(InputError, match=r"settings\.json:1: not JSON"):
        predict_regions(predictor, regions, tmp_path / "x.bed.gz", stride=50, resume=True)


@pytest.fixture
def interrupted(store, predictor, tmp_path):
    """A prediction of three regions that was interrupted after two: its arguments, and its folder of parts."""
    regions = regions_of(store, *(f"{n}:5000-6000" for n in store.coordinates.names[:3]))
    sizes = []

    def cut(bins):
        sizes.append(bins)
        if len(sizes) == 3:
            raise CutError

    with pytest.raises(CutError):
        predict_regions(predictor, regions, tmp_path / "x.bw", stride=50, on_bins=cut)
    return (predictor, regions, tmp_path / "x.bw"), tmp_path / ".x.bw.parts"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda p: p.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["00000-", "digests.json"])
def test_part_that_is_no_file_is_computed_again(interrupted, make, name):
    arguments, parts = interrupted
    [path] = parts.glob(f"{name}*")
    path.unlink()
    make(path)
    predict_regions(*arguments, stride=50, resume=True)
    assert sorted(p.name for p in parts.parent.iterdir()) == ["x.bw", "x.bw.json"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings.json", {}),
        ("settings.json", {"settings": [1]}),
        ("digests.json", {"sha256": 5}),
        ("digests.json", {}),
    ],
)
def test_resealed_record_of_another_form_is_named(interrupted, name, content, caplog):
    arguments, parts = interrupted
    kind = JsonFormat(f"factornet-prediction-{name.removesuffix('.json')}", 1, "")
    write_sealed_json(parts / name, kind, content)
    if name == "settings.json":
        with pytest.raises(InputError, match=r"settings\.json: settings must be a JSON object, got"):
            predict_regions(*arguments, stride=50, resume=True)
    else:
        predict_regions(*arguments, stride=50, resume=True)
        assert "digests.json: sha256 must be a JSON object" in caplog.text


@pytest.mark.parametrize("make", [Path.touch, lambda p: p.symlink_to("/tmp")])
def test_parts_that_are_no_folder_are_left_alone(store, predictor, tmp_path, make):
    make(tmp_path / ".x.bw.parts")
    with pytest.raises(InputError, match=r"\.x\.bw\.parts: is not a folder; move it away"):
        predict_regions(predictor, regions_of(store, "chr21:5000-6000"), tmp_path / "x.bw", stride=50)
    assert [p.name for p in tmp_path.iterdir()] == [".x.bw.parts"]


@pytest.mark.parametrize("name", ["..", ".", "", "settings.json"])
def test_names_of_no_part_are_never_touched(interrupted, name):
    """A stranger's digests.json, sealed again, names the folder of the output: it must not be removed as a damaged part."""
    arguments, parts = interrupted
    (parts.parent / "precious").write_text("mine")
    change_sealed(parts / "digests.json", sha256={name: "0" * 64})
    predict_regions(*arguments, stride=50, resume=True)
    assert sorted(p.name for p in parts.parent.iterdir()) == ["precious", "x.bw", "x.bw.json"]


def test_parts_and_digests_of_another_run_are_computed_again(store, interrupted, tmp_path, caplog):
    """Each part matches its digest, but another model computed them."""
    arguments, parts = interrupted
    (tmp_path / "other").mkdir()
    other = predictor_of(store, "CTCF", dense=17)

    def cut(bins, seen=[]):  # noqa: B006, counts the calls
        seen.append(bins)
        if len(seen) == 3:
            raise CutError

    with pytest.raises(CutError):
        predict_regions(other, arguments[1], tmp_path / "other/x.bw", stride=50, on_bins=cut)
    for path in (tmp_path / "other/.x.bw.parts").iterdir():
        if path.name != "settings.json":
            shutil.copy(path, parts / path.name)
    predict_regions(*arguments, stride=50, resume=True)
    assert "digests.json: does not belong to settings.json; all parts are computed again" in caplog.text
    predict_regions(*arguments[:2], tmp_path / "whole.bw", stride=50)
    assert (tmp_path / "x.bw").read_bytes() == (tmp_path / "whole.bw").read_bytes()


def test_failed_begin_leaves_nothing(store, predictor, tmp_path, monkeypatch):
    """The disk has room for the folder of parts, but for no file in it."""

    def fail(path, *_):
        raise InputError(path, "cannot be written (No space left on device)")

    monkeypatch.setattr(region_parts, "write_sealed_json", fail)
    with pytest.raises(InputError, match="No space left"):
        predict_regions(predictor, regions_of(store, "chr21:5000-6000"), tmp_path / "x.bw", stride=50)
    assert list(tmp_path.iterdir()) == []


def test_part_whose_digest_cannot_be_recorded_leaves_nothing(store, predictor, tmp_path, monkeypatch):
    """The disk has room for the first part, but not for its digest: there is nothing to resume."""
    write = region_parts.write_sealed_json

    def fail(path, *rest):
        if path.name == "digests.json":
            raise InputError(path, "cannot be written (No space left on device)")
        return write(path, *rest)

    monkeypatch.setattr(region_parts, "write_sealed_json", fail)
    with pytest.raises(InputError, match="No space left"):
        predict_regions(predictor, regions_of(store, "chr21:5000-6000"), tmp_path / "x.bw", stride=50)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_differ_are_named_within_their_tables_and_shortened(tmp_path):
    regions = [Region("chr1", 0, 50)]
    old = {"stride": 50, "calibration": {"cell": "K562", "scores": [0.5] * 1000, "bins": 9}, "intervals": None}
    region_parts.RegionParts.begin(tmp_path / "x.bw", regions, old, resume=True)
    new = {**old, "calibration": {**old["calibration"], "cell": "HepG2", "scores": [0.25] * 1000}}
    with pytest.raises(UsageError) as caught:
        region_parts.RegionParts.begin(tmp_path / "x.bw", regions, new, resume=True)
    halves, quarters = (f"[{', '.join([n] * 30)}"[:80] for n in ("0.5", "0.25"))
    expected = f"calibration cell was K562, is HepG2; calibration scores was {halves} ..., is {quarters} ...; use"
    assert expected in str(caught.value)
