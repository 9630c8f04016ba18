"""How many multiply-adds a model does, and how many this machine can do a second. Owns nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

GEMM_SIZE = 1024
GEMM_TRIES = 12


def counter() -> FlopCounterMode:
    """Counts while entered; `multiply_adds(counter)` reads it. LSTMs are counted too, which torch itself doesn't.

    Counted is what is computed, rows that pad a batch included; additions, activations and copies count nothing.
    """
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_rnn_layer: _lstm_layer_flops})


def multiply_adds(counted: FlopCounterMode) -> int:
    """So far; torch counts a multiply-add as two operations."""
    return counted.get_total_flops() // 2


def gemm_rate(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, size: int = GEMM_SIZE) -> float:
    """Multiply-adds a second of a matrix product, on a CPU with as many threads as torch is set to: the best try."""
    a, b, product = (torch.rand(size, size, device=device).to(dtype) for _ in range(3))
    best_s = math.inf
    for _ in range(GEMM_TRIES):
        wait_for(device)
        began = time.perf_counter()
        torch.mm(a, b, out=product)
        wait_for(device)
        best_s = min(best_s, time.perf_counter() - began)
    return size**3 / best_s


def wait_for(device: torch.device | str) -> None:
    """Until a CUDA device has done what it was given; nothing to wait for on a CPU."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _lstm_layer_flops(
    inputs: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """Every step multiplies with the layer's two weight matrices; biases are vectors and only added."""
    return 2 * math.prod(inputs[:-1]) * (math.prod(from_input) + math.prod(from_state))
