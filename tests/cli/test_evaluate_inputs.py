"""factornet-evaluate reads what its users have: measures equal, all that is left out counted, never a traceback."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pyBigWig
import pytest

from factornet.cli import evaluate
from factornet.model import Bins, write_bedgraph, write_bigwig
from factornet.model.prediction.bins import bins_of_regions
from factornet.model.prediction.sidecar import PredictionRecord, replacing_with_sidecar
from factornet.store import open_store, parse_region, read_span


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def bins(store):
    return bins_of_regions([parse_region("chr21", store.coordinates)], store.coordinates, stride=50)


@pytest.fixture(scope="module")
def scores(store, bins):
    """Better than chance, with ties."""
    labels = read_span(store.labels("K562", "chr21"), 0, len(bins))[:, 0]
    random = np.random.default_rng(0).random(len(bins))
    return np.round(0.3 * random + 0.5 * (labels == 1), 3).astype(np.float32)


@pytest.fixture
def command(demo_store, capsys):
    """The command: status, and what it printed as JSON or text."""

    def run(path, *options):
        arguments = [path, "--store", demo_store, "-i", "K562", "-f", "CTCF", *options]
        status = evaluate.main([str(a) for a in arguments])
        return status, capsys.readouterr()

    return run


@pytest.fixture
def lines(bins, scores):
    rows = zip(bins.start.tolist(), bins.stop.tolist(), scores.tolist(), strict=True)
    return [f"chr21\t{a}\t{b}\t{s:.3f}\n" for a, b, s in rows]


def measures(command, path, *options):
    status, shown = command(path, *options, "--json")
    assert status == 0, shown.err
    content = json.loads(shown.out)
    return content["scores"]["model"], content["input"]


def test_bigwig_is_scored_as_the_bedgraph(command, store, bins, scores, tmp_path):
    """Scores of three decimals are the same in both."""
    write_bedgraph(tmp_path / "x.bed.gz", bins, scores, store.coordinates)
    write_bigwig(tmp_path / "x.bw", bins, scores, store.coordinates)
    (tmp_path / "x.bw").rename(tmp_path / "renamed.txt")  # the content decides
    expected, counts = measures(command, tmp_path / "x.bed.gz")
    assert expected["average_precision"] > 0.9
    assert (counts["bins"], counts["bins_from"], counts["bins_without_score"]) == (len(bins), "bins", 0)
    found, counts = measures(command, tmp_path / "renamed.txt")
    assert found == pytest.approx(expected, rel=1e-12)
    assert (counts["bins"], counts["bins_from"], counts["bins_without_score"]) == (len(bins), "middles", 0)


def test_measures_are_equal_however_the_table_is_written(command, lines, tmp_path):
    text = "".join(lines)
    (tmp_path / "first.bed").write_text(text)
    expected, _ = measures(command, tmp_path / "first.bed")
    shuffled = [lines[i] for i in np.random.default_rng(1).permutation(len(lines))]
    files = {
        "F.CTCF.K562.tab.gz": gzip.compress(text.encode()),
        "heading.txt": ("chrom start stop score\n" + text).encode(),
        "crlf.bedgraph": ("\ufefftrack type=bedGraph\n" + text).replace("\n", "\r\n").encode(),
        "shuffled.tsv": "".join(shuffled).encode(),
        "twice.bed": (text + text).encode(),
        "spaces.bed": text.replace("\t", " ").encode(),
        "more.bed": text.replace("\n", "\t+\tx\n").encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert measures(command, tmp_path / name)[0] == expected


def test_all_that_is_left_out_is_printed(command, lines, tmp_path):
    odd = [
        "chrY\t0\t200\t0.5\n",
        "chrY\t50\t250\t0.5\n",
        "chrUn_1\t0\t200\t1\n",
        lines[0],
        lines[1].replace("0.", "7."),
    ]
    kept = ["chrom start stop score\n", *lines[:-3], lines[-3].replace("\t0.", "\t1."), *odd]
    (tmp_path / "x.bed").write_text("".join(kept) + lines[-2].rsplit("\t", 1)[0] + "\tNA\textra\n")
    status, shown = command(tmp_path / "x.bed")
    assert status == 0, shown.err
    for text in (
        "2 bins of these chromosomes left out: no score",
        "3 intervals left out: on chrY, chrUn_1, not in the store",
        "1 interval left out: no score",
        "2 intervals left out: repeated; the first is used",
        "1 repeated interval with another score than the first",
        "1 score outside 0 to 1: only their order counts",
        "1 heading skipped",
        "1 line with more than 4 columns: the others are not used",
    ):
        assert f"x.bed: {text}\n" in shown.out
    counts = measures(command, tmp_path / "x.bed")[1]
    assert counts["intervals_on_other_chromosomes"] == {"chrY": 2, "chrUn_1": 1}
    assert (counts["bins"], counts["intervals_without_score"]) == (len(lines) - 2, 1)


def test_bin_past_the_end_is_left_out_and_printed(command, lines, tmp_path, store):
    length = store.coordinates.lengths[store.coordinates.index("chr21")]
    (tmp_path / "x.bed").write_text("".join(lines) + f"chr21\t{length - 150}\t{length + 50}\t0.5\n")
    status, shown = command(tmp_path / "x.bed")
    assert (status, "1 interval left out: past the end of the chromosome" in shown.out) == (0, True)


def test_names_of_chromosomes_need_an_alias(command, lines, tmp_path):
    (tmp_path / "x.bed").write_text("".join(lines).replace("chr21", "21"))
    status, shown = command(tmp_path / "x.bed")
    assert status == 2
    assert "no score on a chromosome of the store; the file has 21, the store chr2, " in shown.err
    assert "give --chrom-alias 21=chr21" in shown.err
    assert measures(command, tmp_path / "x.bed", "--chrom-alias", "21=chr21")[1]["bins"] == len(lines)


def test_intervals_of_a_signal_are_said(command, lines, tmp_path):
    """50 bases each, starting where a bin starts: which score is used is printed."""
    rows = [line.split("\t") for line in lines]
    (tmp_path / "x.bdg").write_text("".join(f"{c}\t{a}\t{int(a) + 50}\t{s}" for c, a, _, s in rows))
    status, shown = command(tmp_path / "x.bdg")
    assert status == 0
    assert "x.bdg: the intervals are not bins: each bin has the score of the base in its middle\n" in shown.out


BAD = {
    "empty": (b"", "no score in the file"),
    "comments alone": (b"#\n", "no score in the file"),
    "NA alone": (b"chr21\t0\t200\tNA\n", "no score in the file (1 intervals without one)"),
    "bam": (gzip.compress(b"BAM\1" + bytes(99)), "is a BAM file, no table of scores"),
    "vcf": (b"##fileformat=VCFv4.2\nchr21\t5\t.\tA\tC\n", "is a VCF file"),
    "peaks": (b"chr21\t1000\t1200\tpeak1\t100\t.\n", "x.bed:1: cannot be read"),
    "other bins": (b"chr21\t1010\t1210\t0.5\nchr21\t1060\t1260\t1\n", "2 of 2 intervals are not bins with labels"),
    "one bin": (
        b"chr21\t1000\t1200\t0.5\n",
        "no bound bin of CTCF in K562 among 1 bin with a score: the measures need both",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_refused_on_one_line(command, tmp_path, name):
    content, message = BAD[name]
    (tmp_path / "x.bed").write_bytes(content)
    status, shown = command(tmp_path / "x.bed")
    (line,) = (text for text in shown.err.splitlines() if "error" in text)
    assert (status, message in line, "x.bed" in line) == (2, True, name != "one bin"), line


def test_folder_without_a_table_is_refused(command, tmp_path):
    status, shown = command(tmp_path)
    assert (status, "a folder without predictions.json" in shown.err, shown.err.count("\n")) == (2, True, 1)


def test_recorded_predictions_of_intervals_that_are_not_bins_are_refused(command, store, tmp_path):
    """They would be taken for a signal; the record says that they are none."""
    write_bedgraph(
        tmp_path / "x.bed", Bins(*np.array([[4], [1000], [9000]])), np.ones(1, np.float32), store.coordinates
    )
    record = PredictionRecord(
        factor="CTCF",
        cell="K562",
        model={},
        trainings=(),
        assembly="demo",
        chromosomes={c.name: c.digest for c in store.info.chromosomes},
        manifests={},
        intervals={},
        options={"bed": "x.bed"},
    )
    data = (tmp_path / "x.bed").read_bytes()
    with replacing_with_sidecar(
        tmp_path / "x.bed", lambda file_sha256: replace(record, file_sha256=file_sha256)
    ) as part:
        part.write_bytes(data)
    status, shown = command(tmp_path / "x.bed")
    assert (status, "it is recorded that intervals were predicted which are not bins with labels" in shown.err) == (
        2,
        True,
    )


def test_bigwig_whose_chromosomes_have_other_intervals_is_a_signal(command, store, tmp_path):
    """Bins on chr21, one wide interval on chr1, and a stray one on chr2 that has the middle of no bin."""
    rows = [
        ("chr2", 20, 60, 0.5),
        ("chr1", 0, 90_000, 0.5),
        *(("chr21", a, a + 50, a / 1e6) for a in range(75, 400_000, 50)),
    ]
    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader(list(zip(store.coordinates.names, store.coordinates.lengths, strict=True)), maxZooms=0)
        for name, start, stop, value in rows:
            file.addEntries([name], [start], ends=[stop], values=[value])
    _, counts = measures(command, tmp_path / "x.bw")
    n_chr1 = (90_000 - 200) // 50 + 2  # the middle of one more lies before the end of the interval
    assert (counts["bins_from"], counts["bins"]) == ("signal", n_chr1 + len(rows) - 2)
