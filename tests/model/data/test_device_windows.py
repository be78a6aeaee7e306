"""Windows from arrays held in memory equal those of the store, in the order of a raw store."""

import numpy as np
import pytest
import torch

from factornet.cli import train
from factornet.model import NetworkConfig
from factornet.model.data.batches import stream_settings
from factornet.model.data.device_windows import DeviceSource
from factornet.model.data.sources import StoreSource, choose_source
from factornet.store import Sampler, SamplingPlan, UsageError, open_store, parse_region, split_genome
from factornet.store.windows.in_memory import load_in_memory, required_arrays

CPU = torch.device("cpu")
CELLS = ("GM12878", "HepG2")


@pytest.fixture(scope="module")
def setting(demo_store):
    store = open_store(demo_store)
    config = NetworkConfig(
        tasks=("CTCF",), tracks=("Unique35", "DGF"), meta=store.cell("HepG2").meta, gencode=True, kernels=4
    )
    required = required_arrays(store, cells=CELLS, tracks=config.tracks, gencode=True, chroms=store.coordinates.names)
    return store, config, required


def edge_plan(store, n=150):
    """Random windows of both cell lines, a third over the ends of chromosomes."""
    rng = np.random.default_rng(3)
    chrom = rng.integers(0, len(store.coordinates.names), n)
    size = np.array(store.coordinates.lengths)[chrom]
    start = rng.integers(0, size - 200)
    start[:25] = rng.integers(-600, 300, 25)
    start[25:50] = size[25:50] - rng.integers(0, 600, 25)
    zeros = np.zeros(n, np.int64)
    return SamplingPlan(CELLS, rng.integers(0, 2, n), chrom, start, zeros, rng.integers(0, 2, (n, 1)).astype(np.uint8))


@pytest.mark.parametrize(("rank", "world_size"), [(0, 1), (1, 2)])
@pytest.mark.parametrize("seed", [None, (4, 2)])
def test_device_and_host_memory_give_the_store_s_windows(setting, seed, rank, world_size):
    store, config, required = setting
    plan, settings = edge_plan(store), stream_settings(config, batch_size=20, rank=rank, world_size=world_size)
    held = load_in_memory(store)
    held.hold(required)
    sources = {
        "stream": StoreSource(store, CPU, ""),
        "host": StoreSource(held, CPU, ""),
        "device": DeviceSource(store, required, config, CPU, reason=""),
    }
    found = {name: list(source.open(plan, settings, seed=seed)) for name, source in sources.items()}
    for host, device in zip(found["host"], found["device"], strict=True):
        np.testing.assert_array_equal(host.index, device.index)
        for field in ("codes", "tracks", "features", "labels"):
            assert torch.equal(getattr(host, field), getattr(device, field)), field
    rows = {int(i): (b, k) for b in found["stream"] for k, i in enumerate(b.index)}
    if world_size == 1:
        assert len(rows) == len(plan)
    for batch in found["device"]:
        for k, i in enumerate(batch.index):
            if int(i) in rows:
                other, at = rows[int(i)]
                assert torch.equal(batch.codes[k], other.codes[at])
                assert torch.equal(batch.tracks[k], other.tracks[at])
                assert torch.equal(batch.features[k], other.features[at])


def test_required_arrays_count_shared_tracks_once(setting):
    store, _, required = setting
    total = sum(store.coordinates.lengths)
    assert required.bytes == total * (1 + 1 + 4 * 3)  # codes, bits, a shared track, a track of each cell line


def make_sampler(store):
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    return Sampler(store, cells=CELLS, factor="CTCF", split=split, window_length=1000)


def test_the_choice_and_its_reason(setting, monkeypatch):
    store, config, _ = setting
    sampler = make_sampler(store)
    assert (
        "streamed from the compressed store (training on a CPU)" in choose_source("auto", sampler, config, CPU).reason
    )
    assert isinstance(choose_source("device", sampler, config, CPU), DeviceSource)
    assert "host memory, which holds" in choose_source("host", sampler, config, CPU).reason
    monkeypatch.setattr("factornet.model.data.sources.free_memory", lambda device: 1_000_000)
    with pytest.raises(UsageError, match=r"placement 'host': the arrays take 0.\d+ GB, 0.00 GB are free"):
        choose_source("host", sampler, config, CPU)


@pytest.mark.parametrize("resident", ["host", "device"])
def test_training_from_memory(demo_store, tmp_path, resident, capsys):
    words = f"--store {demo_store} -i K562 -f MAX -g -t chr1 chr2 chr21 -k 4 -r 4 -d 4 -e 2 -b 20 --device cpu"
    assert train.main([*words.split(), "--resident", resident, "-o", str(tmp_path / "m")]) == 0
    assert "which holds" in capsys.readouterr().out
