"""The last W feature vectors of every tracked person, with their times, on the device.

One block of memory of fixed size holds all slots. Every operation is index arithmetic on the device: no call waits for
it or copies anything back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ring_buffers.transfer import to_device


class RecentFeatures(NamedTuple):
    """The last steps of some slots, oldest first: the newest is at index −1, missing steps are zeros at the front."""

    features: Tensor
    """[n, count, width], the window's dtype."""
    valid: Tensor
    """[n, count], bool."""
    times_us: Tensor
    """[n, count], int64, media time in µs; 0 where not valid."""


class FeatureWindow:
    """A ring of `steps` feature vectors for each of `capacity` slots, plus one scratch slot for padded rows."""

    def __init__(
        self,
        capacity: int,
        steps: int,
        width: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.capacity = capacity
        self.steps = steps
        self.device = torch.device(device)
        self._features = torch.zeros(capacity + 1, steps, width, dtype=dtype, device=self.device)
        self._times = torch.zeros(capacity + 1, steps, dtype=torch.int64, device=self.device)
        self._written = torch.zeros(capacity + 1, dtype=torch.int64, device=self.device)
        self._offsets = torch.arange(-steps, 0, dtype=torch.int64, device=self.device)

    @property
    def nbytes(self) -> int:
        """Bytes of memory on the device."""
        return sum(tensor.nbytes for tensor in (self._features, self._times, self._written, self._offsets))

    def append(self, slots: Tensor, features: Tensor, times_us: Tensor | Sequence[int]) -> None:
        """Add one step to each of these slots. A full slot loses its oldest step.

        `slots` is int64 [n] on the device, each at most once except for the scratch slot `capacity`; `features` is
        [n, width]; `times_us` is int64 [n], media time in µs, on the device or on the host.
        """
        if not isinstance(times_us, Tensor):
            times_us = to_device(np.array(times_us, np.int64), self.device)
        elif times_us.device != self.device:
            times_us = times_us.to(self.device, non_blocking=True)
        written = self._written.index_select(0, slots)
        position = written.remainder(self.steps)
        self._features[slots, position] = features.to(self._features.dtype)
        self._times[slots, position] = times_us
        self._written.index_copy_(0, slots, written + 1)

    def last(self, slots: Tensor, count: int) -> RecentFeatures:
        """Return the last `count` (1 … steps) steps of these slots, int64 [n] on the device."""
        index = self._written.index_select(0, slots)[:, None] + self._offsets[-count:]
        valid = index >= 0
        position = index.remainder(self.steps)
        rows = slots[:, None]
        features = self._features[rows, position]
        # `where`, not a product: values left by an earlier person may be NaN.
        return RecentFeatures(
            torch.where(valid[:, :, None], features, 0), valid, torch.where(valid, self._times[rows, position], 0)
        )

    def clear(self, slot: int) -> None:
        """Forget this slot's steps: its person has left, or a new person has the slot."""
        self._written[slot].zero_()
