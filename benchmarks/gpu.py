"""Check every path of the GPU against the CPU, then time training and prediction and compare them with their floors.

It makes its own data, and needs numpy and torch only; neither a store nor the package must be installed. A made-up
genome with tracks and peaks lies in arrays. Outputs and gradients are compared with float64 on the CPU: windows cut on
the device, asynchronous copies from pinned memory, TF32, autocast, CUDA graphs, cuDNN's LSTM, a group of one process,
what torch compiles, scores of tiles, boosted trees. The exit status is 1 if a check fails or a timing breaks off.

Floors are what the layers' operations and bytes take at the rates that this machine reaches with square matrix products
and copies, measured in the same run (`gpu_cost`). Predicted and measured figures are in docs/performance.md.

`--small` is a tiny form of all of it, on the CPU where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gpu_package import has_library, open_package

if TYPE_CHECKING:
    import torch
    from gpu_data import ArrayStore, Sizes
    from gpu_report import Report

ROOT = Path(__file__).resolve().parents[1]
COMPILING = 40.0
"""Seconds that each check or timing of what torch compiles may take; so much is left for the first."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures here, as JSON")
    parser.add_argument("--small", action="store_true", help="tiny networks and data")
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--budget", type=float, default=190, metavar="SECONDS", help="skip what is left then (190)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks and timings with this in their names")
    parser.add_argument("--no-timings", action="store_true", help="checks only")
    options = parser.parse_args()
    absent = open_package(ROOT)
    warnings.filterwarnings("ignore", message=".*TF32.*")  # of torch, about the names of its settings
    return run(options, absent)


def run(options: argparse.Namespace, absent: list[str]) -> int:
    """Run checks and timings; return the exit status. The package must be importable."""
    import torch
    from gpu_block_checks import check_blocks
    from gpu_checks import check_factornets, check_windows
    from gpu_data import SMALL, ArrayStore, Sizes
    from gpu_report import Report

    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    sizes = SMALL if options.small else Sizes()
    if options.small:
        torch.set_num_threads(1)  # so little work that threads only wait for each other
    report = Report(options.budget, only=options.only, out=options.out, about=describe(device, absent))
    store = ArrayStore(sizes.chromosomes, seed=1)
    report.section("windows", lambda: check_windows(report, store, device, sizes))
    check_store(report, device, small=options.small)
    report.section("FactorNets", lambda: check_factornets(report, store, device, sizes))
    report.section("networks over blocks", lambda: check_blocks(report, store, device, sizes))
    if not options.no_timings:
        report.section("timings", lambda: time_all(report, store, device, sizes))
    if device.type == "cuda":  # last: it takes longest
        report.section("compiled", lambda: compile_all(report, store, device, sizes, timings=not options.no_timings))
    report.save()
    print(report.table())
    return 1 if report.failed else 0


def check_store(report: Report, device: torch.device, *, small: bool) -> None:
    """Check windows of a store on the device, where the package and its libraries are installed (`gpu_store`)."""
    from gpu_report import Skipped

    def copied() -> float:
        if not all(map(has_library, ("zarr", "pyBigWig", "numcodecs"))):
            raise Skipped("no zarr: windows come from arrays only")
        size = 400_000 if small else 24_000_000
        command = [sys.executable, str(ROOT / "benchmarks/gpu_store.py"), "--device", str(device), "--size", str(size)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        found = json.loads(done.stdout.splitlines()[-1])
        report.about["store"] = f"{found['rate']:,.0f} windows/s to the device"
        return float(found["error"])

    report.check("windows copied from a store", copied, tolerance=0)


def time_all(report: Report, store: ArrayStore, device: torch.device, sizes: Sizes) -> None:
    """Measure the ceilings of the machine, then time and profile all but what is compiled."""
    from gpu_block_timing import block_cases
    from gpu_measure import measure_ceilings
    from gpu_readers import Readers
    from gpu_timing import factornet_cases, profile_cases, time_cases

    report.ceilings |= measure_ceilings(device, sizes)
    print(f"[{report.elapsed:6.1f} s] {report.ceilings}", flush=True)
    readers = Readers(store, device, sizes)
    readers.time(report)
    cases = [
        *(report.section("cases of FactorNets", lambda: factornet_cases(store, device, sizes)) or []),
        *(report.section("cases over blocks", lambda: block_cases(store, device, sizes)) or []),
    ]
    reserve = COMPILING if device.type == "cuda" else 0
    time_cases(report, cases, device, sizes, reserve=reserve)
    if device.type == "cuda":
        report.section("kernels of training that reads", lambda: readers.profile(report))
        profile_cases(report, cases, device, reserve=reserve)


def compile_all(report: Report, store: ArrayStore, device: torch.device, sizes: Sizes, *, timings: bool) -> None:
    """Check and time what torch compiles."""
    from gpu_block_checks import check_compiled
    from gpu_data import factornet_config, make_factornet, name_of
    from gpu_reference import PARTS, Reference, compared_batch
    from gpu_timing import time_compiled

    config = factornet_config(sizes, sizes.networks[0])
    reference = Reference(make_factornet(config), compared_batch(store, config, PARTS * sizes.batch))
    check_compiled(report, reference, device, name=name_of(config), limit=COMPILING)
    if timings:
        time_compiled(report, store, device, sizes, limit=COMPILING)


def describe(device: object, absent: list[str]) -> dict[str, str]:
    """Return machine and versions."""
    import numpy
    import torch

    found = {"device": str(device), "torch": torch.__version__, "numpy": numpy.__version__}
    if torch.cuda.is_available():
        found["device"] = torch.cuda.get_device_name()
        found["cuda"], found["cudnn"] = str(torch.version.cuda), str(torch.backends.cudnn.version())
    found["python"] = sys.version.split()[0]
    found["placeholders"] = " ".join(absent) or "none"
    return found


if __name__ == "__main__":
    sys.exit(main())
