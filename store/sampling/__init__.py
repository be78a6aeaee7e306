"""Decide which windows an epoch shows: genome splits, positives and negatives, sampling plans.

    bin_targets       targets and weights of the bins of ENCODE-DREAM, computed from peaks
    block_annotation  read the annotation of blocks of 50 bases
    candidates        FactorNet's rules for positives and negatives, as set algebra on absolute coordinates
    open_blocks       find where a cell line's chromatin is open
    own_targets       windows and targets of one's own: all bins of regions, labelled by intervals
    peak_warnings     chromosomes on which a factor has no peak, as warnings
    plan              sampling plans: the windows of an epoch as arrays, before any data is read
    sampler           draw the windows of an epoch by FactorNet's rules, for one or all factors of a cell line
    segments          draw segments whose bins are all learned from at once, for networks over blocks
    split_summary     summarize a split: bases, and positives of each cell line, by region
    splits            split the genome into training, validation and test regions

May import `store.reader` and everything it builds on, except `store.windows`.
"""

from .plan import SamplingPlan, make_rng
from .sampler import Sampler
from .split_summary import summarize_split
from .splits import Split, split_genome, widened_blacklist

__all__ = ["Sampler", "SamplingPlan", "Split", "make_rng", "split_genome", "summarize_split", "widened_blacklist"]
