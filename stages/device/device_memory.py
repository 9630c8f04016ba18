"""Memory that a model uses on its device, and memory that is free."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from stages.types import DeviceMemory


def bytes_of(modules: Iterable[object]) -> int:
    """Return the bytes of the parameters and buffers of the networks among `modules`, counting shared ones once."""
    tensors = {
        tensor.data_ptr(): tensor.nbytes
        for module in modules
        if isinstance(module, nn.Module)
        for tensor in (*module.parameters(), *module.buffers())
    }
    return sum(tensors.values())


def device_memory(device: torch.device, modules: Iterable[object], states: int) -> DeviceMemory | None:
    """Return the memory of a CUDA device; None on a CPU. `states`: bytes of the hidden states of tracked people."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    # Memory that torch has reserved but not allocated is available for new tensors.
    available = free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    peak = torch.cuda.max_memory_allocated(device)
    return DeviceMemory(str(device), bytes_of(modules), states, peak, available, total)
