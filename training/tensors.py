"""A generated batch as the network takes it. Pure: the features come from the code that computes them live."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.geometry import sequence_features
from stages.part_boxes import part_boxes
from training.dataset import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Tensors:
    """What the network reads of N sequences of up to T steps, and its targets.

    Read: `parts` float32 [N, T, parts, F], `context` float32 [N, T, C], `present` bool [N, T, parts], `dt` float32
    [N, T] in seconds. Targets: `action` int64 [N, T] (−1: none), `states` bool [N, T, parts, states], `relevance` bool
    [N, T, parts], `relevance_known` bool [N, T]. `real` bool [N, T]: not padding; `last` int64 [N]: the last real step.
    """

    parts: Tensor
    context: Tensor
    present: Tensor
    dt: Tensor
    action: Tensor
    states: Tensor
    relevance: Tensor
    relevance_known: Tensor
    real: Tensor
    last: Tensor

    def to(self, device: torch.device) -> Tensors:
        """The same on a device."""
        if device.type == "cpu":
            return self
        moved = {field.name: getattr(self, field.name).to(device) for field in dataclasses.fields(self)}
        return Tensors(**moved)


def to_tensors(batch: Batch) -> Tensors:
    """Features and targets of a batch, on the CPU."""
    geometry = sequence_features(batch.keypoints, batch.boxes, batch.times_us)
    # The picture's edge is no matter here: joints outside it have scores that leave their part out.
    present = part_boxes(batch.keypoints, batch.boxes, (1e6, 1e6)).present
    steps = batch.action.shape[1]
    real = np.arange(steps) < batch.lengths[:, None]
    seconds = np.diff(batch.times_us, axis=1, prepend=batch.times_us[:, :1]) * 1e-6
    return Tensors(
        parts=torch.from_numpy(geometry.parts),
        context=torch.from_numpy(geometry.context),
        present=torch.from_numpy(present & real[..., None]),
        dt=torch.from_numpy(np.clip(seconds, 0, 2).astype(np.float32)),
        action=torch.from_numpy(batch.action),
        states=torch.from_numpy(batch.states),
        relevance=torch.from_numpy(batch.relevance),
        relevance_known=torch.from_numpy(batch.relevance_known),
        real=torch.from_numpy(real),
        last=torch.from_numpy(batch.lengths - 1),
    )
