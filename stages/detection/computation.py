"""The part of a detection network that another runtime than torch can compute: its convolutions, without decoding.

A network has an attribute `computation`. If it is set, the network calls it on its pictures instead of its own layers.
`stages.runtimes` builds computations; a network imports no runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

Computation = Callable[[Sequence[Tensor]], list[tuple[Tensor, ...]]]
"""From batches of pictures, each uint8 `[B, H, W, 3]` RGB on the CPU, to the network's maps of each batch, float32 in
the order that it defines. Batches may be computed side by side; what is computed of one does not depend on others."""
