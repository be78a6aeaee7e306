"""Read a FactorNet store: open it, sample windows, stream them in bounded memory. Needs no torch."""

from .cell_info import CellInfo
from .errors import FactorNetError, InputError, RemoteError, SchemaVersionError, StoreError, UsageError
from .format.tables import Peaks
from .genome.intervals import GenomeCoordinates, Intervals
from .genome.regions import Region, parse_region
from .reader import Store, open_store
from .sampling.own_targets import bins_in_regions, label_overlaps
from .sampling.plan import SamplingPlan
from .sampling.sampler import Sampler
from .sampling.splits import Split, split_genome
from .schema import BASES, BIN, FEATURES, SCHEMA_VERSION, STRIDE, StoreInfo
from .spans import read_span
from .storage.cache import ObjectCache
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
    "ObjectCache",
    "Peaks",
    "Region",
    "RemoteError",
    "Sampler",
    "SamplingPlan",
    "SchemaVersionError",
    "Split",
    "Store",
    "StoreError",
    "StoreInfo",
    "StreamSettings",
    "UsageError",
    "WindowStream",
    "bins_in_regions",
    "label_overlaps",
    "open_store",
    "parse_region",
    "read_span",
    "split_genome",
]
