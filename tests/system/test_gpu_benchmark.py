"""`benchmarks/gpu.py` runs where there is only numpy and torch; what it checks can fail; its counts are right."""

import json
import math
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from factornet.model.network import BlockConfig, BlockNetwork, FactorNet, NetworkConfig

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from gpu_cost import block_layers, factornet_layers
from gpu_data import Inputs
from gpu_reference import PARTS, median_error, misalignment, relative_error
from gpu_report import Report, Skipped

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ABSENT = """
    zarr zarrs dask distributed numcodecs numba xarray pandas h5py psutil platformdirs safetensors sklearn scipy
    matplotlib rich pyfaidx pyBigWig pybedtools jinja2 lightgbm google_crc32c
""".split()
RUN = """
import runpy, sys
sys.modules.update(dict.fromkeys({absent}))
sys.path.insert(0, {folder!r})
sys.argv = ["gpu.py", *{arguments}]
runpy.run_path({folder!r} + "/gpu.py", run_name="__main__")
"""


def test_small_form_passes_with_numpy_and_torch_alone(tmp_path):
    arguments = ["--small", "--device", "cpu", "--out", str(tmp_path / "gpu.json")]
    program = RUN.format(absent=ABSENT, folder=str(BENCHMARKS), arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert "numba" in found["about"]["placeholders"]
    checks, timings = ([row for row in found[kind] if "skipped" not in row] for kind in ("checks", "timings"))
    assert len(checks) > 30
    assert all(row["error"] <= row["tolerance"] for row in checks)
    assert all(row["floor_ms"] > 0 for row in timings if "gflop" in row)
    for what in ("streamed", "cut on the device", "train k6", "predict k8", "tile"):
        assert any(what in row["name"] and row["ms"] > 0 for row in timings), what
    skipped = {row["name"]: row["skipped"] for row in found["checks"] + found["timings"] if "skipped" in row}
    assert skipped.pop("windows copied from a store").startswith("no zarr")
    assert all("numba" in why and ("blocks" in name or "trees" in name) for name, why in skipped.items())


def test_windows_of_a_store_are_checked_where_the_package_is_installed(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--small", "--device", "cpu", "--no-timings"]
    command += ["--only", "windows", "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {row["name"]: row.get("error") for row in found["checks"]}["windows copied from a store"] == 0
    assert "windows/s" in found["about"]["store"]


def test_networks_over_blocks_are_checked_and_timed_where_there_is_numba(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--small", "--device", "cpu", "--only", "blocks"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "gpu.json")], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert not [row for row in found["checks"] + found["timings"] if "skipped" in row]
    names = " ".join(row["name"] for row in found["checks"] + found["timings"])
    for what in ("bfloat16: outputs", "with the same dropout", "bfloat16: scores", "train blocks", "3 trees, tile"):
        assert what in names


def test_errors_that_are_nan_or_too_large_fail(tmp_path):
    report = Report(100, out=tmp_path / "report.json")
    report.check("exact", lambda: 0, tolerance=0)
    report.check("close", lambda: 0.9, tolerance=1)
    report.check("not a number", lambda: math.nan, tolerance=1)
    report.check("far", lambda: 2.0, tolerance=1)
    report.check("broken", lambda: 1 / 0, tolerance=1)
    report.timing("broken timing", lambda: {"ms": 1 / 0})
    assert report.section("broken section", lambda: 1 / 0) is None
    assert [row["name"] for row in report.failed] == [
        "not a number",
        "far",
        "broken",
        "broken section",
        "broken timing",
    ]
    assert "ZeroDivisionError" in report.failed[2]["failed"]
    assert "test_gpu_benchmark.py" in report.failed[2]["traceback"]
    assert len(json.loads((tmp_path / "report.json").read_text())["checks"]) == 6
    assert "2 checks passed, 5 failed" in report.table()


def test_what_is_over_the_budget_or_its_limit_is_skipped_and_said():
    def has_no_meaning():
        raise Skipped("no GPU")

    def wraps_what_interrupts_it():
        try:
            sleep(5)
        except TimeoutError as error:
            raise RuntimeError from error

    report = Report(100)
    report.check("slow", wraps_what_interrupts_it, tolerance=1, limit=0.1)
    report.check("without meaning", has_no_meaning, tolerance=1)
    report.check("late", lambda: 0, tolerance=1, limit=200)
    report.timing("late timing", lambda: {"ms": 1}, reserve=200)
    assert not report.failed
    assert [row["skipped"] for row in report.checks] == ["not done in 0 s", "no GPU", "over the budget of 100 s"]
    assert report.timings[0]["skipped"]
    report.budget = 0
    assert report.section("late section", lambda: 1) is None
    assert "0 checks passed, 0 failed, 5 skipped" in report.table()


def test_only_what_is_named_runs():
    report = Report(100, only="blocks")
    report.check("blocks, float32", lambda: 0, tolerance=1)
    report.check("k32", lambda: 1 / 0, tolerance=1)
    assert [row["name"] for row in report.checks] == ["blocks, float32"]


def test_median_error_is_that_of_parts_unless_one_of_them_has_nothing_to_do_with_the_expected():
    assert median_error([1e-6, 3e-6, 0.3, 2e-6, 1e-6]) == pytest.approx(2e-6)
    assert median_error([1e-6, 1e-6, 1e-6, 1e-6, 0.6]) == pytest.approx(0.6)
    assert math.isnan(median_error([1e-6, 1e-6, math.nan]))


@pytest.mark.parametrize(("rows", "sizes"), [(3, [1] * 3), (16, [2] * 8), (19, [2] * 8), (32, [4] * 8)])
def test_parts_of_a_batch_have_one_size(rows, sizes):
    codes = torch.arange(rows)[:, None]
    parts = Inputs(codes, codes, codes, codes).split(PARTS)
    assert [len(part.codes) for part in parts] == sizes
    for name in ("codes", "tracks", "labels", "features"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), codes[: sum(sizes)])


def test_errors_measure_length_and_direction():
    a = torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert relative_error(a * 1.01, a) == pytest.approx(0.01)
    assert misalignment(a * 1.1, a) == pytest.approx(0.1)
    assert misalignment(torch.tensor([-4.0, 3.0], dtype=torch.float64), a) == pytest.approx(1)
    assert math.isnan(relative_error(a * math.nan, a))
    assert math.isnan(misalignment(a * math.nan, a))


@pytest.mark.parametrize("kernels", [16, 32])
def test_operations_of_windows_are_those_that_torch_counts(kernels):
    config = NetworkConfig(tasks=("MAX",), tracks=("a", "b"), kernels=kernels, recurrent=0, dense=48)
    codes, tracks = torch.zeros(3, 1000, dtype=torch.uint8), torch.zeros(3, 2, 1000)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        FactorNet(config).eval()(codes, tracks)
    layers = [layer for layer in factornet_layers(config) if layer.name != "pooling"]
    assert 3 * sum(layer.operations for layer in layers) == pytest.approx(counted.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("bins", [5, 41])
def test_operations_over_blocks_are_those_that_torch_counts(bins):
    config = BlockConfig(tasks=("MAX",), tracks=("a", "b"))
    length = config.window_length + (bins - 1) * 50
    codes, tracks = torch.zeros(2, length, dtype=torch.uint8), torch.zeros(2, 2, length)
    network = BlockNetwork(config).double().eval()  # in float32 a CPU looks kernels up
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        network(codes, tracks)
    layers = [layer for layer in block_layers(config, bins=bins) if layer.name not in ("maxima", "signal")]
    assert 2 * sum(layer.operations for layer in layers) == pytest.approx(counted.get_total_flops(), rel=0.02)
