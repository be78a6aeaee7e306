"""A cart of 30 files on a server that fails becomes folders, a store, a model and predictions, with four commands.

The store of the genome is there before: fetch, build, train, predict.
"""

import gzip
import hashlib
import json
import shlex

import numpy as np
import pytest
from support.encode_cart import ServedCart, dnase, file_name, peaks, write_cart
from support.servers import Proxy, serving, web_server
from support.simulated_reads import simulate_bam
from support.tiny_experiment import LENGTHS

from factornet.cli import etl, predict, train
from factornet.store import open_store


@pytest.fixture
def genome(demo_files, tmp_path):
    words = f"genome {tmp_path / 'hg38.zarr'} --assembly demo --fasta {demo_files / 'genome.fa'} -p 1"
    assert etl.main(shlex.split(words)) == 0
    return tmp_path / "hg38.zarr"


def test_cart_becomes_predictions_with_four_commands(genome, demo_files, tmp_path, settings, capsys):
    cart = write_cart(tmp_path / "www", demo_files)
    (tmp_path / "cells").mkdir()
    with web_server(cart.folder) as upstream, serving(Proxy(upstream)) as proxy:
        faults = {1: "503", 2: "half"}
        proxy.fault = lambda method, path, nth: faults.get(nth)
        (tmp_path / "metadata.tsv").write_text(cart.table(proxy.url))
        words = f"fetch --encode {tmp_path / 'metadata.tsv'} {tmp_path / 'cells'} --assembly GRCh38"
        assert etl.main(shlex.split(words)) == 0
    assert etl.main(shlex.split(f"build {genome} {tmp_path / 'cells/HepG2'} {tmp_path / 'cells/K562'} -p 1")) == 0
    store = open_store(str(genome))
    sources = store.cell("K562").provenance["sources"]
    assert sources["ENCFF022MAX.narrowPeak.gz"]["experiment"] == "ENCSR022MAX"
    assert sources["ENCFF022MAX.narrowPeak.gz"]["lab"] == "Richard Myers, HAIB"
    assert sorted(sources) == sorted(i["name"] for i in store.cell("K562").provenance["inputs"])
    words = f"-f CTCF -i HepG2 -t chr21 -k 8 -r 2 -d 4 -n 1 -e 1 -b 50 --threads 1 --device cpu -o {tmp_path / 'm'}"
    assert train.main(["--store", str(genome), *shlex.split(words)]) == 0
    words = f"-f CTCF -i K562 -m {tmp_path / 'm'} --regions chr21:100000-160000 --device cpu -o {tmp_path / 'p.bed.gz'}"
    assert predict.main(["--store", str(genome), *shlex.split(words)]) == 0
    with gzip.open(tmp_path / "p.bed.gz", "rt") as file:
        assert sum(1 for _ in file) == (60_000 - 200) // 50 + 1
    assert "factors" in capsys.readouterr().out


def test_alignments_of_two_replicates_become_one_track(files, tmp_path, settings):
    """Of the tiny experiment: the track of both BAMs is that of a build from them without a folder."""
    rows = [dnase(f"ENCFF00{i}DNA", "bam", "alignments", "ENCSR001DNA", "C", biological=str(i)) for i in (1, 2)]
    rows.append(peaks("ENCFF003CTC", "IDR thresholded peaks", "ENCSR003CTC", "C", "CTCF"))
    served = ServedCart(tmp_path / "www", rows)
    for i, r in enumerate(rows):
        path = tmp_path / "www/files" / r["File accession"] / "@@download" / file_name(r)
        path.parent.mkdir(parents=True)
        if r["File format"] == "bam":
            simulate_bam(path, LENGTHS, 500, seed=i)
        else:
            path.write_bytes(gzip.compress(b"chrA\t5000\t5200\t.\t0\t.\t1.5\t-1\t-1\t100\n"))
        r |= {"Size": str(path.stat().st_size), "md5sum": hashlib.md5(path.read_bytes()).hexdigest()}
    with web_server(served.folder) as url:
        (tmp_path / "metadata.tsv").write_text(served.table(url))
        assert etl.main(["fetch", "--encode", str(tmp_path / "metadata.tsv"), str(tmp_path / "cells")]) == 0
    scale = "--effective-genome-size 30000 -p 1"
    assert etl.main(shlex.split(f"build {files / 's.zarr'} {tmp_path / 'cells/C'} {scale}")) == 0
    bams = " ".join(str(tmp_path / f"cells/C/ENCFF00{i}DNA.bam") for i in (1, 2))
    words = f"build {files / 's.zarr'} --reads {bams} --cell D --assay dnase {scale}"
    assert etl.main(shlex.split(words)) == 0
    store = open_store(str(files / "s.zarr"))
    assert store.cell("C").track_names == store.cell("D").track_names == ("DGF",)
    for chrom in LENGTHS:
        found, expected = (store.array(f"cells/{cell}/tracks/DGF/{chrom}")[:] for cell in "CD")
        assert found.max() > 0
        np.testing.assert_array_equal(found, expected)
    assert sorted(store.cell("C").provenance["sources"]) == [
        "ENCFF001DNA.bam", "ENCFF002DNA.bam", "ENCFF003CTC.narrowPeak.gz",
    ]  # fmt: skip


def test_sources_are_compared_and_shown(files, capsys):
    """Of the tiny experiment: a cell line built without them, then with them."""
    words = ["build", str(files / "s.zarr"), str(files / "A"), "-p", "1"]
    assert etl.main(words) == 0
    assert "sources" not in open_store(str(files / "s.zarr")).cell("A").provenance
    source = {"s.bw": {"accession": "ENCFF001AAA", "experiment": "ENCSR001AAA"}, "of no sheet": {"lab": "x"}}
    (files / "A/sources.json").write_text(json.dumps(source))
    assert etl.main(words) == 2
    assert "changed since then: sources (s.bw)" in capsys.readouterr().err
    assert etl.main([*words, "--force"]) == 0
    assert etl.main(words) == 0
    assert open_store(str(files / "s.zarr")).cell("A").provenance["sources"] == {"s.bw": source["s.bw"]}
    capsys.readouterr()
    assert etl.main(["info", str(files / "s.zarr")]) == 0
    assert "A: 1 of 2 input files from ENCSR001AAA\n" in capsys.readouterr().out
    assert etl.main(["verify", str(files / "s.zarr")]) == 0
    (files / "A/sources.json").write_text("{")
    assert etl.main(words) == 2
    assert "sources.json:1: not JSON" in capsys.readouterr().err
