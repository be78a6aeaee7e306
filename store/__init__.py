"""Open a FactorNet store, plan training windows and stream them in bounded memory. Does not import torch."""

from .errors import FactorNetError, InputError, StoreError, UsageError
from .format.tables import Peaks
from .genome.intervals import GenomeCoordinates, Intervals
from .genome.regions import Region, parse_region
from .reader import Store, open_store, read_span
from .sampling.plan import SamplingPlan
from .sampling.sampler import Sampler
from .sampling.splits import Split, split_genome, widened_blacklist
from .schema import BASES, BIN, FEATURES, SCHEMA_VERSION, STRIDE, CellInfo, StoreInfo
from .windows.batch import Batch, StreamSettings
from .windows.loader import WindowStream

__all__ = [
    "BASES",
    "BIN",
    "FEATURES",
    "SCHEMA_VERSION",
    "STRIDE",
    "Batch",
    "CellInfo",
    "FactorNetError",
    "GenomeCoordinates",
    "InputError",
    "Intervals",
    "Peaks",
    "Region",
    "Sampler",
    "SamplingPlan",
    "Split",
    "Store",
    "StoreError",
    "StoreInfo",
    "StreamSettings",
    "UsageError",
    "WindowStream",
    "open_store",
    "parse_region",
    "read_span",
    "split_genome",
    "widened_blacklist",
]
