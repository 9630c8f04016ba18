"""What a model takes of its device's memory, and what is left of it. Owns nothing."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from stages.types import DeviceMemory


def bytes_of(modules: Iterable[object]) -> int:
    """Parameters and buffers of those that are networks, shared ones once."""
    tensors = {
        tensor.data_ptr(): tensor.nbytes
        for module in modules
        if isinstance(module, nn.Module)
        for tensor in (*module.parameters(), *module.buffers())
    }
    return sum(tensors.values())


def device_memory(device: torch.device, modules: Iterable[object], states: int) -> DeviceMemory | None:
    """None on a CPU: its memory is the machine's. `states`: bytes of the people's states."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    # What torch keeps for its next tensors is as good as free.
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    peak = torch.cuda.max_memory_allocated(device)
    return DeviceMemory(str(device), bytes_of(modules), states, peak, free + kept, total)
