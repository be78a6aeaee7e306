"""Many models in one pass: files equal to those of each alone, what is read, resuming, the table."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.model import Bins, predict_intervals, predict_regions
from factornet.model.prediction import region_parts
from factornet.model.prediction.runs import region_files
from factornet.model.prediction.runs.folder import predict_folder
from factornet.model.prediction.runs.interval_run import IntervalBins
from factornet.model.prediction.runs.outputs import plan_outputs
from factornet.model.prediction.runs.region_bins import RegionBins
from factornet.model.prediction.runs.report import predicted_files
from factornet.model.prediction.tiling import groups, span_buffer
from factornet.model.prediction.tiling.span_buffer import SpanBuffer
from factornet.model.prediction.together import predict_together
from factornet.store import InputError, UsageError, open_store, parse_region
from factornet.store.errors import OutputExistsError
from factornet.store.files.outputs import output_lock
from factornet.store.files.sealed_json import JsonFormat, write_sealed_json
from factornet.store.spans import padded_span

TEXTS = ("chr21:95000-112000", "chr1:0-4000")


@pytest.fixture
def regions(store):
    return RegionBins(regions=tuple(parse_region(text, store.coordinates) for text in TEXTS), stride=50)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("suffix", [".bw", ".bed.gz"])
def test_files_of_one_pass_equal_those_of_each_model_alone(predictors, regions, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(groups, "tile_bases", lambda config: 2**15 // config.kernels)  # many tiles, of many sizes
    outputs = plan_outputs(predictors(), tmp_path / "all", suffix=suffix)
    report = predict_folder(tmp_path / "all", outputs, regions)
    assert [row.file for row in report.rows] == [o.path.name for o in outputs]
    (tmp_path / "alone").mkdir()
    of_multi_task = {f"T{i}{suffix}" for i in range(19)}
    chosen = {o.path.name for o in outputs} - of_multi_task | {f"T{i}{suffix}" for i in (0, 7, 18)}
    for predictor, output in zip(predictors(), outputs, strict=True):
        if output.path.name in chosen:
            predict_regions(predictor, list(regions.regions), tmp_path / "alone" / output.path.name, stride=50)
    found = content(tmp_path / "all")
    assert content(tmp_path / "alone") == {k: v for k, v in found.items() if k.removesuffix(".json") in chosen}
    assert len(outputs) == 7 + 19
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == sorted(found)


@pytest.mark.parametrize("is_sorted", [False, True])
def test_intervals_of_one_pass_equal_those_of_each_model_alone(predictors, store, tmp_path, rng, is_sorted):
    """Sparse ones, which a FactorNet scores one by one, and dense ones; bedGraph keeps their order."""
    start = np.concatenate([rng.integers(2000, 150_000, 30), 100_000 + 50 * np.arange(60)])
    start = np.sort(start) if is_sorted else start
    bins = Bins(np.zeros(start.size, np.int64) + rng.integers(0, 2), start, start + 200)
    names = ("plain", "same_inputs", "annotation", "multi_task", "blocks")
    outputs = plan_outputs(predictors(*names), tmp_path / "all", suffix=".bed.gz")
    predict_folder(tmp_path / "all", outputs, IntervalBins(bins=bins, origin={"bed": "x"}))
    for predictor, output in zip(predictors(*names), outputs, strict=True):
        predict_intervals(predictor, bins, tmp_path / output.path.name, options={"bed": "x"})
        assert (tmp_path / output.path.name).read_bytes() == output.path.read_bytes()
        assert (tmp_path / f"{output.path.name}.json").read_bytes() == output.path.with_name(
            f"{output.path.name}.json"
        ).read_bytes()


def test_every_row_of_the_store_is_read_once(predictors, demo_store, regions, monkeypatch):
    """Whatever the number of networks and however they cut their tiles; and no other row but to the end of a chunk."""
    monkeypatch.setattr(groups, "tile_bases", lambda config: 2**15 // config.kernels)
    read, plain = Counter(), span_buffer.read_span

    def counting(array, start, stop):
        read.update((array.location, row) for row in range(start, stop))
        return plain(array, start, stop)

    monkeypatch.setattr(span_buffer, "read_span", counting)
    store = open_store(demo_store)
    networks = list({id(p.network): p.network for p in predictors()}.values())
    for bins in regions.pieces(store.coordinates, [0]):
        for _ in predict_together(networks, store, "K562", bins, device=torch.device("cpu")):
            pass
    assert set(read.values()) == {1}
    arrays = {location for location, _ in read}
    assert len(arrays) == 4  # sequence, annotation, two tracks
    for location in arrays:
        rows = [row for of_array, row in read if of_array == location]
        assert min(rows) >= 95_000 - 4000
        assert max(rows) < 112_000 + 4000 + span_buffer._ALIGNED


@given(st.lists(st.tuples(st.integers(-300, 3000), st.integers(1, 900)), min_size=1, max_size=12), st.booleans())
@settings(deadline=None, max_examples=25)
def test_spans_from_a_buffer_equal_those_of_the_array(tiny_store, spans, is_sorted):
    store = open_store(tiny_store)
    buffer, plain = SpanBuffer(store), span_buffer._ALIGNED
    span_buffer._ALIGNED = 512
    try:
        for start, size in sorted(spans) if is_sorted else spans:
            if is_sorted:
                buffer.move_to("chrA", start)
            else:
                buffer.move_to("chrA", 0)
            path = "genome/sequence/chrA"
            expected = padded_span(store.array(path), start, start + size, pad_value=4)
            np.testing.assert_array_equal(buffer.read(path, start, start + size, pad_value=4), expected)
    finally:
        span_buffer._ALIGNED = plain


def interrupted_after(monkeypatch, n):
    """Let the run be interrupted before it scores the n-th piece of bins."""
    scored, calls = region_files.score_together, []

    def interrupt(predictors, bins):
        calls.append(bins)
        if len(calls) == n:
            raise KeyboardInterrupt
        return scored(predictors, bins)

    monkeypatch.setattr(region_files, "score_together", interrupt)


def test_an_interrupted_pass_is_resumed_region_by_region(predictors, regions, tmp_path, monkeypatch):
    names = ("plain", "annotation", "multi_task")
    predict_folder(tmp_path / "whole", plan_outputs(predictors(*names), tmp_path / "whole", suffix=".bw"), regions)
    folder = tmp_path / "cut"
    outputs = plan_outputs(predictors(*names), folder, suffix=".bw")
    with monkeypatch.context() as patched:
        interrupted_after(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            predict_folder(folder, outputs, regions)
    assert not list(folder.glob("*.bw"))
    # One of its files is finished alone, from the parts of the pass.
    one = predictors("annotation")[0]
    kept = []
    predict_regions(one, list(regions.regions), folder / "REST.bw", stride=50, resume=True, on_kept=kept.append)
    assert len(kept) == 1
    done = Counter()
    outputs = plan_outputs(predictors(*names), folder, suffix=".bw")
    report = predict_folder(
        folder,
        outputs,
        regions,
        resume=True,
        on_bins=lambda n: done.update(new=n),
        on_kept=lambda n: done.update(kept=n),
    )
    n_first, n_second = ((r.stop - r.start - 200) // 50 + 1 for r in regions.regions)
    assert done == {"kept": 2 * n_first, "new": 2 * n_second}
    assert [row.file for row in report.rows if row.status == "kept"] == ["REST.bw"]
    found, whole = content(folder), content(tmp_path / "whole")
    assert {k: v for k, v in found.items() if "predictions" not in k} == {
        k: v for k, v in whole.items() if "predictions" not in k
    }
    again = predict_folder(folder, outputs, regions, resume=True)
    assert all(row.status == "kept" for row in again.rows)


@pytest.mark.parametrize("removed", [(), ("settings.json",), ("00000-chr21", "digests.json")])
def test_what_a_run_killed_at_its_end_has_left_is_removed(predictors, regions, tmp_path, monkeypatch, removed):
    """It was killed once a file was there, while it removed the parts."""
    outputs = plan_outputs(predictors("plain"), tmp_path, suffix=".bw")
    with monkeypatch.context() as patched:
        patched.setattr(region_parts, "remove", lambda path: None)
        predict_folder(tmp_path, outputs, regions)
    (parts,) = tmp_path.glob(".*.parts")
    for name in removed:
        (parts / name).unlink()
    for name in (".CTCF.bw.lock", ".predictions.0a1b2c3d.part.tsv"):
        (tmp_path / name).touch()
    report = predict_folder(tmp_path, outputs, regions, resume=True)
    assert [row.status for row in report.rows] == ["kept"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "CTCF.bw", "CTCF.bw.json", "predictions.json", "predictions.tsv"
    ]  # fmt: skip


def test_finished_regions_with_other_settings_stay(predictors, regions, tmp_path, monkeypatch):
    """Of a run that was to replace the file, and was interrupted."""
    outputs = plan_outputs(predictors("plain"), tmp_path, suffix=".bw")
    predict_folder(tmp_path, outputs, regions)
    wider = RegionBins(regions=regions.regions, stride=100)
    with monkeypatch.context() as patched:
        interrupted_after(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            predict_folder(tmp_path, outputs, wider, overwrite=True)
    (parts,) = tmp_path.glob(".*.parts")
    assert predict_folder(tmp_path, outputs, regions, resume=True).rows[0].status == "kept"
    assert sorted(p.name for p in parts.iterdir()) == ["00000-chr21", "digests.json", "settings.json"]


def test_finished_file_that_is_damaged_is_said_to_be_so(predictors, regions, tmp_path):
    outputs = plan_outputs(predictors("plain"), tmp_path, suffix=".bw")
    predict_folder(tmp_path, outputs, regions)
    file = tmp_path / "CTCF.bw"
    sound = file.read_bytes()
    file.write_bytes(sound[:-9] + b"?" + sound[-8:])
    with pytest.raises(OutputExistsError, match=r"CTCF\.bw: already exists, and cannot be kept: .*damaged") as raised:
        predict_folder(tmp_path, outputs, regions, resume=True)
    assert "allow to overwrite it" in str(raised.value)
    predict_folder(tmp_path, outputs, regions, resume=True, overwrite=True)
    assert file.read_bytes() == sound


def test_files_that_exist_are_not_replaced_unasked(predictors, regions, tmp_path):
    outputs = plan_outputs(predictors("plain", "annotation"), tmp_path, suffix=".bw")
    (tmp_path / "REST.bw").write_text("old")
    with pytest.raises(UsageError, match=r"REST\.bw: already exists"):
        predict_folder(tmp_path, outputs, regions, resume=True)
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == ["REST.bw"]
    predict_folder(tmp_path, outputs, regions, overwrite=True)
    assert (tmp_path / "REST.bw").read_bytes() != b"old"


@pytest.mark.parametrize("name", ["predictions.tsv", "predictions.json"])
def test_other_tables_are_not_replaced_unasked(predictors, regions, tmp_path, name):
    outputs = plan_outputs(predictors("plain"), tmp_path, suffix=".bw")
    (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match=rf"{name}: exists and is no table of predictions"):
        predict_folder(tmp_path, outputs, regions, resume=True)
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == [name]
    predict_folder(tmp_path, outputs, regions, overwrite=True)
    assert (tmp_path / name).read_text() != "{}"
    predict_folder(tmp_path, outputs, regions, resume=True)  # those of a run are


@pytest.mark.parametrize("intervals", [{}, {"n": 3, "not_computed": [0]}])
def test_an_earlier_file_whose_record_has_no_counts_is_left_out(predictors, regions, tmp_path, caplog, intervals):
    predict_folder(tmp_path, plan_outputs(predictors("plain"), tmp_path, suffix=".bw"), regions)
    record = json.loads((tmp_path / "CTCF.bw.json").read_text()) | {"intervals": intervals}
    write_sealed_json(tmp_path / "CTCF.bw.json", JsonFormat("factornet-prediction", 1, ""), record)
    report = predict_folder(tmp_path, plan_outputs(predictors("meta"), tmp_path, suffix=".bw"), regions)
    assert report.earlier == ()
    assert "its record does not count its intervals" in caplog.text


def test_a_table_of_no_file_is_no_folder_of_predictions(tmp_path):
    write_sealed_json(tmp_path / "predictions.json", JsonFormat("factornet-predictions", 1, ""), {"files": []})
    with pytest.raises(InputError, match=r"predictions\.json: lists no file"):
        predicted_files(tmp_path)


def test_a_folder_in_place_of_a_table_is_refused_before_predicting(predictors, regions, tmp_path):
    (tmp_path / "predictions.tsv").mkdir()
    with pytest.raises(UsageError, match=r"predictions\.tsv: is a folder"):
        predict_folder(tmp_path, plan_outputs(predictors("plain"), tmp_path, suffix=".bw"), regions, overwrite=True)
    assert not (tmp_path / "CTCF.bw").exists()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("missing/f", "create the folder that it is to be in"),
        ("file", "choose another name"),
        ("file/f", "choose a place where folders can be created, or ask for write permission"),
    ],
)
def test_a_folder_that_cannot_be_created_is_named_with_its_cure(predictors, regions, tmp_path, name, hint):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"{name}: cannot be created .*; {hint}$"):
        predict_folder(tmp_path / name, plan_outputs(predictors("plain"), tmp_path / name, suffix=".bw"), regions)


def test_a_folder_is_written_by_one_process(predictors, regions, tmp_path):
    outputs = plan_outputs(predictors("plain"), tmp_path, suffix=".bw")
    with output_lock(tmp_path / "predictions.json"), pytest.raises(InputError, match="is being written by"):
        predict_folder(tmp_path, outputs, regions)


def test_a_failed_pass_leaves_no_folder(predictors, regions, tmp_path, monkeypatch):
    interrupted_after(monkeypatch, 1)
    outputs = plan_outputs(predictors("plain"), tmp_path / "x", suffix=".bw")
    with pytest.raises(KeyboardInterrupt):
        predict_folder(tmp_path / "x", outputs, regions)
    assert not list(tmp_path.glob("x*"))


def test_the_table_says_what_was_done(predictors, regions, tmp_path):
    outputs = plan_outputs(predictors("plain", "multi_task"), tmp_path, suffix=".bw")
    report = predict_folder(tmp_path, outputs, regions)
    lines = [line.split("\t") for line in (tmp_path / "predictions.tsv").read_text().splitlines()]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    assert [row["factor"] for row in rows] == ["CTCF", *(f"T{i}" for i in range(19))]
    assert {row["model_factors"] for row in rows} == {"1", "19"}
    n_bins = sum((r.stop - r.start - 200) // 50 + 1 for r in regions.regions)
    assert {row["intervals"] for row in rows} == {str(n_bins)}
    document = json.loads((tmp_path / "predictions.json").read_text())
    assert [model["scored"] for model in document["models"]] == [n_bins, n_bins]
    assert document["scoring_seconds"] == pytest.approx(report.scoring_seconds)
    for row, output in zip(document["files"], outputs, strict=True):
        record = json.loads(output.path.with_name(f"{output.path.name}.json").read_text())
        assert row["record"].items() <= record.items()


def test_the_table_keeps_the_files_of_earlier_runs(predictors, regions, tmp_path, caplog):
    def predict(name):
        outputs = plan_outputs(predictors(name), tmp_path, suffix=".bw")
        return predict_folder(tmp_path, outputs, regions, overwrite=True)

    def rows():
        lines = [line.split("\t") for line in (tmp_path / "predictions.tsv").read_text().splitlines()]
        return {line[0]: (line[3], line[9], len(line)) for line in lines[1:]}

    for name in ("plain", "meta", "blocks", "same_inputs"):
        report = predict(name)
    assert [row.file for row in report.rows] == ["MAX.bw"]
    assert rows() == {
        "MAX.bw": ("same_inputs", "predicted", 13),
        **{f"{f}.bw": (m, "earlier", 13) for f, m in (("EGR1", "blocks"), ("GABPA", "meta"), ("CTCF", "plain"))},
    }
    document = json.loads((tmp_path / "predictions.json").read_text())
    assert [row["status"] for row in document["files"]] == ["predicted", *["earlier"] * 3]
    (tmp_path / "CTCF.bw").unlink()
    (tmp_path / "GABPA.bw.json").write_text("{}")
    predict("other_tracks")
    assert list(rows()) == ["CTCF.bw", "MAX.bw", "EGR1.bw"]
    assert "GABPA.bw.json: " in caplog.text
    (tmp_path / "predictions.json").write_text("{}")
    predict("plain")
    assert list(rows()) == ["CTCF.bw"]
    assert "predictions.json: " in caplog.text


def test_names_of_files(predictors, tmp_path):
    def names(*models, **options):
        return [o.path.name for o in plan_outputs(predictors(*models), tmp_path, suffix=".bw", **options)]

    assert names("plain", "same_inputs") == ["CTCF.bw", "MAX.bw"]
    assert names("plain", "other_tracks", "meta") == ["CTCF.plain.bw", "CTCF.other_tracks.bw", "GABPA.bw"]
    assert names("plain", "other_tracks", "meta", ensemble="mean") == ["CTCF.bw", "GABPA.bw"]
    twice = [*predictors("plain"), *predictors("plain")]
    with pytest.raises(UsageError, match=r"several models would write CTCF\.plain\.bw, CTCF\.plain\.bw; rename"):
        plan_outputs(twice, tmp_path, suffix=".bw")
    with pytest.raises(UsageError, match="CTCF: the models plain and plain are the same; give it once"):
        plan_outputs(twice, tmp_path, suffix=".bw", ensemble="mean")


def test_models_that_cannot_predict_are_all_named(predictors, store, model_folders):
    with pytest.raises(UsageError, match="no model predicts 'SPI1'; they predict CTCF, REST"):
        predictors("plain", "annotation", factors=["SPI1"])
    assert [p.factor for p in predictors("multi_task", "plain", factors=["T3", "CTCF"])] == ["T3", "CTCF"]
