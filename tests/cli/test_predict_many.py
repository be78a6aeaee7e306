"""factornet-predict into a folder: which form the options ask for, what is said, and what is refused."""

import json

import pytest

from factornet.cli import predict
from factornet.model import FactorNet, ModelCard, NetworkConfig, save_weights
from factornet.model.data.signals import track_signals
from factornet.model.model_dir.card import write_card
from factornet.store import open_store

REGION = "chr21:100000-104000"
SMALL = {"kernels": 4, "recurrent": -1, "dense": 4}
CONFIGS = {
    "one": NetworkConfig(tasks=("CTCF",), tracks=("Unique35", "DGF"), **SMALL),
    "two": NetworkConfig(tasks=("CTCF",), tracks=("DGF",), **SMALL),
    "multi": NetworkConfig(tasks=("MAX", "REST"), tracks=("DGF",), **SMALL),
    "atac": NetworkConfig(tasks=("SPI1",), tracks=("ATAC",), **SMALL),
}


@pytest.fixture(scope="session")
def models(tmp_path_factory, demo_store):
    folder = tmp_path_factory.mktemp("models")
    store = open_store(demo_store)
    for seed, (name, config) in enumerate(CONFIGS.items()):
        (folder / name).mkdir()
        known = [t for t in config.tracks if t in store.cell("GM12878").track_names]
        signals = track_signals(store, ("GM12878",), known)
        write_card(folder / name, ModelCard(config=config, provenance={"signals": signals}))
        save_weights(folder / name, FactorNet(config, seed=seed).state_dict(), "best")
    return folder


@pytest.fixture
def run(demo_store, models, capsys, tmp_path):
    """The command with models by name: status and what it printed."""

    def call(names, *arguments):
        words = ["--store", demo_store, "-i", "K562", "-m", *(models / name for name in names), *arguments]
        return predict.main(list(map(str, words))), capsys.readouterr()

    return call


def names(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith((".json", "run.toml")))


def test_all_factors_of_all_models(run, tmp_path):
    status, shown = run(("one", "multi"), "--regions", REGION, "-o", tmp_path / "out")
    assert (status, shown.err) == (0, "")
    assert names(tmp_path / "out") == ["CTCF.bw", "MAX.bw", "REST.bw", "predictions.tsv"]
    assert f"{tmp_path}/out: 3 files by 2 models, 77 intervals each" in shown.out
    for factor, model in (("CTCF", "one"), ("REST", "multi")):
        alone = tmp_path / f"{factor}.bw"
        assert run((model,), "-f", factor, "--regions", REGION, "-o", alone)[0] == 0
        for suffix in ("", ".json"):
            assert (tmp_path / f"{factor}.bw{suffix}").read_bytes() == (
                tmp_path / "out" / f"{factor}.bw{suffix}"
            ).read_bytes()


@pytest.mark.parametrize(
    ("models_", "arguments", "expected"),
    [
        (("multi",), (), ["MAX.bw", "REST.bw"]),  # without -f
        (("multi",), ("-f", "REST"), ["REST.bw"]),  # a folder by its name
        (("one", "two"), ("--format", "bed.gz"), ["CTCF.one.bed.gz", "CTCF.two.bed.gz"]),
        (("one", "two", "multi"), ("-f", "CTCF", "REST"), ["CTCF.one.bw", "CTCF.two.bw", "REST.bw"]),
        (("one", "two"), ("--ensemble", "mean"), ["CTCF.bw"]),
        (("one", "two", "multi"), ("--ensemble", "rank"), ["CTCF.bw", "MAX.bw", "REST.bw"]),
    ],
)
def test_forms_of_a_folder(run, tmp_path, models_, arguments, expected):
    status, _ = run(models_, *arguments, "--regions", REGION, "-o", f"{tmp_path / 'out'}/")
    assert status == 0
    assert names(tmp_path / "out") == [*expected, "predictions.tsv"]


def test_json_has_files_models_and_seconds(run, tmp_path):
    status, shown = run(("one", "multi"), "--regions", REGION, "-o", tmp_path / "out", "--json")
    said = json.loads(shown.out)
    assert (status, said["intervals"]) == (0, 77)
    assert [(f["file"], f["models"]) for f in said["files"]] == [
        ("CTCF.bw", ["one"]), ("MAX.bw", ["multi"]), ("REST.bw", ["multi"])
    ]  # fmt: skip
    assert [(m["name"], m["factors"], m["scored"]) for m in said["models"]] == [
        ("one", ["CTCF"], 77), ("multi", ["MAX", "REST"], 77)
    ]  # fmt: skip
    assert 0 < said["scoring_seconds"] <= said["wall_seconds"]


def test_a_model_of_one_factor_needs_no_factor(run, tmp_path):
    assert run(("one",), "--regions", REGION, "-o", tmp_path / "x.bw")[0] == 0
    assert run(("one",), "-f", "CTCF", "--regions", REGION, "-o", tmp_path / "y.bw")[0] == 0
    assert (tmp_path / "x.bw").read_bytes() == (tmp_path / "y.bw").read_bytes()


def test_sites_are_called_and_intervals_tiled(run, tmp_path):
    (tmp_path / "x.bed").write_text("chr21\t100000\t100200\nchr21\t110000\t112345\n")
    status, shown = run(("one", "multi"), "-b", tmp_path / "x.bed", "--tile", "max", "-o", tmp_path / "out")
    assert (status, shown.err) == (0, "")
    record = json.loads((tmp_path / "out" / "MAX.bw.json").read_text())
    assert record["options"]["tile"] == "max"
    assert record["intervals"]["tiles"]["n"] == 1 + 44
    status, shown = run(("one",), "-b", tmp_path / "x.bed", "-o", tmp_path / "o.bed")
    assert "--tile max or mean takes all bins in them" in shown.err


@pytest.mark.parametrize(
    ("models_", "arguments", "output", "message"),
    [
        (("one", "multi"), (), "x.bw", "x.bw: several models or factors are written into a folder"),
        (("multi",), (), "x.bw", "predicts MAX, REST; name one, or end the name of the output in /"),
        (("one",), ("-f", "CTCF", "--ensemble", "mean"), "x.bw", "--ensemble: is for a folder of files"),
        (("one",), ("-f", "CTCF", "--format", "bw"), "x.bw", "--format: is for a folder of files"),
        (("one",), ("-f", "CTCF"), "x", "x: a file of scores cannot have this name"),
        (("one", "multi"), ("--fdr", "0.1"), "out", "--fdr: is of one factor; give one model"),
        (("one", "multi"), ("--prevalence", "0.1"), "out", "--prevalence: is of one factor"),
        (("one", "two"), ("--ensemble", "rank", "--format", "bed.gz"), "out", "cannot tell the highest ranks apart"),
        (("one", "one"), (), "out", "is given twice"),
        (("one", "multi"), ("-f", "SPI1"), "out", "no model predicts 'SPI1'; they predict CTCF, MAX, REST"),
        (
            ("one", "atac"),
            (),
            "out",
            "1 of 2 models cannot predict in K562; leave them out; atac: cell line K562 has no",
        ),
        (("one", "nothing"), (), "out", "no such folder"),
        (("one", "multi"), (), "a/b/out", "create the folder that it is to be in"),
        (("one",), ("-f", "CTCF", "--tile", "max"), "x.bw", "--tile needs -b"),
    ],
)
def test_refused_before_any_file(run, tmp_path, *, models_, arguments, output, message):
    status, shown = run(models_, *arguments, "--regions", REGION, "-o", tmp_path / output)
    assert (status, message in shown.err, shown.err.count("\n")) == (2, True, 1)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_used_is_not_compared_with_the_store(run, tmp_path):
    status, shown = run(("one", "atac"), "-f", "CTCF", "--regions", REGION, "-o", tmp_path / "out")
    assert (status, shown.err) == (0, "warning: not used, they predict none of CTCF: atac\n")
    assert "ATAC" not in shown.out


def test_files_that_exist_are_refused_with_the_options_that_help(run, tmp_path):
    words = ("--regions", REGION, "-o", tmp_path / "out")
    assert run(("one", "multi"), *words)[0] == 0
    (tmp_path / "out/MAX.bw").write_bytes(b"mine")
    for more in ((), ("--resume",)):
        status, shown = run(("one", "multi"), *words, *more)
        assert status == 2
        assert "; give another name, or allow to overwrite it; --force replaces it" in shown.err
        first = "MAX.bw: already exists, and cannot be kept: MAX.bw.json" if more else "CTCF.bw: already exists;"
        assert f"out/{first}" in shown.err
    assert run(("one", "multi"), *words, "--force", "--resume")[0] == 0
    assert json.loads((tmp_path / "out/predictions.json").read_text())["files"][0]["status"] == "kept"


def test_models_of_other_factors_are_said(run, tmp_path):
    status, shown = run(("one", "multi"), "-f", "CTCF", "--regions", REGION, "-o", tmp_path / "out")
    assert (status, "not used, they predict none of CTCF: multi" in shown.err) == (0, True)


def test_evaluate_takes_an_ensemble(run, tmp_path, demo_store, capsys):
    from factornet.cli import evaluate

    assert run(("one", "two"), "--ensemble", "mean", "--regions", "chr21", "-o", tmp_path / "out")[0] == 0
    assert evaluate.main([str(tmp_path / "out/CTCF.bw"), "--store", str(demo_store), "--replicates", "10"]) == 0
