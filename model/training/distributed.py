"""Train on several processes, one per GPU, started by torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn

from ...store.errors import UsageError


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train one network together, and the rank of this one; a single process by default."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process prints and writes files for the group."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap the network so that gradients are averaged over the group."""
        if self.size == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def sum(self, values: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
        """Sum an array of any shape over the group; every process receives the sum."""
        if self.size == 1:
            return values
        total = torch.from_numpy(values).to(device)
        distributed.all_reduce(total)
        return total.cpu().numpy()

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def init_process_group(device: torch.device) -> Iterator[tuple[ProcessGroup, torch.device]]:
    """Join the process group given by torchrun's environment (RANK, WORLD_SIZE, LOCAL_RANK); yield it and the device.

    Raises:
        UsageError: the machine has fewer GPUs than processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup(), device
        return
    rank, local = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise UsageError(f"process {local} of this machine has no GPU; the machine has {torch.cuda.device_count()}")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=rank, world_size=size)
    try:
        yield ProcessGroup(rank, size), device
    finally:
        distributed.destroy_process_group()
