"""The original's commands and long options run as printed in its README, apart from program names and ``--store``."""

import argparse
import gzip
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.keras_folder import GEPC, Spec, write_folder

from factornet.cli import predict, train, visualize
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, published_rules
from factornet.model import read_card

ROOT = Path(__file__).parents[2]
PROGRAMS = {"train.py": train, "predict.py": predict, "visualize.py": visualize}
README = """
python train.py -i data/HepG2 -k 128 -r 128 -d 256 -oc multiTask_Unique35_DGF_HepG2
python train.py -f MAX -k 128 -r 64 -d 128 -n 3 -e 5 -i data/A549 data/GM12878 data/H1-hESC data/HCT116 data/HeLa-S3 data/HepG2 data/K562 -oc onePeak_Unique35_DGF_3n_50e_128k_64r_128d_MAX
python train.py -f GABPA -n 5 -m -i data/GM12878 data/H1-hESC data/HeLa-S3 data/HepG2 data/MCF-7 -oc meta_Unique35_DGF_5n_GABPA
python train.py -f REST -k 64 -d 128 -g -i data/H1-hESC data/HeLa-S3 data/HepG2 data/MCF-7 data/Panc1 -oc GENCODE_Unique35_DGF_64k_128d_REST
python train.py -f CTCF -k 128 -r 64 -d 128 -m -g -i data/A549 data/H1-hESC data/HeLa-S3 data/HepG2 data/IMR-90 data/K562 data/MCF-7 -oc metaGENCODE_Unique35_DGF_129k_64r_128d_CTCF
python predict.py -f CTCF -i data/PC-3 -m models/CTCF/metaGENCODE_RNAseq_Unique35_DGF -b resources/sample_ladder_regions.blacklistfiltered.bed.gz -o CTCF_PC-3.bed.gz
python visualize.py -i data/HepG2 -b data/HepG2/ChIPseq.HepG2.REST.conservative.train.narrowPeak.gz -m models/REST/GENCODE_Unique35_DGF_2 -oc GENCODE_Unique35_DGF_2_visualizations
""".strip().splitlines()
"""The seven commands in the README of uci-cbcl/FactorNet at 90ee789."""
CELLS = {
    "A549": "K562", "H1-hESC": "HepG2", "HCT116": "HepG2", "HeLa-S3": "HepG2", "IMR-90": "GM12878", "MCF-7": "HepG2",
    "Panc1": "HepG2", "PC-3": "K562",
}  # fmt: skip
"""The original's cell lines by the demo's whose files stand in for them; GM12878, HepG2 and K562 are the demo's own."""
SHORT = "-e 1 -k 4 -r 2 -d 4 -t chr1 -v chr11:900000-1200000 --device cpu"
"""Added to training commands: one epoch of a small network on a little of the demo's genome."""
PUBLISHED = {"length": 300, "width": 34, "kernels": 4, "recurrent": 2, "dense": 4, "gencode": True, "published": True}


@pytest.fixture(scope="module")
def workplace(demo_files, tmp_path_factory):
    """A folder like the original's: data, models, resources; and a store, annotated as the published models need it."""
    work = tmp_path_factory.mktemp("work")
    for name in ("cells", "tracks"):
        shutil.copytree(demo_files / name, work / {"cells": "data"}.get(name, name))
    for sheet in work.glob("data/*/bigwig.txt"):
        sheet.write_text(sheet.read_text().replace("../../tracks", str(work / "tracks")))
    for name, source in CELLS.items():
        shutil.copytree(work / "data" / source, work / "data" / name)
    (work / "data/PC-3/chip.txt").unlink()
    inputs = GenomeInputs(
        demo_files / "genome.fa",
        gtf=demo_files / "annotation/genes.gtf.gz",
        cpg=demo_files / "annotation/cpgIslandExt.txt.gz",
        tracks={"Unique35": demo_files / "tracks/Unique35.bw"},
    )
    options = GenomeOptions(assembly="demo", chroms=("chr11", "chr1"), rules=published_rules())
    build_genome(work / "hg19.zarr", inputs, options, Resources(1))
    for name in sorted({*CELLS, "GM12878", "HepG2", "K562"}):
        build_cell(work / "hg19.zarr", work / "data" / name, CellOptions(), Resources(1))
    write_folder(work / "models/CTCF/metaGENCODE_RNAseq_Unique35_DGF", Spec(tasks=("CTCF",), meta=GEPC, **PUBLISHED))
    write_folder(work / "models/REST/GENCODE_Unique35_DGF_2", Spec(tasks=("REST",), **PUBLISHED))
    rows = "".join(f"chr1\t{s}\t{s + 200}\n" for s in range(600_000, 620_000, 50))
    (work / "resources").mkdir()
    ladder = work / "resources/sample_ladder_regions.blacklistfiltered.bed.gz"
    ladder.write_bytes(gzip.compress(rows.encode()))
    return work


def run(line):
    """Run a command of the original, short."""
    _, program, *arguments = shlex.split(line)
    more = shlex.split(SHORT) if program == "train.py" else ["--device", "cpu"]
    return PROGRAMS[program].main(["--store", "hg19.zarr", *arguments, *more])


@pytest.mark.parametrize("line", README)
def test_command_of_the_originals_readme_runs_as_printed(workplace, monkeypatch, capsys, line):
    monkeypatch.chdir(workplace)
    assert run(line) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert ("a model of the original FactorNet, imported from Keras 1.2.2 in memory" in shown) == ("models/" in line)
    if "-oc" not in line:
        return
    output, model = Path(line.split("-oc ")[1]), "train.py" in line
    assert (output / ("best.safetensors" if model else "index.html")).is_file()
    if model:
        options = train.make_parser().parse_args(["--store", "x", *shlex.split(line)[2:]])
        features = ["bigwig"] + ["meta"] * options.meta + ["gencode"] * bool(options.gencode)
        tasks = options.factor or ["CTCF", "MAX", "REST", "GABPA"]
        lists = {"feature.txt": features, "chip.txt": tasks, "bigwig.txt": ["Unique35", "DGF"]}
        lists |= {"meta.txt": list(GEPC)} if options.meta else {}
        assert {name: (output / name).read_text().split() for name in lists} == lists
        assert read_card(output).training["cells"] == [Path(cell).name for cell in options.cells]


def test_predictions_are_the_originals_bedgraph(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    if not Path("CTCF_PC-3.bed.gz").exists():
        assert run(README[5]) == 0
    lines = gzip.decompress(Path("CTCF_PC-3.bed.gz").read_bytes()).decode().splitlines()
    assert len(lines) == 400
    assert re.fullmatch(r"chr1\t600000\t600200\t\d\.\d{3}e[-+]\d\d", lines[0])
    assert json.loads(Path("CTCF_PC-3.bed.gz.json").read_text())["model"]["software"] == "imported from Keras 1.2.2"


def test_documentation_prints_these_commands():
    section = (ROOT / "docs/from-factornet.md").read_text().split("## The original's examples")[1].split("\n## ")[0]
    lines = re.sub(r"\\\n\s*", " ", section).splitlines()
    printed = [shlex.split(line) for line in lines if line.startswith("    factornet-")]
    programs = {"train.py": "factornet-train", "predict.py": "factornet-predict", "visualize.py": "factornet-visualize"}
    commands = [shlex.split(line)[1:] for line in README]
    assert printed == [[programs[name], "--store", "hg19.zarr", *arguments] for name, *arguments in commands]


LONG_NAMES = {
    "train.py": {
        "-i": "--inputdirs", "-vi": "--validinputdirs", "-v": "--validchroms", "-t": "--testchroms", "-e": "--epochs",
        "-ep": "--patience", "-lr": "--learningrate", "-n": "--negatives", "-L": "--seqlen", "-w": "--motifwidth",
        "-k": "--kernels", "-r": "--recurrent", "-d": "--dense", "-p": "--dropout", "-s": "--seed", "-f": "--factor",
        "-m": "--meta", "-g": "--gencode", "-mo": "--motif", "-o": "--outputdir", "-oc": "--outputdirc",
    },
    "predict.py": {"-i": "--inputdir", "-m": "--modeldir", "-f": "--factor", "-b": "--bed", "-o": "--outputfile"},
    "visualize.py": {
        "-i": "--inputdir", "-m": "--modeldir", "-b": "--bed", "-c": "--chrom", "-o": "--outputdir", "-oc": "--outputdirc",
        "-f": "--factor",
    },
}  # fmt: skip
"""Long names of the original's options, of its train.py, predict.py and visualize.py; -f of visualize: of its README."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_long_names_are_the_same_options(program):
    actions = PROGRAMS[program].make_parser()._option_string_actions
    assert {short: actions[long] for short, long in LONG_NAMES[program].items()} == {
        short: actions[short] for short in LONG_NAMES[program]
    }
    assert not [a for a in actions.values() if a.help == argparse.SUPPRESS], "the help shows all names"


LONG_COMMANDS = [
    "train.py --inputdirs data/GM12878 data/HepG2/ --validinputdirs ./data/K562 --validchroms chr11 "
    "--testchroms chr1:0-300000 chr1:600000-700000 "
    "--epochs 1 --patience 3 --learningrate 0.01 --negatives 2 --seqlen 300 --motifwidth 12 --kernels 3 --recurrent 2 "
    "--dense 2 --dropout 0.25 --seed 7 --factor CTCF --meta --gencode --outputdirc long",
    "train.py --inputdirs data/HepG2 --validchroms=chr11 --testchroms=none --epochs=1 --seqlen=300 --kernels=3 --recurrent=0 "
    "--dense=2 --outputdir multi",
    "predict.py --inputdir data/PC-3 --modeldir long --factor CTCF "
    "--bed resources/sample_ladder_regions.blacklistfiltered.bed.gz --outputfile long.bed.gz",
    "visualize.py --inputdir data/HepG2/ --modeldir multi/ --factor REST --chrom chr1 --outputdir long_look "
    "--bed data/HepG2/ChIPseq.HepG2.REST.conservative.train.narrowPeak.gz",
    "visualize.py --inputdir data/HepG2/ --modeldir multi --outputdirc long_look "
    "--bed data/HepG2/ChIPseq.HepG2.REST.conservative.train.narrowPeak.gz",
]


def test_commands_of_long_names_run(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    for line in LONG_COMMANDS:
        program, *arguments = shlex.split(line)
        assert PROGRAMS[program].main(["--store", "hg19.zarr", *arguments, "--device", "cpu"]) == 0, (
            capsys.readouterr().err
        )
    card = read_card("long")
    found = {**card.config.to_json(), **card.training}
    assert {key: found[key] for key in ("length", "kernel_width", "kernels", "recurrent", "dense", "dropout")} == {
        "length": 300, "kernel_width": 12, "kernels": 3, "recurrent": 2, "dense": 2, "dropout": 0.25,
    }  # fmt: skip
    expected = {"cells": ["GM12878", "HepG2"], "valid_cells": ["K562"], "epochs": 1, "patience": 3, "seed": 7}
    expected |= {"learning_rate": 0.01, "negatives": 2, "gencode": True, "meta": list(GEPC), "factor": "CTCF"}
    assert {key: found[key] for key in expected} == expected
    assert found["test"] == ["chr1:0-300000", "chr1:600000-700000"]


def test_factor_of_visualize_is_checked_and_named(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    model = write_folder(Path("several"), Spec(tasks=("REST", "MAX"), length=300, width=12, kernels=3, recurrent=0))
    bed = "data/HepG2/ChIPseq.HepG2.REST.conservative.train.narrowPeak.gz"
    words = f"--store hg19.zarr -i HepG2 -m {model} -b {bed} --device cpu -oc seen"
    assert visualize.main(shlex.split(f"{words} -f GATA1")) == 2
    assert "the model does not predict 'GATA1'; it predicts REST, MAX" in capsys.readouterr().err
    assert not Path("seen").exists()
    assert visualize.main(shlex.split(f"{words} -f REST --json")) == 0
    assert json.loads(capsys.readouterr().out)["factor"] == "REST"
    assert re.search(r"factor\W[^R]*REST", Path("seen/index.html").read_text())
