"""Turn windows of a store into batches of tensors on a device, streamed or cut from memory.

    annotation      compare the annotation rules of a store with those of a network
    batches         copy batches to a device, ahead of their consumer
    dataset_state   position of such a dataset within an epoch, and what decides the order of its windows
    device          choose a device; report its free memory
    device_windows  hold arrays of a store in the memory of a device, and cut windows from them there
    inputs          check that cell lines of a store have the inputs of a network
    model_card      describe a model in Markdown
    signal_codes    look up signal that is kept as codes, on the device that uses it
    signals         compare the signals of a cell line with those that a network was trained on
    window_dataset  windows of a store as a dataset of PyTorch, for networks of one's own
    sources         choose where a training's windows come from: a store that is read on the go

May import `model.network` and `factornet.store`.
"""

from .annotation import annotation_record, model_rules, store_rules
from .batches import TensorBatch, TensorStream, stream_settings
from .device import choose_device
from .inputs import check_factor, check_inputs, check_tracks, network_inputs
from .signals import compare_among, compare_signals, recorded_signals, track_signals
from .sources import BatchStream, Source, choose_source

__all__ = [
    "BatchStream",
    "Source",
    "TensorBatch",
    "TensorStream",
    "annotation_record",
    "check_factor",
    "check_inputs",
    "check_tracks",
    "choose_device",
    "choose_source",
    "compare_among",
    "compare_signals",
    "model_rules",
    "network_inputs",
    "recorded_signals",
    "store_rules",
    "stream_settings",
    "track_signals",
]
