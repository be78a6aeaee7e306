"""Predictions on workers: tasks as they travel to a worker, real processes that are killed, and what they say."""

import pickle
import shutil

import pytest
import torch
from support.processes import worker_processes

from factornet.model import FactorNet, save_weights
from factornet.model.keras.open_model import open_models
from factornet.model.prediction.bins import first_and_count
from factornet.model.prediction.predictor import Predictor
from factornet.model.prediction.runs import region_task, workers
from factornet.model.prediction.runs.folder import make_predictors, predict_folder
from factornet.model.prediction.runs.outputs import plan_outputs
from factornet.model.prediction.runs.region_bins import RegionBins
from factornet.model.prediction.runs.region_task import WorkerRun
from factornet.model.prediction.runs.workers import RegionWorkers, WorkerOptions, open_workers
from factornet.model.prediction.to_file import predict_regions
from factornet.store import InputError, UsageError, parse_region

CPU = torch.device("cpu")


class InlineWorkers(RegionWorkers):
    """Runs tasks in this process, last ones first, each as it arrives at a worker; some of them twice."""

    def __init__(self) -> None:
        super().__init__(None, CPU, torch.get_num_threads())

    def run(self, run, tasks, on_result):
        assert all(len(pickle.dumps(task)) < 4000 for task in tasks), "what all tasks share is sent once"
        for i, task in enumerate(reversed(tasks)):
            for _ in range(1 + i % 2):  # of two workers that compute a region, the last one is heard
                result = pickle.loads(pickle.dumps(task))(pickle.loads(pickle.dumps(run)))
            on_result(pickle.loads(pickle.dumps(result)))


@pytest.fixture(autouse=True)
def one_thread():
    """Scores of one thread, as workers have; those of two differ in the last digits.

    Set before what is compared, too: tasks set the threads of torch and of MKL, which other tests may leave different.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def regions(store):
    texts = [
        f"chr{c}:{start}-{start + 2000 + 500 * i}"
        for c in (21, 1)
        for i, start in enumerate(range(90_000, 120_000, 5000))
    ]
    return RegionBins(regions=tuple(parse_region(text, store.coordinates) for text in texts), stride=50)


def content(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and not p.name.startswith("predictions.")}


def run_folder(folder, predictors, regions, suffix=".bw", ensemble=None, **more):
    return predict_folder(folder, plan_outputs(predictors, folder, suffix=suffix, ensemble=ensemble), regions, **more)


@pytest.mark.parametrize(("suffix", "ensemble"), [(".bw", None), (".bed.gz", None), (".bw", "rank")])
def test_files_of_tasks_equal_those_of_one_process(predictors, regions, tmp_path, suffix, ensemble):
    names = ("plain", "other_tracks", "meta", "multi_task", "blocks")
    scored = []
    alone = run_folder(tmp_path / "alone", predictors(*names), regions, suffix, ensemble)
    found = run_folder(
        tmp_path / "workers",
        predictors(*names),
        regions,
        suffix,
        ensemble,
        workers=InlineWorkers(),
        on_bins=scored.append,
    )
    assert content(tmp_path / "workers") == content(tmp_path / "alone")
    assert [(use.name, use.factors, use.scored) for use in found.networks] == [
        (use.name, use.factors, use.scored) for use in alone.networks
    ]
    assert sum(scored) == sum(use.scored for use in alone.networks)
    assert not [p for p in (tmp_path / "workers").iterdir() if p.name.endswith(".parts")]


@pytest.mark.parametrize(("suffix", "ensemble"), [(".bw", None), (".bed.gz", None), (".bw", "rank")])
def test_a_long_region_is_several_tasks_and_resumed_by_task(predictors, store, tmp_path, suffix, ensemble):
    names = ("plain", "other_tracks", "short_windows", "multi_task", "blocks")
    texts = ("chr21:90_010-150_000", "chr1:20_000-45_000", "chr21:10-60")  # 1196, 497 and no bins
    regions = tuple(parse_region(text.replace("_", ""), store.coordinates) for text in texts)
    bins = RegionBins(regions=regions, stride=50, part_bins=300)
    done = []

    class Interrupted(InlineWorkers):
        def run(self, run, tasks, on_result):
            done.extend(tasks)
            super().run(run, tasks[:4], on_result)
            raise KeyboardInterrupt

    run_folder(tmp_path / "alone", predictors(*names), bins, suffix, ensemble)
    with pytest.raises(KeyboardInterrupt):
        run_folder(tmp_path / "x", predictors(*names), bins, suffix, ensemble, workers=Interrupted())
    counts = [first_and_count(task.region, stride=50)[1] for task in done]
    assert counts == [300, 300, 300, 300, 296, 197, 0]
    kept, scored = [], []
    run_folder(
        tmp_path / "x",
        predictors(*names),
        bins,
        suffix,
        ensemble,
        workers=InlineWorkers(),
        resume=True,
        on_kept=kept.append,
        on_bins=scored.append,
    )
    assert (sum(kept), sum(scored)) == (5 * sum(counts[:4]), 5 * sum(counts[4:]))
    assert content(tmp_path / "x") == content(tmp_path / "alone")


def test_regions_of_an_interrupted_run_are_kept(predictors, regions, tmp_path):
    run_folder(tmp_path / "alone", predictors("plain", "multi_task"), regions)
    done = []

    class Interrupted(InlineWorkers):
        def run(self, run, tasks, on_result):
            super().run(run, tasks[:5], on_result)
            done.extend(tasks[:5])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_folder(tmp_path / "x", predictors("plain", "multi_task"), regions, workers=Interrupted())
    assert [task.region for task in done] == sorted(regions.regions, key=lambda r: r.stop - r.start, reverse=True)[
        :5
    ], "the longest regions come first"
    kept = []
    run_folder(tmp_path / "x", predictors("plain", "multi_task"), regions, resume=True, on_kept=kept.append)
    assert len(kept) == 2 * 5
    assert content(tmp_path / "x") == content(tmp_path / "alone")


def test_other_weights_than_those_of_the_main_process_are_refused(store, model_folders, regions, tmp_path):
    folder = shutil.copytree(model_folders / "plain", tmp_path / "plain")
    predictors = make_predictors(open_models([folder]), store=store, cell="K562", device=CPU)
    save_weights(folder, FactorNet(predictors[0].network.config, seed=99).state_dict(), "best")
    with pytest.raises(InputError, match=r"plain: a worker finds the network [0-9a-f]{16}, the run began with"):
        run_folder(tmp_path / "x", predictors, regions, workers=InlineWorkers())
    assert not (tmp_path / "x").exists()


def test_networks_of_no_folder_are_refused(predictors, store):
    network = predictors("plain")[0].network
    with pytest.raises(UsageError, match="CTCF: workers load networks from model folders"):
        WorkerRun.of([Predictor(network=network, store=store, cell="K562", factor="CTCF", device=CPU)], threads=1)


def test_devices_of_workers_must_be_alike():
    assert workers._common_device("auto", {"a": "cpu", "b": "cpu"}) == CPU
    assert workers._common_device("auto", {"a": "cuda", "b": "cuda"}).type == "cuda"
    assert workers._common_device("cuda:1", {"a": "cuda"}) == torch.device("cuda:1")
    with pytest.raises(UsageError, match="worker b has no GPU, a has one"):
        workers._common_device("auto", {"a": "cuda", "b": "cpu"})
    with pytest.raises(UsageError, match="worker b: device 'cuda': this machine"):
        workers._common_device("cuda", {"a": "cuda", "b": UsageError("device 'cuda': this machine has no CUDA")})


@pytest.mark.parametrize(("name", "expected"), [(0, 0), (3, 1), ("tcp://127.0.0.1:4000", 0), ("node-3", 0)])
def test_gpus_are_dealt_out_to_numbered_workers(monkeypatch, name, expected):
    import distributed

    monkeypatch.setattr(region_task, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(distributed, "get_worker", lambda: type("Worker", (), {"name": name}))
    assert region_task.worker_device("cuda") == torch.device("cuda", expected)
    assert region_task.worker_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.slow
def test_killed_workers_are_replaced_and_files_equal(predictors, store, model_folders, regions, tmp_path):
    """One file, then a folder of two models; a worker is killed in the middle of each. Then one that a model is taken from."""
    names = ("plain", "multi_task")
    run_folder(tmp_path / "alone", predictors(*names), regions)
    (tmp_path / "one").mkdir()
    with open_workers(WorkerOptions(count=3), device="auto", locations=()) as three:
        killed = []

        def kill_one(n):
            if not killed:
                killed.append(worker_processes()[0])
                killed[0].kill()

        plain = predictors("plain")[0]
        predict_regions(
            plain, list(regions.regions), tmp_path / "one/CTCF.bw", stride=50, workers=three, on_bins=kill_one
        )
        first, killed = killed, []
        run_folder(tmp_path / "many", predictors(*names), regions, workers=three, on_bins=kill_one)
        assert first
        assert killed
        folder = shutil.copytree(model_folders / "plain", tmp_path / "gone")
        of_gone = make_predictors(open_models([folder]), store=store, cell="K562", device=CPU)
        shutil.rmtree(folder)
        with pytest.raises(InputError, match="gone") as caught:
            run_folder(tmp_path / "failed", of_gone, regions, workers=three)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "failed").exists()
    alone = content(tmp_path / "alone")
    assert content(tmp_path / "many") == alone
    assert content(tmp_path / "one") == {name: alone[name] for name in ("CTCF.bw", "CTCF.bw.json")}
