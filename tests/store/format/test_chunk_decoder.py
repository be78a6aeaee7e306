"""Decoding of chunks and slices of them, against zarr and numpy, and errors of damaged chunks."""

import contextlib
import hashlib
import json
from functools import partial

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Blosc, Zstd
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ZstdCodec

from factornet.store.format import chunk_decoder, native
from factornet.store.format.chunk_decoder import ChunkSlices, can_decode, decode, separately_decodable_bytes
from factornet.store.format.layout import Layout, create_array
from factornet.store.format.sharded import ShardedArray
from factornet.store.storage.local import LocalStorage

ROWS = 50_000


def opened(folder, name="x"):
    """Open an array with a manifest of the present files."""
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    objects = {k: (p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest()) for k, p in files.items()}
    return ShardedArray(LocalStorage(folder), name, objects)


def values_of(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.integers(0, 5, (shape[0] // 8 + 1, *shape[1:])), 8, axis=0)[: shape[0]]
    return values.astype(dtype)


@pytest.fixture(scope="module", params=["float32", "uint8", "uint8 wide", "zstd", "plain"])
def stored(request, tmp_path_factory):
    """An array of each kind that a store has, and its values."""
    folder = tmp_path_factory.mktemp("group").resolve()
    group = zarr.create_group(str(folder), zarr_format=3)
    shape = (ROWS, 3) if request.param == "uint8 wide" else (ROWS,)
    names = ("row", "column")[: len(shape)]
    if request.param in ("zstd", "plain"):
        values = values_of("int64", shape)
        packed = (ZstdCodec(level=3, checksum=True),) if request.param == "zstd" else None
        group.create_array("x", data=values, chunks=(7000,), serializer=BytesCodec(), compressors=packed)
    else:
        values = values_of(request.param.split()[0], shape)
        layout = Layout(4096, 16384)
        create_array(group, "x", shape=shape, dtype=str(values.dtype), dimension_names=names, layout=layout)[:] = values
    return opened(folder), values


@given(edges=st.lists(st.integers(0, ROWS), min_size=2, max_size=24, unique=True), aligned=st.booleans())
@settings(deadline=None, max_examples=150)
def test_read_spans_fills_the_spans_only(stored, edges, aligned):
    array, values = stored
    block = array.layout.block_rows if aligned else 1
    edges = sorted({min(e // block * block, ROWS) for e in edges})
    spans = np.array(edges[: len(edges) // 2 * 2], np.int64).reshape(-1, 2)
    start = int(spans.min(initial=ROWS))
    out = np.full((ROWS - start, *values.shape[1:]), 77, values.dtype)
    array.read_spans(spans, start, out=out)
    want = np.full_like(out, 77)
    for first, last in spans:
        want[first - start : last - start] = values[first:last]
    np.testing.assert_array_equal(out, want)


def test_without_the_c_library_chunks_are_decoded_whole(stored, monkeypatch):
    array, values = stored
    monkeypatch.setattr(chunk_decoder, "python_loop", lambda: None)
    out = np.zeros_like(values)
    array.read_spans(np.array([[100, 2100], [9000, 40_000]]), 0, out=out)
    np.testing.assert_array_equal(out[100:2100], values[100:2100])
    np.testing.assert_array_equal(out[9000:40_000], values[9000:40_000])


def test_c_library_of_numcodecs_is_found():
    """Without it, decoding is slower than documented."""
    assert native.python_loop() is not None


def test_block_rows_are_those_of_the_codec(stored):
    array, _ = stored
    if array.dtype != np.float32:  # one block
        assert array.layout.block_rows == array.layout.chunk_rows
        return
    node = json.loads((array._group.path / "x/zarr.json").read_text())
    codec = node["codecs"][0]["configuration"]["codecs"][1]
    assert separately_decodable_bytes(codec) == 8192
    assert array.layout.block_rows == 2048
    whole = Blosc("lz4hc", 5, 0, blocksize=8192).encode(np.zeros(8192, "V32"))
    assert int.from_bytes(whole[8:12], "little") == 8192


def test_block_size_that_c_blosc_would_enlarge_is_ignored():
    assert (
        separately_decodable_bytes(BloscCodec(cname="lz4", shuffle="shuffle", typesize=4, blocksize=8192).to_dict())
        == 0
    )
    assert (
        separately_decodable_bytes(BloscCodec(cname="lz4", shuffle="shuffle", typesize=32, blocksize=0).to_dict()) == 0
    )
    assert separately_decodable_bytes(ZstdCodec().to_dict()) == 0
    assert separately_decodable_bytes(Crc32cCodec().to_dict()) == 0


def one(packed, first=0, count=None, *, chunk):
    whole = chunk if count is None else count
    return ChunkSlices(*(np.array([n], np.int64) for n in (0, len(packed), first, whole, 0)))


CHUNK = 4096
GOOD = Blosc("lz4", 5, 0).encode(np.arange(CHUNK, dtype=np.uint8) // 16)
ZSTD = Zstd(3).encode(np.zeros(CHUNK, np.uint8))


@pytest.mark.parametrize("count", [CHUNK, 128])
@pytest.mark.parametrize(
    ("packed", "codecs", "message"),
    [
        (GOOD[:10], ("blosc",), "shorter than the header"),
        (GOOD[:-1], ("blosc",), "blosc header claims 4096 bytes in"),
        (GOOD[:4] + (2**31 - 1).to_bytes(4, "little") + GOOD[8:], ("blosc",), "blosc header claims 2147483647 bytes"),
        (GOOD[:3] + b"\0" + GOOD[4:], ("blosc",), "blosc header claims"),
        (GOOD[:3], ("blosc", "crc32c"), "shorter than its checksum"),
        (ZSTD[:3], ("zstd",), "not a zstd frame"),
        (b"\0" * 40, ("zstd",), "not a zstd frame"),
        (
            Zstd(3).encode(np.zeros(400_000_000, np.uint8)),
            ("zstd",),
            "zstd frame claims 400000000 bytes, expected 4096",
        ),
        (Zstd(3).encode(np.zeros(300, np.uint8)), ("zstd",), "zstd frame claims 300 bytes, expected 4096"),
        (b"\0" * 100, (), "100 bytes, a chunk has 4096"),
    ],
)
def test_chunk_of_another_size_is_refused(packed, codecs, message, count):
    packed = bytes(packed)
    with pytest.raises(ValueError, match=message):
        decode(packed, one(packed, 0, count, chunk=CHUNK), CHUNK, codecs, np.zeros(CHUNK, np.uint8))


@pytest.mark.parametrize("codecs", [("blosc",), ("zstd",)])
def test_decoding_noise_never_writes_past_the_chunk(codecs):
    rng = np.random.default_rng(0)
    good = bytes(GOOD if codecs == ("blosc",) else ZSTD)
    for _ in range(300):
        noise = bytearray(good)
        for at in rng.integers(0, len(good), 3):
            noise[at] = rng.integers(0, 256)
        out = np.full(CHUNK + 64, 9, np.uint8)
        with contextlib.suppress(ValueError, RuntimeError):
            decode(bytes(noise), one(noise, chunk=CHUNK), CHUNK, codecs, out[:CHUNK])
        assert (out[CHUNK:] == 9).all()


def test_can_decode_only_known_codecs():
    assert can_decode(("blosc", "crc32c"))
    assert not can_decode(("blosc", "pickle"))


def test_compiled_loop_gives_the_same_values(stored):
    array, values = stored
    compiled = native.in_background(native._compile).result(timeout=120).decode
    assert native.compiled_loop(1000) is compiled
    spans = np.array([[i, i + 70] for i in range(0, ROWS - 100, 400)])
    out = np.zeros_like(values)
    array.read_spans(spans, 0, out=out)
    want = np.zeros_like(values)
    for first, last in spans:
        want[first:last] = values[first:last]
    np.testing.assert_array_equal(out, want)


def test_compiled_loop_stops_at_a_damaged_chunk():
    native.in_background(native._compile).result(timeout=120)
    bad = bytes(GOOD[:20]) + b"\xff" * (len(GOOD) - 20)
    n = 64
    slices = ChunkSlices(*(np.full(n, v, np.int64) for v in (0, len(bad), 0, CHUNK)), np.arange(n) * CHUNK)
    with pytest.raises(ValueError, match="blosc returned fewer bytes"):
        decode(bad, slices, CHUNK, ("blosc",), np.zeros(n * CHUNK, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_copy_windows_copies_and_detects_invalid_values(dtype, monkeypatch):
    """The compiled and the numpy version copy the same windows and change nothing else."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, 5, 500).astype(dtype) - (dtype is np.float32)  # negative values too
    starts, out_starts = rng.integers(0, 490, 20), rng.permutation(30)[:20] * 10
    expected = np.full(300, 7, dtype)
    for start, at in zip(starts, out_starts, strict=True):
        expected[at : at + 10] = source[start : start + 10]
    native.in_background(native._compile).result(timeout=120)
    for ready in (True, False):
        if not ready:
            monkeypatch.setattr(native, "_compiled", lambda: None)
        out = np.full(300, 7, dtype)
        valid = (0, 254) if dtype is np.uint8 else (-9, 1e30)
        copy = partial(native.copy_windows, starts=starts, length=10, out=out, out_starts=out_starts, valid=valid)
        assert copy(source)
        np.testing.assert_array_equal(out, expected)
        for at in (starts[3], starts[19] + 9):
            for value in (255,) if dtype is np.uint8 else (np.nan, np.inf, -np.inf):
                damaged = source.copy()
                damaged[at] = value
                assert not copy(damaged)
        assert copy(np.full(500, 254, dtype))
