"""What predictions are evaluated on: another factor or cell line, and bins that the model has seen, are found."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.sealed import change_sealed

from factornet.cli import evaluate
from factornet.model import Bins, ModelCard, NetworkConfig, write_bedgraph
from factornet.model.data.inputs import manifest_digests
from factornet.model.evaluation.provenance import count_seen, find_changes, find_mismatches
from factornet.model.model_dir.card import TrainingData
from factornet.model.prediction.sidecar import PredictionRecord, read_record, replacing_with_sidecar
from factornet.store import InputError, open_store


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def training(store):
    return TrainingData(
        cells=("GM12878",),
        valid_cells=("HepG2",),
        valid=("chr11:0-600000", "chrOther:0-5"),
        test=("chr1:0-1200000",),
        chromosomes=("chr2", "chr11", "chr1", "chrOther"),
        manifests=manifest_digests(store, ("GM12878", "HepG2")),
    )


@pytest.fixture(scope="module")
def record(store, training):
    return PredictionRecord(
        factor="CTCF",
        cell="K562",
        model={},
        trainings=(training,),
        assembly="demo",
        chromosomes={c.name: c.digest for c in store.info.chromosomes},
        manifests=manifest_digests(store, ("K562",)),
        intervals={},
        options={},
    )


@pytest.fixture(scope="module")
def bins(store):
    """Five bins on each chromosome: chr2, chr7, chr11 (three of them up to 600,000), chr1, chr21; 975 more on chr21."""
    chrom = np.concatenate([np.repeat(np.arange(5), 5), np.full(975, 4)])
    start = np.concatenate([np.tile([1000, 100_000, 599_900, 600_000, 900_000], 5), 200_000 + 200 * np.arange(975)])
    return Bins(chrom, start, start + 200)


def seen(record, store, cell, bins):
    counts = count_seen(record.trainings, store, cell, bins)
    return counts.trained, counts.validated, counts.elsewhere, counts.total


def test_bins_are_counted_by_what_the_training_did_with_them(record, store, bins):
    """Trained on chr2 and the last 600 kb of chr11; the third bin on chr11 is in both parts."""
    assert seen(record, store, "GM12878", bins) == (8, 0, 2, 1000)
    assert seen(record, store, "HepG2", bins) == (0, 3, 7, 1000)
    assert seen(record, store, "K562", bins) == (0, 0, 10, 1000)


def test_cell_line_of_the_same_data_is_the_same_by_any_name(record, store, training, bins):
    """It was trained under another name, from the same data."""
    manifests = {"cells/renamed": training.manifests["cells/GM12878"]}
    renamed = replace(training, cells=("renamed",), manifests=manifests)
    assert seen(replace(record, trainings=(renamed,)), store, "GM12878", bins)[0] == 8
    other = replace(renamed, manifests={})
    assert seen(replace(record, trainings=(other,)), store, "GM12878", bins)[0] == 0


def test_earlier_trainings_count(record, store, training, bins):
    """The weights started from those of a model that was trained on K562, with chr1 for validation."""
    earlier = replace(training, cells=("K562",), valid_cells=("K562",), valid=("chr1:0-1200000",), test=())
    found = seen(replace(record, trainings=(training, earlier)), store, "K562", bins)
    assert found == (10, 5, 0, 1000)


def test_unknown_training_is_none(record, store, bins):
    assert count_seen((), store, "K562", bins) is None


def test_training_from_weights_of_unknown_origin_is_incomplete(record, store, training, bins):
    """As of a model that --init-from started from a published one."""
    unknown = TrainingData(cells=(), valid_cells=(), valid=(), test=(), chromosomes=(), manifests={})
    found = count_seen((training, unknown), store, "GM12878", bins)
    assert (found.trained, found.complete) == (8, False)
    assert count_seen((training,), store, "GM12878", bins).complete
    assert count_seen((unknown,), store, "GM12878", bins) is None


def test_start_from_a_model_without_recorded_data_is_recorded(training):
    own = {"cells": ["A"], "valid_cells": ["A"], "valid": ["chr1:0-5"], "test": []}
    config = NetworkConfig(tasks=("TF",), tracks=("DNase",))
    alone, started = (ModelCard(config=config, training=own | {"init_from": name}) for name in (None, "imported"))
    assert [t.is_recorded for t in alone.trainings] == [True]
    assert [t.is_recorded for t in started.trainings] == [True, False]
    later = ModelCard(
        config=config,
        training=own | {"init_from": "started"},
        provenance={"earlier_trainings": [t.to_json() for t in started.trainings]},
    )
    assert [t.is_recorded for t in later.trainings] == [True, True, False]


def test_mismatches_name_both(record, store, bins):
    assert find_mismatches(record, store, "K562", "CTCF", bins) == []
    assert find_mismatches(record, store, "HepG2", "MAX", bins) == ["of CTCF, not of MAX", "for K562, not for HepG2"]
    same = replace(record, cell="renamed", manifests={"cells/renamed": record.manifests["cells/K562"]})
    assert find_mismatches(same, store, "K562", "CTCF", bins) == []
    other = replace(record, assembly="hg38", chromosomes=record.chromosomes | {"chr7": "SQ.other"})
    assert find_mismatches(other, store, "K562", "CTCF", bins) == ["on hg38, whose chr7 has another sequence"]
    fewer = {name: digest for name, digest in record.chromosomes.items() if name != "chr21"}
    found = find_mismatches(replace(record, chromosomes=fewer), store, "K562", "CTCF", bins)
    assert found == ["on demo, without a bin on chr21"]


def test_rebuilt_cell_line_is_named(record, store):
    assert find_changes(record, store, "K562") == []
    manifests = record.manifests | {"cells/K562": "0" * 64}
    assert find_changes(replace(record, manifests=manifests), store, "K562") == ["cells/K562"]


@pytest.fixture
def command(store, demo_store, bins, tmp_path, capsys):
    """factornet-evaluate on predictions with a record: status and what it printed."""
    path = tmp_path / "p.bed.gz"

    def run(record, *arguments, cell="K562", factor="CTCF"):
        scores = np.linspace(0, 1, len(bins)).astype(np.float32)
        write_bedgraph(path, bins, scores, store.coordinates)
        if record is not None:
            data = path.read_bytes()
            with replacing_with_sidecar(path, lambda file_sha256: replace(record, file_sha256=file_sha256)) as part:
                part.write_bytes(data)
        common = [path, "--store", demo_store, "-i", cell, "-f", factor, *arguments]
        return evaluate.main([str(a) for a in common]), capsys.readouterr()

    return run


def test_predictions_without_record_are_evaluated_with_a_warning(command):
    status, shown = command(None, "--json")
    assert (status, json.loads(shown.out)["record"]) == (0, None)
    assert "no p.bed.gz.json records which model predicted it" in shown.err
    assert "so nothing protects against evaluating bins that the model was trained on" in shown.err


def test_predictions_of_bins_not_seen_are_evaluated(command, record):
    status, shown = command(record, "--json")
    assert (status, shown.err) == (0, "")
    content = json.loads(shown.out)
    assert content["seen"] == {"trained": 0, "validated": 0, "elsewhere": 10, "total": 1000, "complete": True}
    assert content["record"]["factor"] == "CTCF"
    status, shown = command(record)
    assert (status, shown.err) == (0, "")
    assert "the model was trained or validated on 10 of the 1,000 bins in other cell lines" in " ".join(
        shown.out.split()
    )


def test_other_factor_or_cell_line_is_refused_unless_allowed(command, record):
    status, shown = command(record, factor="MAX")
    assert (status, shown.out) == (2, "")
    assert "its predictions are of CTCF, not of MAX; give others, or allow it with --allow-mismatch" in shown.err
    status, shown = command(record, "--allow-mismatch", factor="MAX")
    assert (status, "warning: " in shown.err, "of CTCF, not of MAX" in shown.err) == (0, True, True)


def test_bins_of_the_training_are_refused_unless_allowed(command, record, store):
    mine = replace(record, cell="GM12878", manifests=manifest_digests(store, ("GM12878",)))
    status, shown = command(mine, cell="GM12878")
    assert (status, shown.out) == (2, "")
    assert "the model was trained on 8 of the 1,000 bins, in GM12878" in shown.err
    assert "predict its test regions (chr1:0-1200000), or another cell line" in shown.err
    status, shown = command(mine, "--allow-mismatch", cell="GM12878")
    assert status == 2
    status, shown = command(mine, "--allow-seen", cell="GM12878")
    assert (status, "warning: " in shown.err, "trained on 8" in shown.err) == (0, True, True)


@pytest.mark.parametrize("tested", [(), ("chr21:0-1000000",)])
def test_region_that_an_earlier_training_saw_is_no_remedy(command, record, store, training, tested):
    """The model started from one that was trained on what it was then tested on."""
    mine = replace(record, cell="GM12878", manifests=manifest_digests(store, ("GM12878",)))
    mine = replace(mine, trainings=(training, replace(training, test=tested)))
    status, shown = command(mine, cell="GM12878")
    assert status == 2
    assert "too good a score; predict another cell line, or allow it with --allow-seen" in shown.err


def test_unknown_training_is_said(command, record):
    status, shown = command(replace(record, trainings=()))
    assert (status, "it is not recorded on what the model was trained" in shown.err) == (0, True)


def test_unknown_start_of_the_training_is_said(command, record, training):
    unknown = TrainingData(cells=(), valid_cells=(), valid=(), test=(), chromosomes=(), manifests={})
    status, shown = command(replace(record, trainings=(training, unknown)))
    said = "the training started from a model, and on what that was trained is not recorded"
    assert (status, said in shown.err) == (0, True)


@pytest.mark.parametrize("values", [{"manifests": ["a"]}, {"valid": ["chr21"]}, {"valid": "chr21:0-5"}, {"cells": [5]}])
def test_resealed_record_with_other_trainings_is_refused(command, record, training, tmp_path, values):
    command(record)
    change_sealed(tmp_path / "p.bed.gz.json", trainings=[training.to_json() | values])
    with pytest.raises(InputError, match=r"p\.bed\.gz\.json: is no record of predictions"):
        read_record(tmp_path / "p.bed.gz")


def test_damaged_record_is_refused(command, record, tmp_path):
    command(record)
    sidecar = tmp_path / "p.bed.gz.json"
    sidecar.write_text(sidecar.read_text().replace("K562", "K563"))
    status, shown = command(None)
    assert (status, "p.bed.gz.json: damaged or changed" in shown.err) == (2, True)
