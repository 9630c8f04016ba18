"""Detection of people and keypoints in a batch of frames, with one copy of the detections to the host.

Pictures of one shape run through the network together. `stages.detection.region_batches` does the same for networks
that detect people, parts and objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import Lease
from ring_buffers.transfer import to_host
from stages.detection.detections import PictureGroup
from stages.detection.slot_pictures import pictures_by_shape

DETECTION_WIDTH = 56
"""Box (4), score, then x, y, score of 17 keypoints."""


class PackedPeople(Protocol):
    """The people of a batch of pictures, best first."""

    @property
    def packed(self) -> Tensor:
        """float32 `[B, K, 56]` in input pixels; rows without a person score 0."""
        ...


class KeypointNetwork(Protocol):
    """Detects people and their keypoints, as `stages.detection.movenet.movenet.MoveNet` does."""

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        """Run on uint8 `[B, H, W, 3]` RGB on the device; return feature maps by stride, and heads for `decode`."""
        ...

    def decode(self, heads: Any, max_people: int) -> PackedPeople:
        """Return at most `max_people` people of each picture."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchKeypoints:
    """The detections of a batch: float32 `[K, 56]` on the host by frame index, and the pictures with their maps."""

    people: dict[int, NDArray[np.float32]]
    groups: list[PictureGroup]


def detect_keypoints(
    frames: Sequence[Lease], due: Sequence[bool], network: KeypointNetwork, max_people: int, device: torch.device
) -> BatchKeypoints:
    """Run the network on the frames that are `due`."""
    groups: list[PictureGroup] = []
    packed: list[Tensor] = []
    for indices, pictures in pictures_by_shape(frames, due, device):
        maps, heads = network(pictures)
        groups.append(PictureGroup(indices, pictures, maps))
        packed.append(network.decode(heads, max_people).packed)
    people: dict[int, NDArray[np.float32]] = {}
    if packed:
        host = to_host(torch.cat([tensor.flatten() for tensor in packed]))
        start = 0
        for tensor, group in zip(packed, groups, strict=True):
            rows = host[start : start + tensor.numel()].reshape(tensor.shape)
            people.update(zip(group.frames, rows, strict=True))
            start += tensor.numel()
    return BatchKeypoints(people, groups)
