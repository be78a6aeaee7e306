"""Windows from arrays held in memory equal those of the store, in the order of a raw store."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from factornet.cli import train
from factornet.model import NetworkConfig
from factornet.model.data.batches import TensorStream, stream_settings
from factornet.model.data.device_windows import DeviceSource
from factornet.model.data.signal_codes import as_tensor, look_up
from factornet.model.data.sources import StoreSource, choose_source
from factornet.store import Sampler, SamplingPlan, UsageError, WindowStream, open_store, parse_region, split_genome
from factornet.store.windows.in_memory import find_tables, load_in_memory, required_arrays
from factornet.store.windows.inputs import SIGNAL

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


def held_as(form, store, required):
    """The arrays, held as codes, as float32, or as some of both; and the store that has the codes on disk."""
    if form == "float32":
        return store, required
    required = find_tables(store, required)
    if form == "mixed":
        some = dict(list(required.tables.items())[::2])
        return store, replace(required, tables=some)
    return store, required


@pytest.mark.parametrize("form", ["codes", "float32", "mixed", "raw"])
@pytest.mark.parametrize(("rank", "world_size"), [(0, 1), (1, 2)])
@pytest.mark.parametrize("seed", [None, (4, 2)])
def test_device_and_host_memory_give_the_store_s_windows(setting, raw_store, form, seed, *, rank, world_size):
    store, config, required = setting
    plan, settings = edge_plan(store), stream_settings(config, batch_size=20, rank=rank, world_size=world_size)
    origin, required = held_as(form, open_store(raw_store) if form == "raw" else store, required)
    held = load_in_memory(origin)
    held.hold(required)
    sources = {
        "stream": StoreSource(store, CPU, ""),
        "host": StoreSource(held, CPU, ""),
        "device": DeviceSource(origin, required, config, CPU, reason=""),
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


def test_required_bytes_are_those_of_the_codes_once_tables_are_known(setting, raw_store):
    store, _, required = setting
    total = sum(store.coordinates.lengths)
    for origin in (store, open_store(raw_store)):
        coded = find_tables(origin, required)
        assert sorted(coded.tables) == sorted(required.by_kind[SIGNAL])
        assert coded.bytes == coded.least_bytes == total * (1 + 1 + 3)


def test_codes_are_looked_up_on_the_device(setting, raw_store):
    """As float32 batches have it, also of tables with more than 255 values, of which codes are 16 bits."""
    _, config, _ = setting
    store = open_store(raw_store)
    plan, settings = edge_plan(store), stream_settings(config, batch_size=20)
    stream = WindowStream(store, plan, settings, seed=(1,))
    assert stream.has_codes
    pairs = zip(
        *(TensorStream(stream, CPU, codes=codes, prefetch=p) for codes, p in ((True, 2), (False, 0))), strict=True
    )
    for coded, plain in pairs:
        assert torch.equal(coded.tracks, plain.tracks)
        assert coded.tracks.dtype == torch.float32
    values = np.arange(65_535, dtype=np.float32) / 7
    codes = np.array([[0, 1, 65_534], [40_000, 32_767, 32_768]], np.uint16)
    starts = torch.tensor([0, 0], dtype=torch.int32)
    found = look_up(as_tensor(codes), starts, torch.from_numpy(values))
    assert found.numpy().tobytes() == values[codes].tobytes()


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
