"""Copies between host and device: pinned memory on the way there, one awaited copy on the way back.

On a CPU everything is a view or a plain copy.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(array: NDArray, device: torch.device) -> Tensor:
    """Return the array as a tensor on the device; on CUDA through pinned memory, without waiting."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def to_host(tensor: Tensor) -> NDArray:
    """Return the tensor as an array; on CUDA the one place where the host waits for the device."""
    if tensor.device.type != "cuda":
        return tensor.numpy()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    done = torch.cuda.Event()
    done.record()
    done.synchronize()
    return host.numpy()


def bucket(count: int) -> int:
    """Return the padded size for `count` rows: the next power of two, so that few shapes occur."""
    return 1 << max(count - 1, 0).bit_length()
