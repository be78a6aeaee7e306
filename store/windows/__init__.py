"""Cut the windows of a plan from a store, in batches and bounded memory.

    inputs           what a window consists of, its padding, and the checks that all readers share
    batch            settings, batches and blocks of windows
    planned          the windows of one plan: order, shard of a rank, arrays that they need
    loader           `WindowStream`, which picks one of the readers below
    shuffle_buffer   windows from slabs of a compressed store
    random_access    windows from arrays in memory or memory-mapped
    signal_windows   windows of signal, from codes and tables or from values
    gather           copy windows from many arrays at once
    in_memory        a store that holds arrays in memory

Two more readers use `inputs` and `planned`: `model.data.device_windows` and `model.prediction.tiling`.
May import `store.reader` and `store.sampling`.
"""

from .batch import Batch, CodedBatch, StreamSettings
from .in_memory import RequiredArrays, find_tables, load_in_memory, not_held, read_blocks, required_arrays
from .inputs import (
    ANNOTATION,
    SEQUENCE,
    SIGNAL,
    ArrayKind,
    WindowInputs,
    annotation_flags,
    check_has_tracks,
    common_meta,
    common_tracks,
    genome_path,
    shared_tracks,
)
from .loader import WindowStream
from .planned import PlannedArrays, PlannedWindows
from .signal_windows import TrackCodes

__all__ = [
    "ANNOTATION",
    "SEQUENCE",
    "SIGNAL",
    "ArrayKind",
    "Batch",
    "CodedBatch",
    "PlannedArrays",
    "PlannedWindows",
    "RequiredArrays",
    "StreamSettings",
    "TrackCodes",
    "WindowInputs",
    "WindowStream",
    "annotation_flags",
    "check_has_tracks",
    "common_meta",
    "common_tracks",
    "find_tables",
    "genome_path",
    "load_in_memory",
    "not_held",
    "read_blocks",
    "required_arrays",
    "shared_tracks",
]
