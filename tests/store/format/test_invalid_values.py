"""Invalid values in stores whose digests are right, as another program could write them."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

from factornet.cli import etl
from factornet.etl.publish.manifest_writer import genome_attributes, write_group, write_manifest
from factornet.etl.verify.objects import verify_store
from factornet.model import FactorNet, NetworkConfig, predict_bins
from factornet.model.prediction.bins import bins_of_regions
from factornet.store import SamplingPlan, StoreError, StreamSettings, WindowStream, open_store, parse_region, read_span
from factornet.store.format.cell_index import format_cell_index

CPU = torch.device("cpu")
FIXTURE = Path(__file__).parents[2] / "fixtures/store-schema-1.zip"


@pytest.fixture
def store(tmp_path) -> Path:
    """A small store, to be changed."""
    with zipfile.ZipFile(FIXTURE) as zipped:
        zipped.extractall(tmp_path / "small.zarr")
    (tmp_path / "small.zarr/cells/zarr.json").write_bytes(format_cell_index(None))  # without the digests of cell lines
    return tmp_path / "small.zarr"


def forge(store: Path, path: str, at, value) -> None:
    """Write values to an array and update all digests."""
    values = zarr.open_array(store / path, mode="r+")
    values[at] = value
    parts = path.split("/")
    is_genome = parts[0] == "genome"
    group = store / "genome" if is_genome else store.joinpath(*parts[:2])
    folder = store if is_genome else group  # whose attributes have the digest of the manifest
    shutil.rmtree(group / "manifest")
    manifest = write_manifest(group, own=is_genome)
    attributes = json.loads((folder / "zarr.json").read_text())["attributes"]
    write_group(folder, attributes | (genome_attributes(manifest) if is_genome else manifest))


def refused(message: str, read, *arguments) -> None:
    with pytest.raises(StoreError, match=f"{message}.*factornet did not write this; do not use it"):
        read(*arguments)


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("chrom", 0, -1),
        ("chrom", 6, 2),
        ("start", 2, -1),
        ("start", 2, 97_652),
        ("stop", 3, 150_001),
        ("summit", 4, 61_208),
        ("summit", 4, 61_477),
        ("summit", 4, -2),
    ],
)
def test_peaks_that_are_not_intervals_are_refused(store, column, row, value):
    forge(store, f"cells/CELL/peaks/CTCF/conservative/{column}", row, value)
    message = rf"cells/CELL/peaks/CTCF/conservative: row {row} is not an interval on .*{column} {value}\b"
    refused(message, open_store(store).peaks, "CELL", "CTCF", "conservative")


@pytest.mark.parametrize("raw", [False, True])
def test_verify_names_tables_with_invalid_intervals(store, tmp_path, raw):
    if raw:
        assert etl.main(["unpack", str(store), str(tmp_path / "raw.zarr"), "-p", "1"]) == 0
        store = tmp_path / "raw.zarr"
    for path in ("genome/blacklist", "cells/CELL/peaks/MAX/conservative"):
        forge(store, f"{path}/chrom", 0, -1)
        (finding,) = [f for f in verify_store(store).findings if f.path == path]
        assert finding.problem.startswith("row 0 is not an interval on a chromosome of the store (chrom -1, start ")
    assert len(verify_store(store).findings) == 2
    assert verify_store(store, quick=True).findings == ()


@pytest.mark.parametrize(("column", "value"), [("chrom", -1), ("start", 96_002), ("stop", 150_001)])
def test_blacklist_with_an_invalid_interval_is_refused(store, column, value):
    forge(store, f"genome/blacklist/{column}", 0, value)
    refused(rf"genome/blacklist: row 0 is not an interval on .*{column} {value}\b", open_store(store).blacklist)


def test_columns_of_other_lengths_and_types_are_refused(store):
    peaks = "cells/CELL/peaks/CTCF/conservative"
    zarr.create_array(store / peaks / "stop", data=np.array([9]), overwrite=True)
    forge(store, f"{peaks}/start", 0, 0)
    refused(
        rf"{peaks}/stop: int64 \(1,\), expected 7 integers",
        open_store(store).peaks,
        "CELL",
        "CTCF",
        "conservative",
    )
    zarr.create_array(store / peaks / "stop", data=np.full(7, 9, np.float32), overwrite=True)
    forge(store, f"{peaks}/start", 0, 0)
    refused(
        rf"{peaks}/stop: float32 \(7,\), expected 7 integers", open_store(store).peaks, "CELL", "CTCF", "conservative"
    )


VALUES = {
    "genome/sequence/chr21": (5, "0 to 4"),
    "genome/annotation/chr21": (64, "0 to 63"),
    "cells/CELL/labels/chr21": (3, "0 to 2"),
    "cells/CELL/tracks/DGF/chr21": (-np.inf, "-3.40282e+38 to 3.40282e+38"),
    "genome/tracks/Unique35/chr21": (np.inf, "-3.40282e+38 to 3.40282e+38"),
}


def windows(store: Path) -> list:
    starts, zeros = np.arange(1000, 31_000, 1000), np.zeros(30, np.int64)
    plan = SamplingPlan(("CELL",), zeros, zeros + 1, starts, zeros, np.zeros((30, 0), np.uint8))
    return list(WindowStream(open_store(store), plan, StreamSettings(1000, gencode=True), seed=(1,)))


@pytest.mark.parametrize("path", VALUES)
def test_values_outside_the_valid_range_are_refused(store, path):
    value, valid = VALUES[path]
    forge(store, path, 1100, value)
    message = re.escape(f"{path}: row 1100 is {value}, outside the valid range {valid}")
    refused(message, read_span, open_store(store).array(path), 1000, 1900)
    if "labels" not in path:
        refused(message, windows, store)


@pytest.mark.parametrize("path", [path for path in VALUES if "labels" not in path])
def test_values_at_the_edge_of_the_valid_range_are_read(store, path):
    value = {"sequence": 4, "annotation": 63}.get(path.split("/")[1], np.finfo(np.float32).max)
    forge(store, path, 1100, value)
    assert read_span(open_store(store).array(path), 1100, 1101)[0] == value
    assert len(windows(store)) == 1


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_prediction_from_non_finite_signal_is_refused(store, tmp_path, shared, value):
    """Windows of a raw store are gathered unchecked; there the scores are checked: a code without a value is NaN."""
    raw = tmp_path / "raw.zarr"
    assert etl.main(["unpack", str(store), str(raw), "-p", "1"]) == 0
    config = NetworkConfig(
        tasks=("CTCF",), tracks=("Unique35", "DGF"), kernels=4, recurrent=0, dense=4, window_length=200
    )
    bins = bins_of_regions(
        [parse_region("chr21:15000-30000", open_store(raw).coordinates)], open_store(raw).coordinates, stride=50
    )

    def predict(location):
        return predict_bins(FactorNet(config, seed=1), open_store(location), "CELL", bins, device=CPU, shared=shared)

    assert np.isfinite(predict(raw)).all()
    signal = "cells/CELL/tracks/DGF/chr21"
    for location, path, wrong in ((store, signal, value), (raw, f"{signal}/codes", 255)):
        forge(location, path, slice(20_000, 21_000), wrong)
        with pytest.raises(StoreError, match=r"CELL.*chr21|chr21.*CELL"):
            predict(location)
