"""bgzip files cut between two blocks, which `gzip` reads without an error."""

import gzip

import pytest
from support.bad_input.changes import bgzip

from factornet.store import InputError
from factornet.store.files.bgzip import check_bgzip_end

CONTENT = b"chr7\t5\t9\n" * 1000
WHOLE = bgzip(CONTENT, block=2500)
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def test_end_is_that_of_the_specification():
    assert WHOLE.endswith(END)
    assert gzip.decompress(WHOLE) == CONTENT


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        WHOLE + WHOLE,
        WHOLE[:-28] + WHOLE,
        END,
        WHOLE[:-28] + gzip.compress(b"more"),
        gzip.compress(CONTENT),
        b"",
        b"x",
    ],
    ids=["whole", "two files", "one within", "empty", "gzip behind", "gzip", "no bytes", "text"],
)
def test_whole_and_other_files_pass(tmp_path, content):
    (tmp_path / "x.gz").write_bytes(content)
    check_bgzip_end(tmp_path / "x.gz")


def test_file_cut_anywhere_is_refused_here_or_by_gzip(tmp_path):
    refused = 0
    for size in range(1, len(WHOLE)):
        (tmp_path / "x.gz").write_bytes(WHOLE[:size])
        try:
            check_bgzip_end(tmp_path / "x.gz")
        except InputError as error:
            refused += 1
            assert f"is missing at byte {size}" in str(error)  # noqa: PT017
        else:
            with pytest.raises((EOFError, gzip.BadGzipFile)):
                gzip.decompress(WHOLE[:size])
    assert refused == 4
