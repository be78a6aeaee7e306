"""Regions as people write them: read, or refused with what is wrong and how to write it."""

import pytest

from factornet.store.errors import UsageError
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.genome.regions import Region, parse_region

COORDINATES = GenomeCoordinates(("chr1", "chr11", "HLA-A*01:01"), (248_956_422, 5000, 700))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr1", (0, 248_956_422)),
        ("chr1:0-1", (0, 1)),
        ("chr1:1000-2000", (1000, 2000)),
        ("chr1:1,000-2,000", (1000, 2000)),
        ("chr1:1,000-248956422", (1000, 248_956_422)),
        ("chr11:0-5,000", (0, 5000)),
        ("HLA-A*01:01", (0, 700)),
        ("HLA-A*01:01:5-700", (5, 700)),
    ],
)
def test_region_is_read(text, expected):
    chrom = text if text in COORDINATES.names else text.rpartition(":")[0]
    assert parse_region(text, COORDINATES) == Region(chrom, *expected)


REFUSED = {
    "chr1:1000": r"region 'chr1:1000' has no start and stop after the colon; write chr1:START-STOP, such as chr1:0-",
    "chr1:": "has no start and stop after the colon",
    "chr1:-": "has no start and stop after the colon",
    "chr1:,-,": "has no start and stop after the colon",
    "chr1:1,00-2,000": "has no start and stop after the colon",
    "chr1:-5-100": "has no start and stop after the colon",
    "chr1:1e3-2e3": "has no start and stop after the colon",
    "chr1:1M-2M": "has no start and stop after the colon",
    "chr1:1000..2000": "has no start and stop after the colon",
    "chr1:1000-2000+": "has no start and stop after the colon",
    "chr1:1000 - 2000": "has no start and stop after the colon",
    f"chr1:{'9' * 5000}-{'9' * 5001}": "has no start and stop after the colon",
    "chr1:١-٢": "has no start and stop after the colon",
    "chr1:2000-1000": "region 'chr1:2000-1000' does not start before it stops; write chr1:START-STOP",
    "chr1:5-5": "does not start before it stops",
    "chr11:4000-5001": r"region 'chr11:4000-5001' ends past the chromosome; chr11 has 5000 bases",
    "chr11:999999999999-9999999999999": "ends past the chromosome",
    "chr1 1000 2000": r"no chromosome 'chr1 1000 2000'; give one of chr1, chr11, HLA-A\*01:01, or a region such as",
    "1:1000-2000": "no chromosome '1'; there are chr1, chr11",
    "chrY": "no chromosome 'chrY'; give one of",
    "all": "no chromosome 'all'",
    "": "no chromosome ''",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_other_text_is_refused(text):
    with pytest.raises(UsageError, match=REFUSED[text]):
        parse_region(text, COORDINATES)
