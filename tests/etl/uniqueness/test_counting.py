"""Copies of k-mers against a count of strings: any k, any number of passes, repeats of every kind."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.slow_uniqueness import slow_copies

from factornet.etl.inputs.fasta import prepare_fasta
from factornet.etl.uniqueness.counting import count_by_bucket, count_pass
from factornet.etl.uniqueness.kmer_hash import KmerHash, make_hash, plan_passes
from factornet.etl.uniqueness.packed_sequence import PackedSequence, open_packed, pack_sequence
from factornet.etl.uniqueness.repeats import read_copies, repeats_file

KS = (8, 9, 31, 32, 33, 35, 36, 50, 64, 65, 200)


def pack(folder: Path, sequences: list[str]) -> PackedSequence:
    names = [f"r{i}" for i in range(len(sequences))]
    rows = zip(names, sequences, strict=True)
    (folder / "g.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in rows))
    pack_sequence(prepare_fasta(folder / "g.fa", folder), names, folder / "packed")
    return open_packed(folder / "packed")


def count(packed: PackedSequence, kmer_hash: KmerHash, *, most: int = 10**6, window: int = 1 << 20) -> np.ndarray:
    """Copies of the k-mer at each base of the packed sequence."""
    histogram = count_by_bucket(packed, kmer_hash, 0, packed.size)
    assert histogram.sum() == packed.count_kmers(kmer_hash.k)
    paths = []
    for first, stop in plan_passes(histogram, most):
        paths.append(packed.path.with_name(f"copies.{first}"))
        with repeats_file(paths[-1], packed.size) as out:
            count_pass(packed, kmer_hash, first, histogram[first:stop], most=most, out=out)
    parts = list(read_copies(paths, packed.size, window=window))
    assert [start for start, _ in parts] == list(range(0, packed.size, window))
    return np.concatenate([copies for _, copies in parts])


def with_repeats(rng: np.random.Generator) -> list[str]:
    """Records with copies of a family, some of them changed, runs of N, IUPAC letters and low complexity."""
    family = "".join(rng.choice(list("ACGT"), 400))
    records = []
    for _ in range(3):
        letters = rng.choice(list("ACGT"), 3000)
        for _ in range(6):
            size = int(rng.integers(20, 400))
            at = int(rng.integers(0, 2600))
            letters[at : at + size] = list(family[:size])
            letters[at + int(rng.integers(size))] = rng.choice(list("ACGTN"))
        letters[2000:2150] = "A"
        letters[2300:2500] = list("CA" * 100)
        letters[500:510], letters[1000] = "N", "R"
        records.append("".join(letters))
    return [*records, "ACGTN", "N" * 50, "A", records[0][100:700]]


@pytest.mark.parametrize("k", KS)
def test_copies_equal_a_count_of_strings_in_any_number_of_passes(tmp_path, k):
    sequences = with_repeats(np.random.default_rng(k))
    packed = pack(tmp_path, sequences)
    expected = slow_copies(packed, sequences, k)
    assert expected.max() > (1 if k == 200 else 4)
    kmer_hash = make_hash(k, packed.count_kmers(k))
    assert kmer_hash.is_hashed == (k > 35)
    for most in (10**6, 700, 40):  # 40: buckets of more k-mers than that, counted without holding them
        np.testing.assert_array_equal(count(packed, kmer_hash, most=most, window=1024), expected)


@pytest.mark.parametrize("k", [32, 35, 36, 64, 100])
@pytest.mark.parametrize("most", [10**6, 40])
def test_keys_that_collide_change_no_count(tmp_path, k, most):
    """With 1 as base of the powers all k-mers of equal composition have one key; with 1 as multiplier, few buckets."""
    sequences = with_repeats(np.random.default_rng(k))
    packed = pack(tmp_path, sequences)
    weak = replace(make_hash(k, 5000), multiplier=1, base=1, letters=(0, 1 << 60, 1 << 61, 3 << 60))
    np.testing.assert_array_equal(count(packed, weak, most=most), slow_copies(packed, sequences, k))


def test_table_grows_with_the_kmers_of_a_bucket(tmp_path):
    sequences = ["".join(np.random.default_rng(0).choice(list("ACGT"), 60_000))]
    packed = pack(tmp_path, sequences)
    one = KmerHash(35, 6, multiplier=0)  # buckets by three of the bases
    np.testing.assert_array_equal(count(packed, one), slow_copies(packed, sequences, 35))
    np.testing.assert_array_equal(count(packed, KmerHash(32, 6, multiplier=0), most=100), 1)


SEQUENCES = st.lists(
    st.lists(
        st.one_of(
            st.text("ACGT", max_size=60),
            st.text("AC", max_size=90),
            st.sampled_from(["ACGTTGCA" * 12, "A" * 100, "N" * 3, "ACGTACGGTCA" * 9, "R", "TTAGGG" * 15]),
        ),
        max_size=6,
    ).map("".join).filter(bool),
    min_size=1,
    max_size=4,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.sampled_from(KS), st.sampled_from([10**6, 50, 3]))
def test_copies_equal_a_count_of_strings(sequences, k, most):
    with TemporaryDirectory() as folder:
        packed = pack(Path(folder), sequences)
        expected = slow_copies(packed, sequences, k)
        got = count(packed, make_hash(k, packed.count_kmers(k)), most=most, window=64) if packed.size else expected
    np.testing.assert_array_equal(got, expected)


def test_passes_have_all_buckets_once_and_few_kmers():
    histogram = np.random.default_rng(0).integers(0, 100, 1000)
    histogram[[0, 500, 999]] = 5000
    passes = plan_passes(histogram, 3000)
    assert [first for first, _ in passes[1:]] == [stop for _, stop in passes[:-1]]
    assert (passes[0][0], passes[-1][1]) == (0, 1000)
    assert all(histogram[a:b].sum() <= 3000 or b - a == 1 for a, b in passes)
    assert plan_passes(histogram, 10**9) == [(0, 1000)]


def test_bits_of_a_bucket_grow_with_the_genome():
    assert [make_hash(35, n).bits for n in (0, 10**6, 3 * 10**9, 10**12)] == [6, 9, 21, 26]
    assert not make_hash(42, 3 * 10**9).is_hashed
    assert make_hash(43, 3 * 10**9).is_hashed
