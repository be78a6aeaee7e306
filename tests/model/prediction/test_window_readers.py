"""All readers of windows against one slow oracle: the same windows, and the same errors for odd plans and stores."""

from dataclasses import replace

import numpy as np
import pyBigWig
import pytest
import torch
from support.slow_windows import slow_rows, tracks_of

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.etl.builders.unpack import unpack_store
from factornet.model import NetworkConfig
from factornet.model.data.device_windows import DeviceSource
from factornet.model.prediction.bins import SortedWindows
from factornet.model.prediction.tiling.tiles import TileReader
from factornet.store import SamplingPlan, Store, StreamSettings, UsageError, WindowStream, open_store
from factornet.store.windows.in_memory import load_in_memory, required_arrays

CPU = torch.device("cpu")
LENGTHS = {"chrA": 1500, "chrB": 700}
CELLS = {"ONE": ("S", "T"), "TWO": ("S", "T"), "SWAPPED": ("T", "S"), "BARE": ("S", "T"), "MORE": ("U", "T", "V", "S")}
META = ("GEPC1", "GEPC2")
GTF = "chrA\tx\t{}\t{}\t{}\t.\t+\t.\t" + "".join(
    f'{key} "{value}"; '
    for key, value in {
        "gene_id": "G", "transcript_id": "G.1", "gene_type": "protein_coding", "transcript_type": "protein_coding",
        "tag": "basic",
    }.items()
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stores annotated.zarr and plain.zarr of cell lines with and without meta values, and both unpacked."""
    folder, rng = tmp_path_factory.mktemp("readers"), np.random.default_rng(0)
    (folder / "g.fa").write_text("".join(f">{c}\n{''.join(rng.choice(list('ACGT'), n))}\n" for c, n in LENGTHS.items()))
    records = [("transcript", 300, 900), ("exon", 300, 500), ("exon", 700, 900), ("CDS", 350, 450)]
    (folder / "genes.gtf").write_text("".join(GTF.format(*record) + "\n" for record in records))
    (folder / "cpg.txt").write_text("585\tchrB\t100\t250\tCpG: 9\t150\t9\t90\t12\t60\t0.9\n")
    for number, (cell, tracks) in enumerate(CELLS.items()):
        (folder / cell).mkdir()
        if cell != "BARE":
            (folder / cell / "meta.txt").write_text("".join(f"{number}.5\t{name}\n" for name in META))
        (folder / cell / "bigwig.txt").write_text("".join(f"{track}.bw\t{track}\n" for track in tracks))
        for track in tracks:
            with pyBigWig.open(str(folder / cell / f"{track}.bw"), "w") as file:
                file.addHeader(list(LENGTHS.items()))
                for chrom, size in LENGTHS.items():
                    file.addEntries(chrom, 0, values=rng.gamma(1, 1, size).tolist(), span=1, step=1)
    annotated = {"gtf": folder / "genes.gtf", "cpg": folder / "cpg.txt"}
    for name, files in {"annotated": annotated, "plain": {}}.items():
        store = folder / f"{name}.zarr"
        build_genome(store, GenomeInputs(folder / "g.fa", **files), GenomeOptions(), Resources(1))
        for cell in CELLS:
            build_cell(store, folder / cell, CellOptions(), Resources(1))
        unpack_store(store, folder / f"{name}-raw.zarr", Resources(1))
    return folder


def config_of(store, plan, settings):
    """Return the network that takes windows of these settings."""
    tracks = tracks_of(store, plan, settings)
    meta = META if settings.meta else ()
    sizes = {"kernels": 2, "kernel_width": 2, "recurrent": -1}
    length = settings.window_length
    return NetworkConfig(
        tasks=("X",), tracks=tracks, window_length=length, meta=meta, gencode=settings.gencode, **sizes
    )


def rows_of(batches, plan):
    """Return (codes, tracks, features) by row of the plan; each comes once."""
    rows = {}
    for batch in batches:
        assert np.array_equal(np.asarray(batch.labels), plan.label[batch.index])
        for k, row in enumerate(batch.index.tolist()):
            assert row not in rows
            features = np.zeros(0) if batch.features is None else np.asarray(batch.features[k])
            rows[row] = (np.asarray(batch.codes[k]), np.asarray(batch.tracks[k]), features)
    return rows


def read_compressed(folder, name, plan, settings, seed):
    return rows_of(WindowStream(open_store(folder / f"{name}.zarr"), plan, settings, seed=seed), plan)


def read_raw(folder, name, plan, settings, seed):
    return read_compressed(folder, f"{name}-raw", plan, settings, seed)


def arrays_of(store, plan, settings):
    tracks, chroms = tracks_of(store, plan, settings), store.coordinates.names
    return required_arrays(store, cells=plan.cells, tracks=tracks, gencode=settings.gencode, chroms=chroms)


def read_host(folder, name, plan, settings, seed):
    store = load_in_memory(open_store(folder / f"{name}.zarr"))
    store.hold(arrays_of(store, plan, settings))
    return rows_of(WindowStream(store, plan, settings, seed=seed), plan)


def read_device(folder, name, plan, settings, seed):
    store = open_store(folder / f"{name}.zarr")
    config = config_of(store, plan, settings)
    source = DeviceSource(store, arrays_of(store, plan, settings), config, CPU, reason="")
    return rows_of(source.open(plan, settings, seed=seed), plan)


def read_tiles(folder, name, plan, settings, seed):
    """Cut the windows from tiles, one per cell line and chromosome; a tile has no batches, so rank and seed are unused."""
    store, length, rows = open_store(folder / f"{name}.zarr"), settings.window_length, {}
    config, starts = config_of(store, plan, settings), plan.window_starts(settings.window_length)
    for c, cell in enumerate(plan.cells):
        reader = TileReader(store, cell, config)
        for chrom in range(len(LENGTHS)):
            index = np.flatnonzero((plan.cell == c) & (plan.chrom == chrom))
            index = index[np.argsort(starts[index], kind="stable")]
            clean = np.ones(index.size, bool)
            windows = SortedWindows(index, plan.chrom[index], starts[index], clean, length)
            tile = reader.read(windows, slice(0, index.size))
            for k, row in enumerate(index.tolist()):
                bases = slice(tile.starts[k], tile.starts[k] + length)
                rows[row] = (tile.codes[bases], tile.tracks[:, bases], tile.features[k])
    return rows


STREAMS = {"compressed": read_compressed, "raw": read_raw, "host": read_host, "device": read_device}
READERS = STREAMS | {"tiles": read_tiles}


def plan_of(starts, cells=("ONE", "TWO")):
    """Return a plan of windows whose bins start at `starts` on each chromosome, in turn of each cell line."""
    n = len(starts)
    start = np.repeat(np.asarray(starts, np.int64), 2)
    cell, chrom = np.arange(2 * n) // 2 % len(cells), np.arange(2 * n) % 2
    label = np.arange(2 * n, dtype=np.uint8)[:, None] % 2
    return SamplingPlan(cells, cell, chrom, start, np.arange(2 * n, dtype=np.int64) % 7 - 3, label)


PLANS = {
    "inside and over the ends": plan_of([-190, -20, 0, 33, 40, 250, 251, 400, 500, 640, 1299, 1400]),
    "wholly past the ends": plan_of([-9000, -1700, -700, 699, 1500, 1501, 2200, 9000]),
    "one cell line": plan_of([100, 120, 600], cells=("TWO",)),
    "no windows": plan_of([]),
}


@pytest.mark.parametrize("length", [1, 200, 301, 2000], ids="{} bases".format)
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize(("reader", "seed"), [(r, s) for r in STREAMS for s in (None, (3, 1))] + [("tiles", None)])
def test_windows_are_those_of_the_oracle(folder, reader, name, length, seed):
    """2000 bases are more than either chromosome has."""
    if length < 2 and reader in {"device", "tiles"}:
        length = 2  # the shortest window of a network
    settings = StreamSettings(length, batch_size=4, meta=True, gencode=True, slab=500)
    rows = READERS[reader](folder, "annotated", PLANS[name], settings, seed)
    expected = slow_rows(folder, "annotated", PLANS[name], settings)
    assert sorted(rows) == sorted(expected)
    for row, arrays in rows.items():
        for found, wanted in zip(arrays, expected[row], strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted, err_msg=f"row {row}")


@pytest.mark.parametrize("tracks", [("T", "S"), ("S", "T"), ("T",), ()], ids=lambda names: ",".join(names) or "none")
@pytest.mark.parametrize("reader", READERS)
def test_tracks_are_read_by_name(folder, reader, tracks):
    """In the order of the settings, from cell lines that have them in any order among others."""
    plan = plan_of([-190, 0, 251, 640, 1400], ("ONE", "SWAPPED", "MORE"))
    settings = StreamSettings(200, batch_size=4, tracks=tracks, meta=True)
    rows = READERS[reader](folder, "annotated", plan, settings, None)
    expected = slow_rows(folder, "annotated", plan, settings)
    assert sorted(rows) == sorted(expected)
    for row, arrays in rows.items():
        for found, wanted in zip(arrays, expected[row], strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted, err_msg=f"row {row}")


@pytest.mark.parametrize("reader", READERS)
def test_other_tracks_are_not_read(folder, reader, monkeypatch):
    opened = set()
    array = Store.array
    monkeypatch.setattr(Store, "array", lambda store, path: opened.add(path) or array(store, path))
    plan = plan_of([100, 500], ("MORE", "SWAPPED"))
    READERS[reader](folder, "annotated", plan, StreamSettings(200, tracks=("S",)), None)
    found = {path.rsplit("/", 1)[0] for path in opened if "/tracks/" in path}
    assert found == {"cells/MORE/tracks/S", "cells/SWAPPED/tracks/S"}


def test_the_plans_overlap_every_kind_of_annotation(folder):
    """An oracle of zeros would prove nothing."""
    rows = slow_rows(folder, "annotated", PLANS["inside and over the ends"], StreamSettings(1, gencode=True))
    assert np.stack([features for _, _, features in rows.values()]).any(0).tolist() == [True] * 6


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("seed", [None, (3, 1)])
@pytest.mark.parametrize("reader", STREAMS)
def test_ranks_share_each_window_out_once(folder, reader, seed, world_size):
    plan, settings = PLANS["inside and over the ends"], StreamSettings(60, batch_size=6, world_size=world_size)
    whole = STREAMS[reader](folder, "annotated", plan, replace(settings, world_size=1), seed)
    shards = [STREAMS[reader](folder, "annotated", plan, replace(settings, rank=r), seed) for r in range(world_size)]
    assert sorted(row for shard in shards for row in shard) == sorted(whole) == list(range(len(plan)))
    for row, arrays in ((row, arrays) for shard in shards for row, arrays in shard.items()):
        for found, wanted in zip(arrays, whole[row], strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("seed", [None, (3, 1)])
def test_raw_host_and_device_give_one_order(folder, seed):
    plan, settings = PLANS["inside and over the ends"], StreamSettings(60, batch_size=6)
    orders = [list(STREAMS[name](folder, "annotated", plan, settings, seed)) for name in ("raw", "host", "device")]
    assert orders[0] == orders[1] == orders[2]


def outside(**columns):
    plan = plan_of([100, 200])
    return replace(plan, **{name: np.full(len(plan), value) for name, value in columns.items()})


REFUSED = {
    "annotation that the store lacks": (
        "plain", plan_of([100]), {"gencode": True}, "has no annotation, which the model needs",
    ),
    "annotation that the store lacks, no windows": (
        "plain", plan_of([]), {"gencode": True}, "has no annotation, which the model needs",
    ),
    "a track that a cell line lacks": (
        "annotated", plan_of([100], ("MORE", "ONE")), {"tracks": ("S", "V", "W")}, r"MORE has no track 'W'; it has U, T, V, S",
    ),
    "tracks that a cell line lacks": (
        "annotated", plan_of([100], ("MORE", "ONE")), {"tracks": ("S", "V", "U")}, r"ONE has no tracks? 'V'(, 'U')?; it has S, T",
    ),
    "no meta values": (
        "annotated", plan_of([100], ("BARE",)), {"meta": True}, "BARE has (no meta values, which the model needs|"
        "the meta values none; the model was trained on GEPC1, GEPC2)",
    ),
    "meta values of one cell line only": (
        "annotated", plan_of([100], ("ONE", "BARE")), {"meta": True}, r"meta values.* ONE has GEPC1, GEPC2; BARE has none|"
        "BARE has the meta values none; the model was trained on GEPC1, GEPC2",
    ),
    "a cell line that the store lacks": ("annotated", plan_of([100], ("ONE", "NEW")), {}, "no cell line 'NEW'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("reader", READERS)
def test_the_same_error_from_every_reader(folder, reader, case):
    name, plan, wanted, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        READERS[reader](folder, name, plan, StreamSettings(60, batch_size=4, **wanted), (1,))


@pytest.mark.parametrize("reader", STREAMS)
@pytest.mark.parametrize(
    ("cells", "message"),
    [(("ONE", "SWAPPED"), "ONE has S, T; SWAPPED has T, S"), (("ONE", "MORE"), "ONE has S, T; MORE has U, T, V, S")],
)
def test_cell_lines_of_other_tracks_are_refused_unless_chosen_by_name(folder, reader, cells, message):
    with pytest.raises(UsageError, match=f"must have the same tracks in the same order: {message}"):
        STREAMS[reader](folder, "annotated", plan_of([100], cells), StreamSettings(60), (1,))


@pytest.mark.parametrize("reader", STREAMS)
@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (outside(chrom=2), r"windows of chromosome 2 to 2, of 0 to 1; draw it from this store"),
        (outside(chrom=-1), r"windows of chromosome -1 to -1, of 0 to 1"),
        (outside(cell=2), r"windows of cell line 2 to 2, of 0 to 1"),
    ],
)
def test_a_plan_of_another_store_is_refused(folder, reader, plan, message):
    with pytest.raises(UsageError, match=message):
        STREAMS[reader](folder, "annotated", plan, StreamSettings(60), (1,))


def test_a_plan_without_cell_lines_is_refused(folder):
    with pytest.raises(UsageError, match="no cell line is given"):
        read_compressed(folder, "annotated", replace(plan_of([]), cells=()), StreamSettings(60), (1,))


HELD_TOO_LITTLE = {
    "annotation": ({}, {"gencode": False}, "genome/annotation/chrA: not among the arrays held in .*memory"),
    "chromosome": ({}, {"chroms": ("chrA",)}, "genome/sequence/chrB: not among the arrays held in .*memory"),
    "cell line": ({}, {"cells": ("ONE",)}, "cells/TWO/tracks/S/chrA: not among the arrays held in .*memory"),
    "track": ({}, {"tracks": ("S",)}, "cells/ONE/tracks/T/chrA: not among the arrays held in .*memory"),
}


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("lacking", HELD_TOO_LITTLE)
def test_arrays_that_are_not_held_are_named(folder, memory, lacking):
    _, fewer, message = HELD_TOO_LITTLE[lacking]
    plan, settings = plan_of([100, 200, 300, 400]), StreamSettings(60, gencode=True)
    store = load_in_memory(open_store(folder / "annotated.zarr"))
    everything = {"cells": plan.cells, "tracks": ("S", "T"), "gencode": True, "chroms": tuple(LENGTHS)}
    required = required_arrays(store, **everything | fewer)
    source = DeviceSource(store, required, config_of(store, plan, settings), CPU, reason="")
    store.hold(required)
    with pytest.raises(UsageError, match=message):
        WindowStream(store, plan, settings, seed=None) if memory == "host" else source.open(plan, settings, seed=None)


def test_windows_longer_than_the_margin_are_refused_on_the_device(folder):
    plan, settings = plan_of([100]), StreamSettings(300)
    store = open_store(folder / "annotated.zarr")
    source = DeviceSource(store, arrays_of(store, plan, settings), config_of(store, plan, settings), CPU, reason="")
    with pytest.raises(UsageError, match=r"windows of 301 bases cannot be cut .* margins of 300"):
        source.open(plan, replace(settings, window_length=301), seed=None)


@pytest.mark.parametrize("name", ["window_length", "batch_size", "pool_bytes", "slab", "threads", "world_size"])
def test_settings_below_one_are_refused(name):
    with pytest.raises(UsageError, match=f"{name} must be at least 1, got 0"):
        StreamSettings(**{"window_length": 60, name: 0})
