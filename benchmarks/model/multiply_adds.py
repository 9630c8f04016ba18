"""Multiply-adds of a model, and the rate at which this machine performs them."""

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
    """Return a context manager that counts multiply-adds, read by `multiply_adds(counter)`.

    Unlike torch's own counter, it includes LSTMs. Padding rows of a batch count; additions, activations and copies do
    not.
    """
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_rnn_layer: _lstm_layer_flops})


def multiply_adds(counted: FlopCounterMode) -> int:
    """Return the count so far. torch counts a multiply-add as two operations."""
    return counted.get_total_flops() // 2


def gemm_rate() -> float:
    """Return the multiply-adds per second of the fastest of several float32 matrix products, with torch's threads."""
    a, b, product = (torch.rand(GEMM_SIZE, GEMM_SIZE) for _ in range(3))
    best_s = math.inf
    for _ in range(GEMM_TRIES):
        began = time.perf_counter()
        torch.mm(a, b, out=product)
        best_s = min(best_s, time.perf_counter() - began)
    return GEMM_SIZE**3 / best_s


def _lstm_layer_flops(
    inputs: Sequence[int], from_input: Sequence[int], from_state: Sequence[int], *_: Any, **__: Any
) -> int:
    """Count the products with the layer's two weight matrices in each step; biases are only added."""
    return 2 * math.prod(inputs[:-1]) * (math.prod(from_input) + math.prod(from_state))
