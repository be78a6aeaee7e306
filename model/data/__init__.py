"""Turn windows of a store into batches of tensors on a device, streamed or cut from memory.

    batches         copy batches to a device, ahead of their consumer
    device          choose a device; report its free memory
    device_windows  hold arrays of a store in the memory of a device, and cut windows from them there
    inputs          check that cell lines of a store have the inputs of a network
    sources         choose where a training's windows come from: a store that is read on the go

May import `model.network` and `factornet.store`.
"""

from .batches import TensorBatch, TensorStream, stream_settings
from .device import choose_device
from .inputs import check_inputs, network_inputs
from .sources import BatchStream, Source, choose_source

__all__ = [
    "BatchStream",
    "Source",
    "TensorBatch",
    "TensorStream",
    "check_inputs",
    "choose_device",
    "choose_source",
    "network_inputs",
    "stream_settings",
]
