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


def gemm_rate() -> float:
    """Multiply-adds a second of a float32 matrix product, with as many threads as torch is set to: the best try."""
    size = GEMM_SIZE
    a, b, product = torch.rand(size, size), torch.rand(size, size), torch.empty(size, size)
    best_s = math.inf
    for _ in range(GEMM_TRIES):
        began = time.perf_counter()
        torch.mm(a, b, out=product)
        best_s = min(best_s, time.perf_counter() - began)
    return size**3 / best_s


def _lstm_layer_flops(
    inputs: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """Every step multiplies with the layer's two weight matrices; biases are vectors and only added."""
    return 2 * math.prod(inputs[:-1]) * (math.prod(from_input) + math.prod(from_state))
