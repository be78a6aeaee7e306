"""Uniqueness from a FASTA to a bigWig and to a store: values, what is counted, interruption, faults."""

import gzip
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from support.slow_uniqueness import COMPLEMENTS, read_bigwig, slow_uniqueness

from factornet.cli import etl
from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome
from factornet.etl.shards import executor
from factornet.etl.uniqueness.compute import UniquenessOptions, write_uniqueness
from factornet.etl.verify.objects import verify_store
from factornet.model.data.signals import track_signals
from factornet.store import InputError, StoreError, UsageError, open_store
from factornet.store.windows.inputs import WindowInputs


def random_bases(size: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), size))


def write_fasta(path, sequences, width=60):
    lines = []
    for name, sequence in sequences.items():
        lines += [f">{name} a comment", *(sequence[i : i + width] for i in range(0, len(sequence), width))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def sequences():
    """Chromosomes that share a repeat, with N and lower case, and records that are left out."""
    repeat = random_bases(500, 99)
    chr1 = random_bases(9000, 1) + repeat + "N" * 50 + repeat[:300] + random_bases(3000, 2)
    chr2 = random_bases(2000, 3) + repeat + "R" + random_bases(2500, 4) + "GATTACA" * 60
    chr3 = repeat[100:] + random_bases(700, 5)
    others = {"chr1_gl000191_random": chr1[:4000], "chr6_cox_hap2": chr2[:3000], "chr1_KI270762v1_alt": repeat}
    return {"chr1": chr1, "chr2": chr2, **others, "chrX": chr3, "chrUn_gl000211": chr1[1000:1500], "chrM": "ACGT" * 4}


def counted(sequences):
    left_out = ("chr1_gl000191_random", "chr6_cox_hap2", "chr1_KI270762v1_alt")
    return {name: sequence.upper() for name, sequence in sequences.items() if name not in left_out}


def assert_equal(path, expected):
    got = read_bigwig(path, {name: values.size for name, values in expected.items()})
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


@pytest.mark.parametrize("k", [20, 35, 50])
def test_bigwig_has_the_values_of_the_definition(tmp_path, sequences, k):
    sequences["chr2"] = sequences["chr2"][:3000].lower() + sequences["chr2"][3000:]
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    expected = slow_uniqueness(counted(sequences), k)
    found = write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(k, pass_size=3000), Resources(1))
    assert_equal(tmp_path / "u.bw", expected)
    values = np.concatenate(list(expected.values()))
    classes = (np.isnan(values), *(values == np.float32(1 / n) for n in range(1, 5)), values == 0)
    assert found.bases == tuple(int(c.sum()) for c in classes)
    assert min(found.bases) > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.fa", "u.bw"]


@pytest.mark.parametrize("k", [20, 35, 50])
def test_copies_on_both_strands_count_if_asked_for(tmp_path, sequences, capsys, k):
    sequences["chr2"] += "N" + sequences["chr1"][9100:9900].translate(COMPLEMENTS)[::-1] + "ACGT" * 30
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    words = ["uniqueness", "--fasta", str(fasta), "-k", str(k), "--strands", "both", "-p", "1"]
    assert etl.main([*words, "-o", str(tmp_path / "u.bw")]) == 0
    expected = slow_uniqueness(counted(sequences), k, both_strands=True)
    assert_equal(tmp_path / "u.bw", expected)
    assert (expected["chr1"] != slow_uniqueness(counted(sequences), k)["chr1"]).sum() > 700
    assert f"{k}-mers, counted on both strands: unique" in capsys.readouterr().out


def test_values_do_not_depend_on_passes_workers_or_compression(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    (tmp_path / "g.fa.gz").write_bytes(gzip.compress(fasta.read_bytes()))
    write_uniqueness(fasta, tmp_path / "a.bw", UniquenessOptions(), Resources(1))
    write_uniqueness(tmp_path / "g.fa.gz", tmp_path / "b.bw", UniquenessOptions(pass_size=500), Resources(2))
    assert (tmp_path / "a.bw").read_bytes() == (tmp_path / "b.bw").read_bytes()


def test_command_says_what_it_counted_and_left_out(tmp_path, sequences, capsys):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    words = ["uniqueness", "--fasta", str(fasta), "-o", str(tmp_path / "u.bw"), "-p", "1"]
    assert etl.main(words) == 0
    said = capsys.readouterr().out
    size = sum(map(len, counted(sequences).values()))
    assert f"counted in 5 records of {size:,} bases (chr1, chr2, chrX, chrUn_gl000211, chrM)" in said
    assert "left out as *_random, *_hap[0-9]*, *_alt: 3 records of 7,500 bases (chr1_gl000191_random" in said
    assert etl.main(words) == 2
    assert "u.bw: already exists" in capsys.readouterr().err
    assert etl.main([*words, "--force", "--json", "-k", "20", "--exclude", "chrU*", "chrX"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["k"], list(content["left_out"])) == (20, ["chrX", "chrUn_gl000211"])
    assert content["bases"]["1"] > 0
    assert sum(content["bases"].values()) == sum(content["counted"].values())
    assert etl.main([*words, "--force", "--exclude", "none"]) == 0
    assert "left out" not in capsys.readouterr().out
    assert_equal(tmp_path / "u.bw", slow_uniqueness({n: s.upper() for n, s in sequences.items()}, 35))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-k", "7"], "-k: k-mers of 7 bases are not counted; choose 8 to 200"),
        (["--exclude", "*"], "no record is left to count k-mers in: chr1, chr2, "),
        (["-k", "200", "--exclude", "chr[126X]*"], "no record has 200 letters A, C, G or T in a row"),
    ],
)
def test_what_cannot_be_counted_is_one_line(tmp_path, sequences, capsys, words, message):
    fasta = write_fasta(tmp_path / "g.fa", {**sequences, "chrUn_gl000211": "ACGT" * 30})
    assert etl.main(["uniqueness", "--fasta", str(fasta), "-o", str(tmp_path / "u.bw"), "-p", "1", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.glob("*u.bw*building")) + list(tmp_path.glob("u.bw"))


def test_missing_folder_and_damaged_fasta_are_refused(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    with pytest.raises(InputError, match="its folder does not exist"):
        write_uniqueness(fasta, tmp_path / "no" / "u.bw", UniquenessOptions(), Resources(1))
    fasta.write_text(fasta.read_text() + ">chr1\nACGT\n")
    with pytest.raises(InputError, match="duplicate record 'chr1'"):
        write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(), Resources(1))


def test_output_may_have_any_name_but_that_of_the_input(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    before = fasta.read_bytes()
    write_uniqueness(fasta, tmp_path / "packed", UniquenessOptions(), Resources(1))
    assert_equal(tmp_path / "packed", slow_uniqueness(counted(sequences), 35))
    (tmp_path / "link.bw").symlink_to(fasta)
    for name in ("g.fa", "link.bw"):
        with pytest.raises(UsageError, match=f"{name}: is the FASTA; give the bigWig another name"):
            write_uniqueness(fasta, tmp_path / name, UniquenessOptions(), Resources(1), overwrite=True)
    assert fasta.read_bytes() == before


def test_fasta_that_changes_meanwhile_is_refused(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)

    def change(report):
        if report.name == "k-mers by bucket":
            fasta.write_text(fasta.read_text().replace("GATTACA", "GATTACC"))

    with pytest.raises(InputError, match="was changed while it was being read"):
        write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(), Resources(1), on_report=change)
    assert not (tmp_path / "u.bw").exists()


def interrupt_after(n):
    """A callback that interrupts after so many reports."""
    seen = []

    def on_report(report):
        seen.append(report)
        if len(seen) == n:
            raise KeyboardInterrupt

    return on_report


def test_interrupted_run_resumes_after_the_finished_tasks(tmp_path, sequences, monkeypatch):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    options = UniquenessOptions(pass_size=2000)
    whole = write_uniqueness(fasta, tmp_path / "whole.bw", options, Resources(1))
    for stop in (1, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            write_uniqueness(fasta, tmp_path / "u.bw", options, Resources(1), on_report=interrupt_after(stop))
        assert not (tmp_path / "u.bw").exists()
    damaged = next((tmp_path / ".u.bw.building").rglob("copies/*"))  # of any pass: dask has an order of its own
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    ran, run = [], executor.run
    monkeypatch.setattr("factornet.etl.shards.journal.run", lambda t, *a, **k: ran.extend(t) or run(t, *a, **k))
    found = write_uniqueness(fasta, tmp_path / "u.bw", options, Resources(1))
    n = len(whole.reports)
    assert len(ran) == n - 5
    assert found.resumed == f"resumed an interrupted build: 5 of {n} tasks were already done"
    assert (tmp_path / "u.bw").read_bytes() == (tmp_path / "whole.bw").read_bytes()
    assert not (tmp_path / ".u.bw.building").exists()


def test_interrupted_run_with_other_options_starts_again(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    with pytest.raises(KeyboardInterrupt):
        write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(), Resources(1), on_report=interrupt_after(3))
    found = write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(20), Resources(1))
    assert found.resumed.startswith("did not resume an interrupted build, changed since then: options (k: 35 before")
    assert_equal(tmp_path / "u.bw", slow_uniqueness(counted(sequences), 20))


def test_killed_command_leaves_no_file_and_is_resumed(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", {**sequences, "chr4": random_bases(2_000_000, 7)})
    command = [sys.executable, "-m", "factornet.cli.etl", "uniqueness", "--fasta", fasta, "-o", tmp_path / "u.bw"]
    process = subprocess.Popen([*map(str, command), "-p", "1"])
    journal, end = tmp_path / ".u.bw.building/journal.jsonl", time.monotonic() + 60
    while time.monotonic() < end and not (journal.exists() and len(journal.read_text().splitlines()) > 1):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "u.bw").exists()
    found = write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(), Resources(1))
    assert "tasks were already done" in found.resumed
    write_uniqueness(fasta, tmp_path / "whole.bw", UniquenessOptions(), Resources(1))
    assert (tmp_path / "u.bw").read_bytes() == (tmp_path / "whole.bw").read_bytes()


# In a store


def test_computed_track_equals_the_bigwig_given_as_a_track(tmp_path, sequences, capsys):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    common = ["--fasta", str(fasta), "-p", "1"]
    assert etl.main(["uniqueness", *common, "-o", str(tmp_path / "Unique35.bw")]) == 0
    given = f"Unique35={tmp_path / 'Unique35.bw'}"
    assert etl.main(["genome", str(tmp_path / "given.zarr"), *common, "--track", given]) == 0
    capsys.readouterr()
    assert etl.main(["genome", str(tmp_path / "s.zarr"), *common, "--uniqueness", "35"]) == 0
    said = capsys.readouterr().out
    assert "track Unique35: left out as *_random, *_hap[0-9]*, *_alt: 3 records" in said
    computed, expected = open_store(tmp_path / "s.zarr"), open_store(tmp_path / "given.zarr")
    assert computed.info.shared == expected.info.shared
    assert computed.info.summary == expected.info.summary
    assert computed.info.provenance["inputs"] == expected.info.provenance["inputs"]
    assert computed.info.provenance["options"]["uniqueness"]["k"] == 35
    for chrom in computed.coordinates.names:
        values = computed.array(f"genome/tracks/Unique35/{chrom}")[:]
        np.testing.assert_array_equal(values, np.nan_to_num(slow_uniqueness(counted(sequences), 35)[chrom]))
    assert verify_store(str(tmp_path / "s.zarr")).findings == ()
    sources = ["--against-sources", str(tmp_path / "Unique35.bw"), str(fasta)]
    assert etl.main(["verify", str(tmp_path / "s.zarr"), *sources]) == 0
    assert sorted(p.name for p in tmp_path.glob("*zarr*")) == ["given.zarr", "s.zarr"]


def test_interrupted_genome_resumes_its_uniqueness(tmp_path, sequences):
    inputs = GenomeInputs(write_fasta(tmp_path / "g.fa", sequences))
    options = GenomeOptions(uniqueness=UniquenessOptions(pass_size=2000))
    build_genome(tmp_path / "whole.zarr", inputs, options, Resources(1))
    for stop in (5, 10, 20):
        with pytest.raises(KeyboardInterrupt):
            build_genome(tmp_path / "s.zarr", inputs, options, Resources(1), on_report=interrupt_after(stop))
    done = (tmp_path / "s.zarr.building/genome/uniqueness/journal.jsonl").read_text().count('"sha256"')
    report = build_genome(tmp_path / "s.zarr", inputs, options, Resources(1))
    assert (
        f"track Unique35: resumed an interrupted build: {done - 1} of {done - 1} tasks were already done"
        in report.notes
    )
    whole, resumed = open_store(tmp_path / "whole.zarr").info, open_store(tmp_path / "s.zarr").info
    assert whole == resumed
    assert [p.name for p in tmp_path.glob("s.zarr*")] == ["s.zarr"]


def test_cell_line_shares_the_computed_track_by_the_file_of_the_command(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    build_genome(tmp_path / "s.zarr", GenomeInputs(fasta), GenomeOptions(uniqueness=UniquenessOptions()), Resources(1))
    cell = tmp_path / "K562"
    cell.mkdir()
    write_uniqueness(fasta, cell / "u35.bw", UniquenessOptions(), Resources(1))
    (cell / "bigwig.txt").write_text("u35.bw\tUnique35\n")
    assert etl.main(["build", str(tmp_path / "s.zarr"), str(cell), "-p", "1"]) == 0
    assert [t.shared for t in open_store(tmp_path / "s.zarr").cell("K562").tracks] == [True]


def test_cell_line_has_the_computed_track_without_a_row(tmp_path, sequences):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    options = GenomeOptions(uniqueness=UniquenessOptions())
    build_genome(tmp_path / "s.zarr", GenomeInputs(fasta), options, Resources(1))
    (tmp_path / "K562").mkdir()
    write_uniqueness(fasta, tmp_path / "K562" / "other.bw", UniquenessOptions(20), Resources(1))
    (tmp_path / "K562" / "bigwig.txt").write_text("other.bw\tDGF\n")
    assert etl.main(["build", str(tmp_path / "s.zarr"), str(tmp_path / "K562"), "-p", "1"]) == 0
    store = open_store(tmp_path / "s.zarr")
    assert store.cell("K562").track_names == ("DGF",)
    assert [(t.name, t.shared) for t in store.tracks_of("K562")] == [("DGF", False), ("Unique35", True)]
    inputs = WindowInputs.of(store, ("K562",), tracks=("Unique35", "DGF"), meta=False, gencode=False)
    assert inputs.tracks == ("Unique35", "DGF")
    own = store.array("genome/tracks/Unique35/chr1")[:]
    np.testing.assert_array_equal(store.track("K562", "Unique35", "chr1")[:], own)
    with pytest.raises(UsageError, match="cell line K562 has no track 'x'; it has DGF, Unique35"):
        store.track_path("K562", "x", "chr1")
    assert set(track_signals(store, ("K562",), ("Unique35",))["Unique35"]["K562"]) == {"assay", "units", "figures"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--uniqueness", "300"], "--uniqueness: k-mers of 300 bases are not counted"),
        (["--uniqueness-exclude", "x"], "--uniqueness-exclude: needs --uniqueness"),
        (["--uniqueness-strands", "both"], "--uniqueness-strands: needs --uniqueness"),
        (["--uniqueness", "35", "--track", "Unique35=g.fa"], "the track Unique35 is given, and is to be computed too"),
        (["--uniqueness", "35", "--chroms", "chr1", "chr1_KI270762v1_alt"], "the store has chr1_KI270762v1_alt, which"),
    ],
)
def test_genome_that_cannot_have_the_track_is_refused(tmp_path, sequences, capsys, words, message):
    fasta = str(write_fasta(tmp_path / "g.fa", sequences))
    words = [word.replace("g.fa", fasta) for word in words]
    assert etl.main(["genome", str(tmp_path / "s.zarr"), "--fasta", fasta, "-p", "1", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("s.zarr*"))


def test_disk_with_too_little_space_is_refused_before_work(tmp_path, sequences, monkeypatch):
    fasta = write_fasta(tmp_path / "g.fa", sequences)
    monkeypatch.setattr("factornet.etl.uniqueness.compute._DISK", 1e12)
    with pytest.raises(StoreError, match=r"computing uniqueness takes .* are missing; free disk space"):
        write_uniqueness(fasta, tmp_path / "u.bw", UniquenessOptions(), Resources(1))


def test_length_of_kmers_is_checked():
    for k in (0, 7, 201):
        with pytest.raises(UsageError, match=f"k-mers of {k} bases are not counted; choose 8 to 200"):
            UniquenessOptions(k)


# Whole genomes


def test_demo_genome_equals_a_count_of_strings(tmp_path, demo_files):
    records = (demo_files / "genome.fa").read_text().upper().split(">")[1:]
    sequences = {r.split("\n", 1)[0].lower(): r.split("\n", 1)[1].replace("\n", "") for r in records}
    write_uniqueness(demo_files / "genome.fa", tmp_path / "u.bw", UniquenessOptions(), Resources(1))
    assert_equal(tmp_path / "u.bw", slow_uniqueness(sequences, 35))
