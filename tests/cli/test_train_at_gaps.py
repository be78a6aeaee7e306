"""Training says how many peaks are left out because their window touches a run of N."""

import numpy as np
import pytest
from support.tiny_experiment import LENGTHS, SMALL, build, write_cell

from factornet.cli import train
from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome


@pytest.mark.parametrize(("gap", "said"), [((9600, 9900), "; 2 more touch runs of N and are left out"), (None, "")])
def test_peaks_next_to_runs_of_n_are_counted(tmp_path, capsys, gap, said):
    rng = np.random.default_rng(0)
    with (tmp_path / "g.fa").open("w") as fasta:
        for name, size in LENGTHS.items():
            letters = rng.choice(list("ACGT"), size)
            if gap and name == "chrA":
                letters[slice(*gap)] = "N"
            fasta.write(f">{name}\n{''.join(letters)}\n")
    (tmp_path / "A").mkdir()
    write_cell(tmp_path / "A", 1.5)
    peaks = [("chrA", s) for s in (5000, 9350, 10_000, 14_000)] + [("chrB", 4000)]
    (tmp_path / "A/p.bed").write_text("".join(f"{c}\t{s}\t{s + 200}\n" for c, s in peaks))
    build_genome(tmp_path / "s.zarr", GenomeInputs(tmp_path / "g.fa"), GenomeOptions(layout=SMALL), Resources(1))
    build(tmp_path)
    options = "-i A -f TF -v chrB -t chrA:0-1500 -L 300 -k 2 -r -1 -d 4 -e 1 --device cpu".split()
    assert train.main(["--store", str(tmp_path / "s.zarr"), *options, "-o", str(tmp_path / "m")]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "positives " in line]
    n = 2 if gap else 4
    assert f"positives {n} of A{said}; 1 negatives each" in line
