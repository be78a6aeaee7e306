"""The command that downloads inputs, and the registry that lists them."""

import json

import pytest
from support.publisher import MD5, NAME

from factornet.cli.etl.inputs import fetch as etl_fetch
from factornet.cli.etl.parser import main
from factornet.etl.download.registry import default_registry, read_registry, select_downloads
from factornet.store import StoreError, UsageError


def registry_file(tmp_path, **entries):
    path = tmp_path / "registry.json"
    path.write_text(json.dumps(entries))
    return path


def test_command_downloads_and_prints_the_next_command(server, tmp_path, capsys):
    entry = {"assembly": "hg19", "what": "a genome", "option": "--fasta", "urls": [server.url], "digest": MD5}
    registry = str(registry_file(tmp_path, **{NAME: entry}))
    assert main(["fetch", str(tmp_path / "d"), "--registry", registry]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path}/d/{NAME}: downloaded, 4 MB, compared with the registry" in out
    assert f"next: factornet-etl genome hg19.zarr --fasta {tmp_path}/d/{NAME}" in out
    assert main(["fetch", str(tmp_path / "d"), "--registry", registry, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["new"] is False
    assert main(["fetch", str(tmp_path / "d"), "--registry", registry, "--only", "nothing.gz"]) == 2
    assert "no download 'nothing.gz'; the registry has big.fa.gz" in capsys.readouterr().err
    assert main(["fetch", str(tmp_path / "d"), "--list"]) == 0
    assert "hg19  hg19.fa.gz  genome sequence (UCSC)" in capsys.readouterr().out


def test_environment_names_another_registry(server, tmp_path, capsys, monkeypatch):
    entry = {"assembly": "hg19", "what": "a genome", "option": "--fasta", "urls": [server.url], "digest": MD5}
    monkeypatch.setenv("FACTORNET_REGISTRY", str(registry_file(tmp_path, **{NAME: entry})))
    assert main(["fetch", str(tmp_path / "d")]) == 0
    assert (tmp_path / "d" / NAME).exists()
    monkeypatch.setenv("FACTORNET_REGISTRY", str(tmp_path / "none.json"))
    assert main(["fetch", str(tmp_path / "d")]) == 2
    assert "none.json: not a registry of downloads" in capsys.readouterr().err


def test_interrupted_command_prints_how_to_resume(server, tmp_path, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(etl_fetch, "download_files", interrupt)
    assert main(["fetch", str(tmp_path / "d")]) == 130
    said = "factornet-etl: interrupted; run the same command again to resume\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("../x.gz", {}, "not a plain file name"),
        ("x.gz", {"urls": ["file:///etc/passwd"]}, "must be a list of http"),
        ("x.gz", {"urls": []}, "must be a list of http"),
        ("x.gz", {"digest": "crc:1"}, "neither md5"),
        ("x.gz", {"bytes": -1}, "is not a size"),
        ("x.gz", {"urls": 3}, "the entry 'x.gz': x.gz: urls must be a list"),
        ("x.gz", {"assembly": None}, r"the entry 'x.gz': its assembly None has no place in a command"),
        ("x.gz", {"assembly": "hg19; rm x"}, "its assembly 'hg19; rm x' has no place in a command"),
        ("x.gz", {"option": "--fasta x; rm x"}, "its option '--fasta x; rm x' has no place in a command"),
        ("x.gz", {"more_options": "$(rm x)"}, r"its more_options '\$\(rm x\)' has no place in a command"),
    ],
)
def test_invalid_registry_is_refused(tmp_path, name, change, message):
    entry = {"assembly": "a", "what": "b", "option": "--fasta", "urls": ["http://x/y"], **change}
    with pytest.raises(StoreError, match=message):
        read_registry(registry_file(tmp_path, **{name: entry}))
    (tmp_path / "r.json").write_text("[")
    with pytest.raises(StoreError, match=r"r.json: not a registry of downloads"):
        read_registry(tmp_path / "r.json")
    with pytest.raises(StoreError, match="the entry 'a' lacks 'urls'"):
        read_registry(registry_file(tmp_path, a={"what": "b"}))


def test_default_registry_has_all_inputs_of_hg19():
    registry = read_registry(default_registry())
    hg19 = {d.option for d in select_downloads(registry, (), "hg19")}
    assert hg19 == {"--fasta", "--gtf", "--cpg", "--blacklist", "--track Unique35="}
    assert all(url.startswith("https://") for d in registry for url in d.urls)
    with pytest.raises(UsageError, match="no downloads for assembly 'hg99'; the registry has hg19, hg38"):
        select_downloads(registry, (), "hg99")
