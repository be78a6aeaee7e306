"""The mean signal of cell lines: codes are close to the means, and bases are those of their blocks."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.model.model_dir.card import ModelCard, read_card, write_card
from factornet.model.model_dir.mean_signal import RECORD, mean_signal_record, read_mean_signal, write_mean_signal
from factornet.model.network.block_config import BlockConfig
from factornet.model.network.mean_signal import encode_means
from factornet.model.training.blocks.average_signal import average_signal, cells_with_tracks, own_tracks
from factornet.store import UsageError, open_store, read_span

VALUES = st.floats(0, 5000, width=32)


@given(arrays.arrays(np.float32, (2, 7), elements=VALUES), arrays.arrays(np.float32, (2, 3), elements=VALUES))
def test_codes_are_within_a_step_of_the_means(a, b):
    means = encode_means({"a": np.log1p(a).astype(np.float16), "b": np.log1p(b).astype(np.float16)})
    for chrom, values in (("a", a), ("b", b)):
        found = means.bases(chrom, 0, values.shape[1] * 50)[:, ::50]
        np.testing.assert_allclose(np.log1p(found), np.log1p(values), atol=0.5 * 8.53 / 255 + 0.005)
        assert (found[values == 0] == 0).all()


@given(st.integers(-300, 500), st.integers(0, 400))
def test_bases_are_those_of_their_blocks_and_0_past_the_ends(start, length):
    means = encode_means({"c": np.log1p(np.arange(12, dtype=np.float16).reshape(2, 6))})
    found = means.bases("c", start, start + length)
    padded = np.zeros((2, 1500), np.float32)  # base 0 is in column 500
    padded[:, 500:800] = np.repeat(np.stack([means.bases("c", 50 * i, 50 * i + 1)[:, 0] for i in range(6)], 1), 50, 1)
    np.testing.assert_array_equal(found, padded[:, 500 + start : 500 + start + length])


def test_mean_is_that_of_the_bases_of_all_cell_lines(demo_store):
    store = open_store(demo_store)
    cells = store.cells
    assert own_tracks(store, cells, ("Unique35", "DGF")) == ("DGF",)
    assert cells_with_tracks(store, ("DGF",)) == cells
    means = average_signal(store, cells, ("DGF",))
    for chrom, length in zip(store.coordinates.names, store.coordinates.lengths, strict=True):
        signal = [np.maximum(read_span(store.track(cell, "DGF", chrom), 0, length), 0) for cell in cells]
        padded = np.pad(np.mean(signal, axis=0), (0, -length % 50))
        expected = np.log1p(padded.reshape(-1, 50).mean(1))
        found = np.log1p(means.bases(chrom, 0, length)[0, ::50])
        np.testing.assert_allclose(found, expected, atol=0.51 * float(means.scale[0]) + 0.002)


def test_other_chromosomes_and_lengths_are_refused():
    means = encode_means({"chr1": np.zeros((1, 4), np.float16)})
    means.check_chromosome("chr1", 199, "SQ.a")
    with pytest.raises(UsageError, match=r"chr1: has 5 blocks .* mean signal has 4 for it; .* trained on: chr1"):
        means.check_chromosome("chr1", 201, "SQ.a")
    with pytest.raises(UsageError, match=r"chr2: has 1 blocks .* has none for it"):
        means.check_chromosome("chr2", 50, "SQ.a")


def test_chromosomes_of_another_sequence_are_refused(demo_store):
    """Of an assembly with equal lengths, or a changed one, the means are of other places."""
    store = open_store(demo_store)
    means = average_signal(store, ("K562",), ("DGF",))
    for c in store.info.chromosomes:
        means.check_chromosome(c.name, c.length, c.digest)
    first = store.info.chromosomes[0]
    with pytest.raises(UsageError, match=rf"{first.name}: has another sequence than the {first.name} whose places"):
        means.check_chromosome(first.name, first.length, store.info.chromosomes[1].digest)


def test_sequences_are_kept_with_the_model_and_need_not_be(tmp_path):
    for i, sequences in enumerate(({"chr1": "SQ.a"}, {})):
        folder = tmp_path / str(i)
        folder.mkdir()
        means = encode_means({"chr1": np.zeros((1, 4), np.float16)}, sequences)
        config = BlockConfig(tasks=("A",), tracks=("T",), mean_tracks=("T",))
        card = ModelCard(config=config, training={RECORD: mean_signal_record(means, ("X",))}, provenance={})
        write_card(folder, card)
        card = read_card(folder)
        write_mean_signal(folder, means, model=card.digest)
        assert read_mean_signal(folder, card).sequences == sequences


def test_nothing_to_average_is_refused(demo_store):
    with pytest.raises(UsageError, match="cannot average 0 tracks of 1 cell lines"):
        average_signal(open_store(demo_store), ("K562",), ())
