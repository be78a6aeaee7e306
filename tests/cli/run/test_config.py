"""Options from a file of --config: as if they were on the command line, which counts first."""

import json
import tomllib

import pytest

from factornet.cli import crossval, evaluate, predict, train
from factornet.cli.etl import make_parser as make_etl_parser
from factornet.cli.run.config import with_config
from factornet.cli.run.options import own_actions
from factornet.cli.run.parser import command_parser
from factornet.cli.run.record import start_run
from factornet.store import InputError
from factornet.store.files.sealed_toml import to_toml


def completed(parser, command, path, *words):
    return parser.parse_args(with_config(parser, command, ["--config", str(path), *words]))


@pytest.fixture
def config(tmp_path):
    def write(**options):
        path = tmp_path / "x.toml"
        path.write_text(to_toml({"options": {name.replace("_", "-"): value for name, value in options.items()}}))
        return path

    return write


def test_command_line_counts_before_the_file(config):
    path = config(store="a.zarr", cells=["K562", "HepG2"], epochs=7, motif=False, output="m", compile=True)
    options = completed(train.make_parser(), "factornet-train", path, "-e", "9", "-oc", "n")
    assert (options.store, options.cells, options.epochs, options.motif) == ("a.zarr", ["K562", "HepG2"], 9, False)
    assert (options.output, str(options.output_clobber), options.compile) == (None, "n", True)


def test_option_that_excludes_one_of_the_file_replaces_it(config):
    path = config(store="a.zarr", cell="K562", model=["m"], output="x.bw", regions=["chr1"])
    options = completed(predict.make_parser(), "factornet-predict", path, "-b", "x.bed")
    assert (options.regions, str(options.bed)) == (None, "x.bed")


def test_arguments_and_options_of_several_values_do_not_mix(config):
    path = config(predictions=["a.bw", "b.bw"], store="s", chrom_alias=["1=chr1"])
    parser = evaluate.make_parser()
    options = completed(parser, "factornet-evaluate", path)
    assert ([str(p) for p in options.predictions], options.chrom_alias) == (["a.bw", "b.bw"], ["1=chr1"])
    options = completed(parser, "factornet-evaluate", path, "c.bw")
    assert [str(p) for p in options.predictions] == ["c.bw"]


def test_words_after_two_dashes_stay_there(config):
    path = config(store="s", output="cv", training=["--preset", "blocks"])
    options = completed(crossval.make_parser(), "factornet-crossval", path)
    assert options.training == ["--preset", "blocks"]
    options = completed(crossval.make_parser(), "factornet-crossval", path, "--", "-v", "chr3")
    assert options.training == ["-v", "chr3"]


@pytest.mark.parametrize(
    ("make", "command", "words"),
    [
        (train.make_parser, "factornet-train", "--store s -i A B -f F -o m --amp -r -1 --tracks --no-motif -lr 1e-5"),
        (predict.make_parser, "factornet-predict", "--store s -i A -m m n --regions chr1:0-9 -o d/ --cache-size 3GB"),
        (evaluate.make_parser, "factornet-evaluate", "x.bw y.bw --store s --by-chromosome --plot p.png"),
        (make_etl_parser, "factornet-etl build", "s.zarr A B -p 3 --assay atac --shift 4 -5 --exclude secondary"),
        (crossval.make_parser, "factornet-crossval", "--store s -o cv -- -v chr3 --no-motif"),
    ],
)
def test_record_of_a_run_gives_the_same_options(tmp_path, make, command, words):
    words = words.split()
    if command.startswith("factornet-etl"):
        words = [command.split()[1], *words]
    parser = make()
    own, begin = command_parser(parser, words)
    options = parser.parse_args(words)
    path = tmp_path / "run.toml"
    start_run(own, command, options, words).write(path)
    again = parser.parse_args([*words[:begin], *with_config(own, command, ["--config", str(path)])])
    for action in own_actions(own):
        if action.dest != "config":
            assert getattr(again, action.dest) == getattr(options, action.dest), action.dest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[options", "not TOML"),
        ("options = 1", "has no table [options]"),
        ("[options]\nepoch = 3", "factornet-train has no option 'epoch'; close names: epochs"),
        ("[options]\nepochs = [3, 4]", "epochs = [3, 4] is not one value"),
        ("[options]\nmeta = 1", "meta = 1 is not true or false"),
        ("[options]\nfactor = {a = 1}", "is no value of an option"),
        ('[options]\nstore = "a\\u0000b"', "has a NUL character"),
        ("[options]\ncells = ['K562', '--compile']", "cells has the value '--compile', which begins as an option does"),
        ("[options]\nprecision = 'float8'", "precision is 'float8'; choose bfloat16 or float64"),
        ("command = 'factornet-predict'\n[options]", "is of factornet-predict, not of factornet-train"),
        ("format = 'factornet-run'\nversion = 2\n[options]", "version 2 is newer than 1"),
        ("format = 'other'\nversion = 1\n[options]", "not a factornet-run file"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, message):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        with_config(train.make_parser(), "factornet-train", ["--config", str(path)])
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_mark_of_utf_8_before_the_file_is_no_mistake(config):
    path = config(store="s", factor="MAX", cells=["K562"], output="m", epochs=3)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert completed(train.make_parser(), "factornet-train", path).epochs == 3


def test_mistakes_end_the_command_with_status_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(["--config", str(tmp_path / "none.toml"), "--json"])
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert "factornet-train: error: " in shown.err
    assert json.loads(shown.out)["error"]["message"].startswith(f"{tmp_path}/none.toml: cannot be read")


@pytest.mark.parametrize("words", [["--help"], ["--config", "x.toml", "-h"]])
def test_help_is_that_of_the_whole_parser(words, capsys):
    with pytest.raises(SystemExit) as ended:
        train.main(words)
    assert ended.value.code == 0
    assert capsys.readouterr().out == train.make_parser().format_help()


def test_mistake_beside_a_file_is_shown_with_the_usage(config, capsys):
    with pytest.raises(SystemExit):
        train.main(["--conf", str(config(store="s", cells=["A"])), "--epochs", "many"])
    shown = capsys.readouterr().err
    assert "argument -e/--epochs: 'many' is not a whole number of at least 1" in shown
    assert shown.startswith(train.make_parser().format_usage())


def test_beginning_of_the_name_is_enough(config):
    words = with_config(train.make_parser(), "factornet-train", ["--conf", str(config(store="s", cells=["A"]))])
    assert train.make_parser().parse_args(words).cells == ["A"]


def test_toml_of_any_text_is_read_back():
    values = {"a b": 'x"y\\z\n\x7f\t', "é": ["日本", 1, -2.5, True, float("inf")], "t": {"u": {"v": [1, {"w": 2}]}}}
    assert tomllib.loads(to_toml(values)) == values


@pytest.mark.parametrize("key", ["a" + ".a" * 50_000, '"a b"' + " . 'x'" * 100, "x = 1\n[" + "a." * 60 + "b]"])
def test_key_of_many_parts_is_refused_at_once(tmp_path, key):
    """Of 50,000 parts, tomllib makes gigabytes."""
    path = tmp_path / "x.toml"
    path.write_text(f"[options]\nstore = 's'\n{key} = 1\n")
    with pytest.raises(InputError, match=r"x.toml:[34]: a key of more than 50 parts"):
        completed(train.make_parser(), "factornet-train", path)


def test_values_with_many_dots_are_no_keys(config):
    names = [f"{i}.a.b.c/d.e" for i in range(300)]
    path = config(store=".".join("abc" * 15), cells=names)
    assert completed(train.make_parser(), "factornet-train", path).cells == names


def test_value_of_any_length_does_not_fill_the_screen(config):
    path = config(**{"x" * 100_000: 1})
    with pytest.raises(InputError) as caught:
        completed(train.make_parser(), "factornet-train", path)
    assert len(str(caught.value)) < 3_100
    assert "characters left out) ..." in str(caught.value)
    assert str(caught.value).endswith("--help has all")
