"""The whole of chr20 (hg19): against a count of strings, and a track that others have computed from it."""

import gzip
import os
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.slow_uniqueness import VALUES, read_bigwig

from factornet.etl import Resources
from factornet.etl.uniqueness.compute import UniquenessOptions, write_uniqueness

pytestmark = [pytest.mark.realdata, pytest.mark.slow]
K = 35


@pytest.fixture(scope="module")
def chr20(tmp_path_factory) -> Path:
    """The FASTA of chr20; as docs/real.sh, from CHR20_FASTA or Debian's package vt-examples."""
    if "CHR20_FASTA" in os.environ:
        return Path(os.environ["CHR20_FASTA"])
    folder = tmp_path_factory.mktemp("chr20")
    subprocess.run(
        "apt-get -qq download vt-examples && dpkg-deb -x vt-examples_*.deb vt", shell=True, cwd=folder, check=False
    )
    fasta = folder / "vt/usr/share/doc/vt/examples/ref/20.fa.gz"
    if not fasta.exists():
        pytest.skip("no sequence; it is in Debian's package vt-examples, or set CHR20_FASTA")
    return fasta


def count_strings(sequence: bytes) -> np.ndarray:
    """Copies of the 35-mer at each base, 0 for none; k-mers by their first three letters, to take less memory."""
    letters = np.frombuffer(sequence, np.uint8)
    others = np.concatenate([[0], np.cumsum(~np.isin(letters, np.frombuffer(b"ACGT", np.uint8)))])
    starts = np.flatnonzero(others[K:] == others[:-K])
    code = np.zeros(256, np.uint8)
    code[np.frombuffer(b"ACGT", np.uint8)] = range(4)
    prefix = sum(code[letters[starts + i]] << (4 - 2 * i) for i in range(3))
    copies = np.zeros(letters.size, np.int64)
    for part in range(64):
        chosen = starts[prefix == part]
        words = [sequence[start : start + K] for start in chosen.tolist()]
        counts = Counter(words)
        copies[chosen] = [counts[word] for word in words]
    return copies


def test_chr20_equals_a_count_of_strings(chr20, tmp_path):
    with gzip.open(chr20) as file:
        sequence = b"".join(line.strip() for line in file if not line.startswith(b">")).upper()
    write_uniqueness(chr20, tmp_path / "u.bw", UniquenessOptions(), Resources(1))
    copies = count_strings(sequence)
    values = np.array([np.nan, *VALUES.values(), 0], np.float32)[np.minimum(copies, 5)]
    np.testing.assert_array_equal(read_bigwig(tmp_path / "u.bw", {"20": len(sequence)})["20"], values)


def test_chr20_equals_the_track_that_counts_both_strands(chr20, tmp_path, realdata):
    write_uniqueness(chr20, tmp_path / "u.bw", UniquenessOptions(both_strands=True), Resources(1))
    (got,) = read_bigwig(tmp_path / "u.bw", {"20": 63_025_520}).values()
    (expected,) = read_bigwig(realdata / "tracks/chr20.selfUniqueness35bp.bw", {"chr20": 63_025_520}).values()
    np.testing.assert_array_equal(np.nan_to_num(got), np.nan_to_num(expected))
