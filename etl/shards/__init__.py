"""Write arrays shard by shard: tasks, labels, the executor, and the journal that lets a build resume.

    assembly_gaps  find the gaps of an assembly: long runs of N in its sequence
    executor       run shard tasks with dask: in this process, in as many processes as memory allows
    journal        record the finished shards of a build, so that a killed build resumes where it stopped
    labels         label 200-base bins from peaks: bound, ambiguous or unbound
    tasks          tasks of a build: each writes one whole shard of one array, or computes one digest

May import `etl.publish`, `etl.inputs` and `factornet.store`.
"""

from .executor import OnPlan, OnReport, Resources, run
from .journal import Journal
from .labels import bin_labels
from .tasks import (
    DigestSequence,
    ShardRegion,
    ShardReport,
    ShardTask,
    WriteAnnotation,
    WriteLabels,
    WriteSequence,
    WriteSignal,
    shard_regions,
)

__all__ = [
    "DigestSequence",
    "Journal",
    "OnPlan",
    "OnReport",
    "Resources",
    "ShardRegion",
    "ShardReport",
    "ShardTask",
    "WriteAnnotation",
    "WriteLabels",
    "WriteSequence",
    "WriteSignal",
    "bin_labels",
    "run",
    "shard_regions",
]
