"""A file of scores is what its name says, or its name is refused before any work."""

from pathlib import Path

import pytest

from factornet.model.prediction.output_names import score_format
from factornet.store import UsageError

NAMES = {
    "bedgraph": ("x.bed", "x.BED", "x.bedgraph", "x.bedGraph", "x.bg", "x.bdg", "x.tsv", "x.tab", "x.txt", "a.gz.bed"),
    "gzipped bedgraph": ("x.bed.gz", "MAX.K562.bedGraph.gz", "x.BED.GZ", "x.bdg.gz", "x.bg.gz", "F.MAX.K562.tab.gz"),
    "bigWig": ("x.bw", "x.BW", "x.bigWig", "x.bigwig", "x.BigWig", "x.bed.bw"),
}
REFUSED = ("x", "x.wig", "x.gz", "x.MAX.gz", "x.bw.gz", "x.zip", "x.bb", "x.json", "x.bed.gz.json", "x.bed.", ".bed")
REFUSED += ("x.narrowPeak", "x.wig.gz", "x.bed.bz2", "x.csv", "bw", "-", "/dev/stdout")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_name_chooses_the_format(kind, name):
    assert score_format(Path(name)) == kind


@pytest.mark.parametrize("name", REFUSED)
def test_other_names_are_refused_with_the_list_of_names(name):
    with pytest.raises(UsageError, match=r"cannot have this name; end it in \.bed, .* and \.gz \(gzipped\), or \.bw"):
        score_format(Path(name))
