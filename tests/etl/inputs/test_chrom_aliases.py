"""Which chromosomes a genome takes by default."""

import pytest

from factornet.etl.inputs.chrom_aliases import default_selection

HUMAN = [str(n) for n in range(1, 23)]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([*(f"chr{n}" for n in HUMAN), "chrX", "chrY", "chrM", "chr6_cox_hap2", "chrUn_gl000211"],
         [*(f"chr{n}" for n in HUMAN), "chrX"]),
        ([*HUMAN, "X", "Y", "MT", "GL000192.1"], [*HUMAN, "X"]),
        (["chrI", "chrII", "chrIII", "chrIV", "chrV", "chrX", "chrM"], None),
        (["2L", "2R", "3L", "3R", "4", "X", "Y"], None),
        (["chr2L", "chr2R", "chr3L", "chr3R", "chr4", "chrX", "chrY"], None),
        (["1", "2", "3", "4", "5", "Mt", "Pt"], ["1", "2", "3", "4", "5"]),
        (["NC_000001.10", "NC_000002.11"], None),
        (["chr20"], None),
        (["scaffold_1", "scaffold_2"], None),
        ([], None),
    ],
    ids=["UCSC", "Ensembl", "worm", "fly, Ensembl", "fly", "thale cress", "RefSeq", "one", "scaffolds", "nothing"],
)  # fmt: skip
def test_numbered_chromosomes_and_x_are_chosen_where_there_are_some(names, chosen):
    assert default_selection(names) == (names if chosen is None else chosen)
