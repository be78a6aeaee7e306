"""A training that has ended, whose states were removed: resuming would begin again and replace its weights."""

from factornet.cli import train


def test_resuming_an_ended_training_without_its_states_is_refused(demo_store, tmp_path, capsys):
    options = "-f CTCF -k 4 -r -1 -d 4 -i GM12878 -v chr11 -t chr21 --device cpu --threads 1".split()
    words = ["--store", str(demo_store), *options, "-o", f"{tmp_path}/m"]
    assert train.main([*words, "-e", "1"]) == 0
    for path in (tmp_path / "m").glob("last-*"):
        path.unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    capsys.readouterr()
    assert train.main([*words, "-e", "2", "--resume"]) == 2
    assert "its training states (last-*.json) are missing: to start again would replace" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before
