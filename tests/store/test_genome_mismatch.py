"""Cell lines of another genome and invalid attributes, in stores whose digests are right."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.tiny_experiment import SMALL, write_cell

from factornet.cli import etl
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.etl.builders.unpack import unpack_store
from factornet.etl.verify.objects import verify_store
from factornet.store import StoreError, open_store
from factornet.store.format.manifest import with_self_digest


@pytest.fixture
def twin(files) -> Path:
    """A store of another genome with chromosomes of the same names and lengths, and a cell line A built on it."""
    fasta = files / "twin.fa"
    lines = (files / "g.fa").read_text().splitlines()
    other = str.maketrans("ACGT", "TGCA")
    fasta.write_text("".join(f"{line if line.startswith('>') else line.translate(other)}\n" for line in lines))
    build_genome(files / "twin.zarr", GenomeInputs(fasta), GenomeOptions(), Resources(1))
    build_cell(files / "twin.zarr", files / "A", CellOptions(), Resources(1))
    return files / "twin.zarr"


def test_cell_line_of_another_genome_is_refused(files, twin, capsys):
    store = files / "s.zarr"
    shutil.copytree(twin / "cells/A", store / "cells/A")
    with pytest.raises(StoreError, match=r"cells/A: was built on another genome \(sequences .* of the store are .*\)"):
        open_store(store).cell("A")
    (finding,) = verify_store(store).findings
    assert finding.path == "cells/A/zarr.json"
    assert "was built on another genome" in finding.problem
    for command in (["info", str(store)], ["export", str(store), str(files / "x.zip")]):
        assert etl.main(command) == 2
        assert "was built on another genome" in capsys.readouterr().err
    assert etl.main(["build", str(store), str(files / "A"), "--force", "-p", "1"]) == 0
    assert verify_store(store).findings == ()


@pytest.fixture
def shared(files):
    """Return a function that makes a store with shared tracks, optionally with cell line A, and unpacks it."""
    write_cell(files / "B", 2.5)

    def make(name: str, tracks: dict[str, Path], *, build: bool) -> tuple[Path, Path]:
        store, raw = files / f"{name}.zarr", files / f"{name}.raw.zarr"
        build_genome(store, GenomeInputs(files / "g.fa", tracks=tracks), GenomeOptions(layout=SMALL), Resources(1))
        if build:
            build_cell(store, files / "A", CellOptions(layout=SMALL), Resources(1))
        unpack_store(store, raw, Resources(1))
        return store, raw

    return make


@pytest.mark.parametrize("swapped", [False, True])
def test_cell_line_with_a_shared_track_of_other_values_is_refused(files, shared, swapped, capsys):
    """The chromosomes agree, the values of the track differ."""
    a, b = files / "A/s.bw", files / "B/s.bw"
    source_stores = shared("theirs", {"DNase": a, "map": b} if swapped else {"DNase": a}, build=True)
    target_stores = shared("ours", {"DNase": b, "map": a} if swapped else {"DNase": b}, build=False)
    for source, store in zip(source_stores, target_stores, strict=True):
        assert open_store(source).cell("A").tracks[0].shared
        assert verify_store(source).findings == ()
        shutil.copytree(source / "cells/A", store / "cells/A")
        other, one = (open_store(s).info.shared["DNase"][:16] for s in (store, source))
        problem = f"its shared track DNase has other values in the genome of this store \\({other}..., "
        problem += f"it was built on {one}...\\)"
        with pytest.raises(StoreError, match=f"cells/A: {problem}"):
            open_store(store).cell("A")
        (finding,) = verify_store(store).findings
        assert (finding.path, finding.kind) == ("cells/A/zarr.json", "attributes")
        assert re.match(problem, finding.problem)
        assert etl.main(["info", str(store)]) == 2
        assert re.search(problem, capsys.readouterr().err)
    if swapped:  # nor may it be built from a file that the genome has under another name
        assert etl.main(["build", str(target_stores[0]), str(files / "A"), "--force", "-p", "1"]) == 2
        assert "track 'DNase' is shared by all cell lines of the store, from a file" in capsys.readouterr().err
    assert etl.main(["rm", str(target_stores[0]), "A"]) == 0
    assert verify_store(target_stores[0]).findings == ()


def changed(file: Path, key: str, value: object) -> None:
    """Set an attribute of a group and update its self-digest."""
    node = json.loads(file.read_text())
    file.write_bytes(with_self_digest({**node, "attributes": {**node["attributes"], key: value}}))


@pytest.mark.parametrize("value", [5, None, [], {}, "x", "\x1b[31mred\x1b[0m\nall is well", [1], [{"name": 1}]])
@pytest.mark.parametrize(
    "key", ["name", "tracks", "factors", "meta", "provenance", "summary", "manifest", "genome", "shared"]
)
def test_attributes_of_wrong_types_are_refused_in_one_line(store, capsys, key, value):
    changed(store / "cells/K562/zarr.json", key, value)
    right = {"tracks": [], "factors": [], "meta": [], "provenance": {}, "summary": {}, "manifest": "x"}
    if value == right.get(key, 0):
        return  # of the right type: caught by digests and structure
    assert etl.main(["info", str(store)]) == 2
    output = capsys.readouterr().err
    assert output.startswith("factornet-etl: error: ")
    assert output.count("\n") == 1
    assert "\x1b" not in output
    assert etl.main(["verify", str(store), "--quick"]) == 1
    assert "Error" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "key", ["assembly", "chromosomes", "provenance", "genome_manifest", "genome_manifest_objects", "shared"]
)
def test_root_attributes_of_wrong_types_are_refused_in_one_line(store, capsys, key):
    for value in (5, None, "\x1b[31mred", [1]):
        changed(store / "zarr.json", key, value)
        assert etl.main(["info", str(store)]) == 2
        output = capsys.readouterr().err
        assert output.count("\n") == 1
        assert "\x1b" not in output
        assert etl.main(["verify", str(store), "--quick"]) == 1
        capsys.readouterr()


def test_info_reports_a_summary_of_another_form(store, capsys):
    changed(store / "cells/K562/zarr.json", "summary", {})
    assert etl.main(["info", str(store)]) == 2
    assert "a summary in its attributes has another form" in capsys.readouterr().err


def test_hints_of_verify_work_for_paths_with_spaces(store, tmp_path):
    """Unquoted, `rm -r` would remove the first part of the path."""
    location = tmp_path / "my data" / "s.zarr"
    shutil.copytree(store, location)
    (tmp_path / "my").mkdir()
    (location / "cells/K562").rename(location / "cells/K562 old")
    (location / "a folder").mkdir()
    (location / "a note.txt").write_text("x")
    for finding in verify_store(location).findings:
        subprocess.run(finding.remedy.rpartition(": ")[2], shell=True, check=True)
    assert verify_store(location).findings == ()
    assert (tmp_path / "my").is_dir()


def test_building_a_damaged_cell_line_again_reports_the_damage(store, demo_files, capsys):
    (store / "cells/K562/tracks/DGF/chr2/c/0").unlink()
    assert etl.main(["build", str(store), str(demo_files / "cells/K562")]) == 2
    assert "already exists, built from the same inputs and options; " in capsys.readouterr().err
    assert etl.main(["build", str(store), str(demo_files / "cells/K562"), "--repair", "-p", "1"]) == 0
    assert verify_store(store).findings == ()


def test_shared_track_missing_from_the_genome_is_refused(demo_files, store, tmp_path, capsys):
    """The sequences agree, but the genome does not have the track of the cell line."""
    other = tmp_path / "other.zarr"
    build_genome(other, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    shutil.copytree(store / "cells/K562", other / "cells/K562")
    (finding,) = verify_store(other).findings
    assert (finding.path, finding.kind) == ("cells/K562/zarr.json", "attributes")
    problem = "its shared track Unique35 is not in the genome of this store"
    assert finding.problem == problem
    with pytest.raises(StoreError) as error:
        open_store(other).cell("K562")
    assert error.value.problem == problem
    assert error.value.hint == "remove the cell line, or rebuild it on this genome with the force option"
    assert etl.main(["build", str(other), str(demo_files / "cells/K562"), "--force", "-p", "1"]) == 0
    assert verify_store(other).findings == ()


def test_cell_line_is_built_into_a_store_with_a_damaged_genome(files, capsys):
    """Building does not need the genome's values; training does, and the damage is reported."""
    file = files / "s.zarr/genome/sequence/chrA/c/0"
    file.write_bytes(file.read_bytes()[:-1])
    assert etl.main(["build", str(files / "s.zarr"), str(files / "A"), "-p", "1"]) == 1
    output = capsys.readouterr()
    assert "damaged: genome/sequence/chrA/c/0: has" in output.out
    assert [f.path for f in verify_store(files / "s.zarr").findings] == ["genome/sequence/chrA/c/0"]
