"""Models that take annotation, and stores whose annotation follows the same rules, others, or none that is known."""

import json
import shutil
from pathlib import Path

import pytest
from support.keras_folder import Spec, write_folder

from factornet.cli import etl, model, predict, train, visualize
from factornet.model import read_card
from factornet.store import open_store
from factornet.store.annotation_rules import README_RULES, published_rules, rules_of_store
from factornet.store.format.manifest import with_self_digest

FIXTURE = Path(__file__).parents[1] / "fixtures/store-schema-1.zip"
NETWORK = "-f CTCF -i K562 -v chr11:900000-1200000 -t chr1 chr2 chr7 -e 1 --device cpu --threads 1".split()
SMALL = "-k 4 -r -1 -d 4".split()


@pytest.fixture(scope="module")
def work(demo_files, demo_store, tmp_path_factory) -> Path:
    """Stores of both rules with K562, and a model trained with annotation on each."""
    work = tmp_path_factory.mktemp("rules")
    shutil.copytree(demo_store, work / "readme.zarr")
    files = demo_files / "annotation"
    genome = [
        "--fasta",
        f"{demo_files}/genome.fa",
        "--gtf",
        f"{files}/genes.gtf.gz",
        "--cpg",
        f"{files}/cpgIslandExt.txt.gz",
    ]
    genome += ["--track", f"Unique35={demo_files}/tracks/Unique35.bw", "--assembly", "demo", "-p", "1"]
    assert etl.main(["genome", f"{work}/published.zarr", *genome, "--annotation-rules", "published"]) == 0
    assert etl.main(["build", f"{work}/published.zarr", f"{demo_files}/cells/K562", "-p", "1"]) == 0
    for rules in ("readme", "published"):
        options = ["--store", f"{work}/{rules}.zarr", "-o", f"{work}/{rules}", "-g", *NETWORK, *SMALL]
        assert train.main(options) == 0
    assert train.main(["--store", f"{work}/readme.zarr", "-o", f"{work}/onePeak", *NETWORK, *SMALL]) == 0
    (work / "regions.bed").write_text("chr11\t500000\t500200\n")
    return work


@pytest.fixture
def run(work, tmp_path, capsys):
    """Run predict, visualize, or train from a model; return status and the lines of standard error."""

    def run_command(command, model, store, *more):
        options = ["--store", f"{work}/{store}.zarr", *more, "--device", "cpu"]
        inputs = ["-i", "K562", "-b", f"{work}/regions.bed", "-m", f"{model}"]
        if command is train:
            status = train.main([*options, "--init-from", f"{model}", "--dry-run", "-g", *NETWORK])
        elif command is predict:
            status = predict.main([*options, *inputs, "-f", "CTCF", "--force", "-o", f"{tmp_path}/out.bed.gz"])
        else:
            status = visualize.main([*options, *inputs, "-oc", f"{tmp_path}/page"])
        return status, capsys.readouterr().err.splitlines()

    return run_command


def copy_with_record(work: Path, name: str, *, options: bool = False, **record) -> None:
    """Copy the store of the README's rules, with another record of its annotation, or none; and without options."""
    shutil.copytree(work / "readme.zarr", work / f"{name}.zarr", dirs_exist_ok=True)
    group = json.loads((work / "readme.zarr/zarr.json").read_text())
    del group["attributes"]["summary"]["annotation"]
    group["attributes"]["summary"] |= record
    if not options:
        del group["attributes"]["provenance"]["options"]["promoter"]
    (work / f"{name}.zarr/zarr.json").write_bytes(with_self_digest(group))


COMMANDS = pytest.mark.parametrize("command", [predict, visualize, train], ids=["predict", "visualize", "init-from"])


def test_rules_are_recorded_in_store_and_model(work, capsys):
    for name, rules in (("readme", README_RULES), ("published", published_rules())):
        record = {"name": name, "upstream": rules.upstream, "downstream": 100, "untranslated": rules.untranslated}
        assert open_store(work / f"{name}.zarr").info.summary["annotation"]["rules"] == record
        assert read_card(work / name).provenance["annotation"] == {"rules": record}
    assert "annotation" not in read_card(work / "onePeak").provenance
    assert etl.main(["info", f"{work}/published.zarr"]) == 0
    shown = capsys.readouterr().out
    assert (
        "annotation rules: published (promoters of 500/100 bases, exons of non-coding transcripts as UTRs)\n" in shown
    )
    assert model.main(["info", f"{work}/published"]) == 0
    assert "published" in capsys.readouterr().out


def test_unpacked_and_copied_stores_keep_the_rules(work, tmp_path, run):
    assert etl.main(["unpack", f"{work}/published.zarr", f"{tmp_path}/raw.zarr", "-p", "1"]) == 0
    assert etl.main(["export", f"{work}/published.zarr", f"{tmp_path}/copy.zarr"]) == 0
    records = [
        open_store(f"{folder}.zarr").info.summary
        for folder in (work / "published", tmp_path / "raw", tmp_path / "copy")
    ]
    assert records[0] == records[1] == records[2]


@COMMANDS
@pytest.mark.parametrize("rules", ["readme", "published"])
def test_model_on_annotation_of_its_rules_has_no_warning(work, run, command, rules):
    assert run(command, work / rules, rules) == (0, [])


@COMMANDS
def test_model_on_annotation_of_other_rules_is_refused_with_the_cure(work, run, command, tmp_path):
    status, (line,) = run(command, work / "published", "readme")
    assert status == 2
    assert line.endswith(
        f"error: the annotation of {work}/readme.zarr follows the rules readme (promoters of 300/100 bases, UTRs of coding "
        f"transcripts), {work}/published was trained with published (promoters of 500/100 bases, exons of non-coding "
        "transcripts as UTRs); build a store with `factornet-etl genome STORE --annotation-rules published ...`, or go on "
        "with --ignore-annotation-rules"
    )
    assert not any(tmp_path.iterdir())
    status, (line,) = run(command, work / "published", "readme", "--ignore-annotation-rules")
    assert status == 0
    assert line.startswith(f"warning: the annotation of {work}/readme.zarr follows the rules readme")


def test_model_without_annotation_needs_no_rules(work, run):
    assert run(predict, work / "onePeak", "published") == (0, [])


@COMMANDS
def test_store_without_a_record_is_warned_of_once(work, run, command):
    """As built by an earlier version."""
    copy_with_record(work, "old")
    expected = f"warning: {work}/old.zarr records no annotation rules: they cannot be compared with those of the model"
    assert run(command, work / "published", "old") == (0, [expected])


def test_model_without_a_record_is_warned_of_once_and_resumes(work, run, monkeypatch):
    """As trained, or imported, by an earlier version."""
    monkeypatch.setattr("factornet.model.training.setup.annotation_record", lambda rules: {})
    options = ["--store", f"{work}/readme.zarr", "-o", f"{work}/old", "-g", *NETWORK, *SMALL]
    assert train.main(options) == 0
    monkeypatch.undo()
    expected = f"warning: {work}/old records no annotation rules: they cannot be compared with those of the store"
    for command in (predict, visualize, train):
        assert run(command, work / "old", "readme") == (0, [expected])
    assert train.main([*options, "-e", "2", "--resume"]) == 0


def test_rules_of_a_store_without_a_record_are_those_of_its_options(work, run, capsys):
    """As recorded since the first version, where the annotation came from a GTF."""
    copy_with_record(work, "older", options=True)
    status, (line,) = run(predict, work / "published", "older")
    assert (status, "older.zarr follows the rules readme" in line) == (2, True)
    assert run(predict, work / "readme", "older") == (0, [])
    for store, rules in (("older", README_RULES), ("old", "not known")):
        copy_with_record(work, store, options=store == "older")
        assert etl.main(["info", f"{work}/{store}.zarr"]) == 0
        shown = capsys.readouterr().out
        assert (
            f"annotation rules: {rules}\nannotation: built by an earlier version, which recorded no figures\n" in shown
        )


def test_rules_of_the_store_of_schema_1():
    assert rules_of_store(open_store(FIXTURE).info) == README_RULES


def test_options_of_a_store_from_bed_files_are_not_its_rules(work):
    info = open_store(work / "readme.zarr").info
    del info.summary["annotation"]
    info.provenance["inputs"] += info.provenance["inputs"][:4]  # six files of features
    assert rules_of_store(info) is None


@pytest.mark.parametrize("gencode", [False, True])
def test_imported_models_have_the_published_rules(work, tmp_path, gencode, capsys):
    folder = write_folder(tmp_path / "keras", Spec(gencode=gencode, tasks=("CTCF",)))
    assert model.main(["import", str(folder), "-o", f"{tmp_path}/m"]) == 0
    found = read_card(tmp_path / "m").provenance.get("annotation")
    assert found == ({"rules": published_rules().to_json()} if gencode else None)
    capsys.readouterr()
    for store, status in (("published", 0), ("readme", 2 * gencode)):
        options = ["--store", f"{work}/{store}.zarr", "-i", "K562", "-b", f"{work}/regions.bed", "-m", f"{tmp_path}/m"]
        assert predict.main([*options, "-f", "CTCF", "--force", "-o", f"{tmp_path}/out.bed.gz"]) == status
        assert ("--annotation-rules published" in capsys.readouterr().err) == (status == 2)


@pytest.mark.parametrize(
    "record", [3, {"rules": 3}, {"rules": {}}, {"rules": {"upstream": "x", "downstream": 1, "untranslated": "ucsc"}}]
)
def test_records_of_another_form_are_errors_of_one_line(work, run, record, capsys):
    copy_with_record(work, "foreign", annotation=record)
    status, (line,) = run(predict, work / "published", "foreign")
    assert (status, "the annotation rules have another form" in line) == (2, True)
    assert etl.main(["info", f"{work}/foreign.zarr"]) == 2
    assert "a summary in its attributes has another form" in capsys.readouterr().err


def test_json_of_info_has_the_record(work, capsys):
    assert etl.main(["info", f"{work}/published.zarr", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["genome"]["summary"]["annotation"]
    assert (list(record), record["rules"]["name"]) == (["rules", "bases", "notes"], "published")
