"""Work of the executor that must not grow with the number of chromosomes, as it is done for each task."""

import pickle
import sys
from dataclasses import dataclass

from dask.highlevelgraph import HighLevelGraph

from factornet.etl import Resources
from factornet.etl.inputs import fasta
from factornet.etl.inputs.fasta import FastaReader, prepare_fasta
from factornet.etl.shards.executor import run
from factornet.etl.shards.tasks import DigestSequence, ShardReport


@dataclass(frozen=True)
class OfManyNames:
    """A task that holds many names."""

    names: dict[str, int]
    key: str = "many"

    def __call__(self) -> ShardReport:
        """Do nothing."""
        return ShardReport("many", "chr1", 0, 0, key=self.key)


def test_dask_does_not_look_into_tasks(monkeypatch, tmp_path):
    module, visited = sys.modules["dask.delayed"], []
    original = module.unpack_collections

    def counting(expr, **options):
        visited.append(expr)
        return original(expr, **options)

    monkeypatch.setattr(module, "unpack_collections", counting)
    run([OfManyNames({f"s{i}": i for i in range(1000)})], Resources(1), on_report=lambda _: None, location=tmp_path)
    assert len(visited) < 10


def test_dask_does_not_go_through_all_tasks_for_each_of_them(monkeypatch, tmp_path):
    def cull(self, keys):
        raise AssertionError("the graph is optimized")

    monkeypatch.setattr(HighLevelGraph, "cull", cull)
    tasks = [OfManyNames({}, f"task {i}") for i in range(5)]
    for resources in (Resources(1), Resources(2)):
        done = run(tasks, resources, on_report=lambda _: None, location=tmp_path)
        assert [report.key for report in done] == [task.key for task in tasks]


def test_task_of_a_record_is_as_large_in_a_genome_of_many_and_the_index_is_read_once(tmp_path):
    (tmp_path / "g.fa").write_text("".join(f">s{i:04}\nACGTN\n" for i in range(2000)))
    prepared = prepare_fasta(tmp_path / "g.fa", tmp_path)
    tasks = [DigestSequence(name, prepared.only(name), name) for name in prepared.lengths]
    assert len(pickle.dumps(tasks[0])) < 2000
    before = fasta._read_index.cache_info().misses
    assert len({task().digest for task in tasks[:20]}) == 1
    assert fasta._read_index.cache_info().misses == before + 1


def test_index_of_another_file_at_the_same_path_is_read_anew(tmp_path):
    for bases in ("ACGT", "ACGTACGT"):
        (tmp_path / "g.fa").write_text(f">a\n{bases}\n")
        reader = FastaReader(prepare_fasta(tmp_path / "g.fa", tmp_path))
        assert reader.read_letters("a", 0, len(bases)).tobytes().decode() == bases
        reader.close()
