"""Decide which windows an epoch shows: genome splits, positives and negatives, sampling plans.

May import `store.reader` and everything it builds on, except `store.windows`.
"""

from .plan import SamplingPlan, make_rng
from .sampler import Sampler
from .splits import Split, split_genome, widened_blacklist

__all__ = ["Sampler", "SamplingPlan", "Split", "make_rng", "split_genome", "widened_blacklist"]
