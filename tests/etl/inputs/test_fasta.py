"""FASTA files scanned many lines at once: equal to pyfaidx, and every error is found at its line."""

import numpy as np
import pyfaidx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.etl.inputs import fasta as module
from factornet.etl.inputs.fasta import FastaReader, prepare_fasta
from factornet.store.errors import InputError


def fasta_text(records, width, ending, ends_with_newline):
    lines = []
    for name, bases in records:
        lines.append(f">{name} some words")
        lines += [bases[i : i + width] for i in range(0, len(bases), width)]
    return ending.join(lines) + (ending if ends_with_newline else "")


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    width=st.integers(1, 70),
    ends=st.tuples(st.sampled_from(["\n", "\r\n"]), st.booleans()),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=80)
def test_sequence_and_index_equal_those_of_pyfaidx(tmp_path_factory, sizes, width, ends, seed):
    folder = tmp_path_factory.mktemp("fasta")
    rng = np.random.default_rng(seed)
    records = [(f"chr{i}", "".join(rng.choice(list("ACGTacgtNRy"), n))) for i, n in enumerate(sizes)]
    file = folder / "g.fa"
    file.write_bytes(fasta_text(records, width, *ends).encode())
    prepared = prepare_fasta(file, folder)
    reader = FastaReader(prepared)
    expected = pyfaidx.Fasta(str(file), indexname=str(folder / "pyfaidx.fai"), as_raw=True)
    assert prepared.lengths == {name: len(bases) for name, bases in records}
    assert prepared.index.read_text() == (folder / "pyfaidx.fai").read_text()
    for name, bases in records:
        assert (
            reader.read_letters(name, 0, len(bases)).tobytes().decode() == bases.upper() == str(expected[name]).upper()
        )
    reader.close()
    expected.close()


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """Lines of a file of 5,000 lines, which is read in several blocks."""
    monkeypatch.setattr(module, "_FIRST_READ_SIZE", 1024)
    monkeypatch.setattr(module, "_MAX_READ_SIZE", 8192)
    rng = np.random.default_rng(0)
    return [">chr1", *("".join(rng.choice(list("ACGT"), 60)) for _ in range(5000)), ">chr2", "ACGT"]


@pytest.mark.parametrize("at", [2, 17, 18, 1000, 4999])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[:30] + "!" + line[31:], r"byte b'!' in record 'chr1'"),
        (lambda line: line[:30], "a line of 30 bases"),
        (lambda line: line + "A", "a line of 61 bases"),
        (lambda line: line + ">chr9", r"byte b'>' in record 'chr1'"),
        (lambda line: "", "a line of 0 bases"),
    ],
)
def test_invalid_line_is_named_by_number(lines, tmp_path, at, change, message):
    lines[at] = change(lines[at])
    file = tmp_path / "g.fa"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=message) as caught:
        prepare_fasta(file, tmp_path)
    assert f"g.fa:{at + 1}: " in str(caught.value)


def test_file_of_several_blocks_is_read_whole(lines, tmp_path):
    file = tmp_path / "g.fa"
    file.write_text("\n".join(lines) + "\n")
    prepared = prepare_fasta(file, tmp_path)
    assert prepared.lengths == {"chr1": 300_000, "chr2": 4}
    reader = FastaReader(prepared)
    assert reader.read_letters("chr1", 0, 300_000).tobytes().decode() == "".join(lines[1:5001])
    assert reader.read_letters("chr2", 0, 4).tobytes() == b"ACGT"
    reader.close()
