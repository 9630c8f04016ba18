"""Compute precision of the vision networks: the detector and the VGG-16.

The stages after them always compute in float32: they are small, and hidden states persist over thousands of steps.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from stages.settings import Precision


def vision_precision(choice: Precision, device: torch.device) -> torch.dtype:
    """Return the type in which convolutions are computed; `auto` is float32 until parity is proven on a GPU.

    Raises `ValueError` for float16 on a CPU.
    """
    if choice == "float16" and device.type == "cpu":
        raise ValueError("model.precision: float16 needs a CUDA device; use float32 or bfloat16")
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(choice, torch.float32)


def computing_in(precision: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which convolutions and matrix products take inputs of this type.

    float32 returns an empty context, which changes nothing within an active autocast.
    """
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, precision)


def disable_tf32() -> None:
    """Compute float32 in full precision in this process; by default cuDNN rounds inputs to 10 bits (TF32)."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
