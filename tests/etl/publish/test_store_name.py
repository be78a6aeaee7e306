"""A store is written as what its name says: a zip file, or a folder that is not named like an archive."""

from pathlib import Path

import pytest

from factornet.cli import etl
from factornet.store import open_store


@pytest.mark.parametrize("name", ["x.zip", "x.ZIP"])
def test_zip_file_is_exported_and_opened_by_any_case_of_its_name(tiny_store, tmp_path, name):
    assert etl.main(["export", str(tiny_store), str(tmp_path / name)]) == 0
    assert (tmp_path / name).is_file()
    assert open_store(tmp_path / name).cells == open_store(tiny_store).cells


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.TGZ", "x.zarr.7z"])
@pytest.mark.parametrize("command", ["export", "unpack", "import"])
def test_folder_named_like_an_archive_is_refused(tiny_store, tmp_path, capsys, command, name):
    assert etl.main([command, str(tiny_store), str(tmp_path / name)]) == 2
    problem = f"{name}: a store is written as a folder, and this is the name of a {Path(name).suffix} file; name it"
    assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["s2.zip", "s2.ZIP", "s2.tar"])
def test_genome_is_not_built_under_the_name_of_an_archive(files, capsys, name):
    before = sorted(p.name for p in files.iterdir())
    assert etl.main(["genome", str(files / name), "--fasta", str(files / "g.fa"), "-p", "1"]) == 2
    assert "name it s2.zarr, and make a zip file of it with `factornet-etl export" in capsys.readouterr().err
    assert sorted(p.name for p in files.iterdir()) == before
