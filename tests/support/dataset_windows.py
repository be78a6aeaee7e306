"""Windows of a dataset for the tests of `WindowDataset`, another half of them in every epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from factornet.store import StreamSettings
from factornet.store.sampling.plan import SamplingPlan

SETTINGS = StreamSettings(600, batch_size=30, tracks=("DGF",))


def plans(plan: SamplingPlan, epoch: int) -> SamplingPlan:
    """Return other windows in every epoch."""
    return plan.take(np.arange(epoch, len(plan), 2))


def rows(batches: Iterable[Any]) -> list[tuple[int, ...]]:
    """Return the rows of the plan in each batch."""
    return [tuple(batch.index.tolist()) for batch in batches]
