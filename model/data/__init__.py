"""Turn windows of a store into batches of tensors on a device, streamed or cut from memory.

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
