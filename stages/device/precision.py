"""Precision: in which numbers the networks that see compute: the detector's, and the VGG-16. The learned stages always
compute in float32: they are small, and a person's state is carried over thousands of steps."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from stages.settings import Precision


def seeing_precision(choice: Precision, device: torch.device) -> torch.dtype:
    """The type in which convolutions are computed; `auto` is float32 until parity is proven on a GPU.

    Raises `ValueError` for float16 on a CPU.
    """
    if choice == "float16" and device.type == "cpu":
        raise ValueError("model.precision: float16 needs a CUDA device; use float32 or bfloat16")
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(choice, torch.float32)


def computing_in(precision: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Within it, convolutions and products take their factors in this type; float32 leaves them as they are, also
    within an autocast that is under way."""
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, precision)


def full_float32() -> None:
    """Keep float32 what it says, for this process: cuDNN would round its factors to 10 bits (TF32) by default."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
