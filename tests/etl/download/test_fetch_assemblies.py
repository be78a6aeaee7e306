"""What the registry has of an assembly makes a store by the command that fetch prints; tables of sizes."""

import gzip
import hashlib
import json
import re
import shlex
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from support.servers import web_server

from factornet.cli import etl
from factornet.etl.builders.parts.selected_sequence import read_sequence
from factornet.etl.download.registry import default_registry, read_registry, select_downloads
from factornet.store import UsageError, open_store

STAND_INS = {
    "--fasta": "genome.fa",
    "--gtf": "annotation/genes.gtf.gz",
    "--cpg": "annotation/cpgIslandExt.txt.gz",
    "--blacklist": "annotation/blacklist.bed.gz",
    "--track Unique35=": "tracks/Unique35.bw",
}


def mirror(folder: Path, demo_files: Path, assembly: str, url: str) -> Path:
    """Put stand-ins of an assembly's files, with the digests that publishers list, on a server; return its registry."""
    entries = json.loads(default_registry().read_text())
    chosen = {n: e for n, e in entries.items() if e["assembly"] == assembly and e.get("default") is not False}
    listed: dict[str, str] = {}
    for name, entry in chosen.items():
        content = (demo_files / STAND_INS[entry["option"]]).read_bytes()
        if entry["option"] == "--fasta":
            content = gzip.compress(content)
        (folder / name).write_bytes(content)
        md5 = hashlib.md5(content).hexdigest()
        if "digests" in entry:
            listed[entry["digests"]] = listed.get(entry["digests"], "") + f"{md5}  ./{name}\n"
        elif "digest" in entry:
            entry["digest"] = f"md5:{md5}"
        entry.pop("bytes", None)
        entry["urls"] = [f"{url}/{name}"]
    for name, text in listed.items():
        (folder / name).write_text(text)
    (folder / "registry.json").write_text(json.dumps(chosen))
    return folder / "registry.json"


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("assembly", ["hg38", "hg19"])
def test_printed_genome_command_makes_the_whole_store(tmp_path, demo_files, capsys, monkeypatch, assembly):
    computed = assembly == "hg38"
    served, work = tmp_path / "served", tmp_path / "a folder"
    served.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    with web_server(served) as url:
        registry = str(mirror(served, demo_files, assembly, url))
        assert etl.main(["fetch", assembly, "--registry", registry]) == 0
        said = capsys.readouterr().out
        assert len(re.findall("downloaded, ", said)) == (4 if computed else 5)
        command = shlex.split(re.search(r"^next: (factornet-etl genome .*)$", said, re.M)[1])
    assert ("--uniqueness" in command) == computed
    assert etl.main([*command[1:], "-p", "1"]) == 0
    store = open_store(work / f"{assembly}.zarr")
    assert list(store.info.shared) == ["Unique35"]
    assert store.genome_attributes["annotation"]
    assert store.blacklist().starts.size
    assert store.info.provenance["inputs"][-1]["name"] == (
        "Unique35.bw" if computed else command[-1].rpartition("/")[2]
    )


@pytest.mark.usefixtures("settings")
def test_folder_names_the_assembly_and_paths_are_quoted(tmp_path, demo_files, capsys):
    served = tmp_path / "served"
    served.mkdir()
    with web_server(served) as url:
        registry = str(mirror(served, demo_files, "hg38", url))
        assert etl.main(["fetch", str(tmp_path / "my files" / "hg38"), "--registry", registry]) == 0
        said = capsys.readouterr().out
        assert f"--fasta '{tmp_path}/my files/hg38/hg38.fa.gz'" in said
        assert etl.main(["fetch", str(tmp_path / "other"), "--registry", registry]) == 2
        assert "no downloads for assembly 'hg19'; the registry has hg38" in capsys.readouterr().err
        assert etl.main(["fetch", str(tmp_path / "other"), "--assembly", "hg38", "--registry", registry]) == 0


def test_registry_has_all_inputs_of_hg38():
    hg38 = select_downloads(read_registry(default_registry()), (), "hg38")
    assert {d.option for d in hg38} == {"--fasta", "--gtf", "--cpg", "--blacklist"}
    assert [d.more_options for d in hg38 if d.option == "--fasta"] == ["--uniqueness 35"]
    (gtf,) = (d for d in hg38 if d.option == "--gtf")
    assert gtf.digest_list_url(gtf.urls[0]).endswith("/Gencode_human/release_46/MD5SUMS")
    with pytest.raises(UsageError):
        select_downloads(hg38, (), "hg19")


def sizes_of(assembly):
    rows = (files("factornet") / "resources" / f"{assembly}.chrom.sizes").read_text().splitlines()
    return {name: int(size) for name, size in (row.split() for row in rows)}


@pytest.mark.parametrize(("assembly", "autosomes_and_x"), [("hg19", 3_036_303_846), ("hg38", 3_031_042_417)])
def test_sizes_of_an_assembly_have_its_total(assembly, autosomes_and_x):
    sizes = sizes_of(assembly)
    names = [f"chr{n}" for n in (*range(1, 23), "X")]
    assert sum(sizes[name] for name in names) == autosomes_and_x


@pytest.mark.parametrize(("assembly", "chrom"), [("hg19", "chr21"), ("hg38", "chr21"), ("hg38", "chrM")])
def test_assembly_is_recognised_by_lengths(tmp_path, assembly, chrom):
    letters = np.full(sizes_of(assembly)[chrom], ord("A"), np.uint8).tobytes().decode()
    (tmp_path / "x.fa").write_text(f">{chrom}\n{letters}\n")
    found = read_sequence(tmp_path / "x.fa", tmp_path, chroms=(chrom,), aliases={}, assembly=None)
    assert found.assembly == assembly


def test_effective_genome_sizes_are_below_the_size_of_the_assembly():
    table = json.loads((files("factornet") / "resources" / "effective_genome_sizes.json").read_text())
    assert table["assemblies"]["hg19"]["factornet"] == 2_478_297_382
    assert table["assemblies"]["hg19"]["by_read_length"]["50"] == 2_685_511_454
    assert table["assemblies"]["hg38"]["called"] == 2_913_022_398
    for entry in table["assemblies"].values():
        assert set(entry) - {"also"} <= set(table["sources"])
        assert list(entry["by_read_length"]) == ["50", "75", "100", "150", "200", "250"]
        assert all(0 < size < entry["called"] * 1.01 for size in entry["by_read_length"].values())
    for assembly in ("hg19", "hg38"):
        assert table["assemblies"][assembly]["called"] < sum(sizes_of(assembly).values())
