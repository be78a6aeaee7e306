"""Read a FactorNet store: open it, plan which windows to show, stream them in bounded memory. Needs no torch."""

from .axis import GenomeAxis, Intervals
from .errors import FactorNetError, InputError, StoreError, UsageError
from .plan import Plan
from .reader import Peaks, Store, open_store, read_span
from .regions import Region, parse_region
from .sampling import Sampler, Split, split_genome, widened_blacklist
from .schema import BASES, BIN, FEATURES, SCHEMA_VERSION, STRIDE, CellInfo, StoreInfo
from .stream import Batch, StreamSettings, WindowStream

__all__ = [
    "BASES",
    "BIN",
    "FEATURES",
    "SCHEMA_VERSION",
    "STRIDE",
    "Batch",
    "CellInfo",
    "FactorNetError",
    "GenomeAxis",
    "InputError",
    "Intervals",
    "Peaks",
    "Plan",
    "Region",
    "Sampler",
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
