"""The part of a detection network that another runtime than torch can compute: its convolutions, without decoding.

A network has an attribute `computation`. If it is set, the network calls it on each picture instead of its own layers.
`stages.runtimes` builds computations; a network imports no runtime.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Computation = Callable[[Tensor], tuple[Tensor, ...]]
"""From pictures, uint8 `[B, H, W, 3]` RGB on the CPU, to the network's maps, float32 in the order that it defines."""
