"""Write arrays shard by shard: tasks, labels, executors, and the journal that lets a build resume.

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
