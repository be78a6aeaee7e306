"""Packed sequence, read back, and its segments: runs of A, C, G and T."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.etl.inputs.fasta import prepare_fasta
from factornet.etl.uniqueness import packed_sequence
from factornet.etl.uniqueness.packed_sequence import open_packed, pack_sequence


def unpack(words: np.ndarray, size: int) -> str:
    bases = (words[:, None] >> (2 * np.arange(32, dtype=np.uint64))) & np.uint64(3)
    return "".join("ACGT"[b] for b in bases.ravel()[:size])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("ACGTNacgtR", min_size=1, max_size=150), min_size=1, max_size=4), st.integers(1, 70))
def test_segments_are_the_runs_of_bases(tmp_path_factory, sequences, chunk):
    folder = tmp_path_factory.mktemp("packed")
    names = [f"r{i}" for i in range(len(sequences))]
    (folder / "g.fa").write_text("".join(f">{n}\n{s}\n" for n, s in zip(names, sequences, strict=True)))
    before, packed_sequence._CHUNK = packed_sequence._CHUNK, chunk
    try:
        size = pack_sequence(prepare_fasta(folder / "g.fa", folder), names, folder / "packed")
    finally:
        packed_sequence._CHUNK = before
    packed = open_packed(folder / "packed")
    runs = [(i, m.start(), m[0].upper()) for i, s in enumerate(sequences) for m in re.finditer("[ACGTacgt]+", s)]
    assert packed.size == size == sum(len(run) for *_, run in runs)
    assert list(zip(packed.records, packed.starts, np.diff(packed.offsets), strict=True)) == [
        (record, start, len(run)) for record, start, run in runs
    ]
    assert unpack(packed.map_words(), size) == "".join(run for *_, run in runs)
    for start in range(0, size, 32):
        words = packed.read_words(start, min(start + 40, size), more=5)
        assert unpack(words, min(40, size - start)) == "".join(run for *_, run in runs)[start : start + 40]
        assert words.size == -(-min(40, size - start) // 32) + 5


def test_runs_of_kmers_are_clipped_to_a_span(tmp_path):
    (tmp_path / "g.fa").write_text(">a\n" + "ACGTACGTAC" + "N" + "ACG" + "N" * 5 + "ACGTACGT" + "\n>b\nTTTTTTT\n")
    pack_sequence(prepare_fasta(tmp_path / "g.fa", tmp_path), ["a", "b"], tmp_path / "packed")
    packed = open_packed(tmp_path / "packed")
    assert packed.offsets.tolist() == [0, 10, 13, 21, 28]
    assert packed.count_kmers(5) == 6 + 4 + 3
    assert [r.tolist() for r in packed.kmer_runs(0, 28, 5)] == [[0, 13, 21], [6, 17, 24]]
    assert [r.tolist() for r in packed.kmer_runs(3, 15, 5)] == [[3, 13], [6, 15]]
    assert [r.tolist() for r in packed.kmer_runs(6, 13, 5)] == [[], []]
