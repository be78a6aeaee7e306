"""Lines of fragment files that are none, and those that are passed over."""

import numpy as np
import pytest
from support.read_signals import LENGTHS, fragments, write

from factornet.etl.reads.signal_options import SignalOptions
from factornet.store.errors import InputError


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("chr1\tx\t20\tB\t1", r"f.tsv.gz:902: start 'x' and end '20' are not whole numbers"),
        ("chr1\t30\t20\tB\t1", r"f.tsv.gz:902: the fragment ends at 20, not behind its start 30"),
        ("chr1\t-5\t20\tB\t1", r"f.tsv.gz:902: start '-5' and end '20' are not whole numbers"),
        ("chr1\t5\t99999999999\tB\t1", r"f.tsv.gz:902: the fragment ends at 99999999999"),
        ("chr1\t5", r"f.tsv.gz:902: 2 columns, expected three or more"),
        ("chr1\t5\t", r"f.tsv.gz:902: start '5' and end '' are not whole numbers"),
    ],
)
def test_lines_that_are_no_fragments_are_named(rows, tmp_path, line, problem):
    file = fragments(tmp_path / "f.tsv.gz", [*rows[:900], (line,), *rows[900:]])
    with pytest.raises(InputError, match=problem):
        write([file], tmp_path, SignalOptions(scale="none"), lengths=LENGTHS)


def test_heading_behind_comments_is_passed_over(tmp_path):
    file = fragments(tmp_path / "f.tsv.gz", [("chrom", "start", "end", "barcode", "n"), ("chr1", 5, 9, "B", 1)])
    found = write([file], tmp_path, SignalOptions(scale="none"), lengths=LENGTHS)[1]["both"]
    assert np.flatnonzero(found["chr1"]).tolist() == [5, 8]
