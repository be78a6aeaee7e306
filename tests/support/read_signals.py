"""Signal of read files as arrays, for tests."""

import gzip
from dataclasses import replace

import numpy as np

from factornet.etl.inputs.bigwig import read_values
from factornet.etl.reads.read_set import open_reads
from factornet.etl.reads.signal import KnownGenome, write_signals
from factornet.store.genome.bigwig_format import check_structure

LENGTHS = {"chr1": 30_000, "chr2": 12_000, "chrX": 9_000, "chrM": 3_000}
GENOME = KnownGenome(sequenced=40_000)


def values(path):
    lengths = check_structure(path).lengths
    return {name: read_values(path, name, 0, length)[0] for name, length in lengths.items()}


def write(files, folder, options, *, strands=("both",), lengths=None, **more):
    outputs = {strand: folder / f"{strand}.bw" for strand in strands}
    report = write_signals(open_reads(files, lengths), options, outputs, replace(GENOME, **more), scratch=folder)
    return report, {strand: values(path) for strand, path in outputs.items()}


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, row in expected.items():
        np.testing.assert_array_equal(found[name], row)


def fragments(path, rows):
    with gzip.open(path, "wt") as file:
        file.write("# id=made up\n")
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)
    return path
