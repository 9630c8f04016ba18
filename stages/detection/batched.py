"""Detection of a batch: pictures of any mix of shapes through the detector, and one copy of what it found to the host.

Owns nothing. Pictures of one shape go through the detector together.
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
from stages.detection.finder import PictureGroup
from stages.detection.slot_pictures import pictures_by_shape
from stages.device.transfer import to_host

DETECTION_WIDTH = 56
"""Box (4), score, then x, y, score of 17 keypoints."""


class FoundPeople(Protocol):
    """A batch's detections, best first."""

    @property
    def packed(self) -> Tensor:
        """float32 [B, K, 56] in input pixels; score 0 where nobody is."""
        ...


class Detector(Protocol):
    """Finds people and their keypoints; `stages.detection.movenet.movenet.MoveNet` is one."""

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        """uint8 [B, H, W, 3] RGB on the device → feature maps by stride, and heads for `decode`."""
        ...

    def decode(self, heads: Any, max_people: int) -> FoundPeople:
        """The people of each picture, at most `max_people`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchDetections:
    """What was found in a batch: frame index → float32 [K, 56] on the host, and the groups with their maps."""

    people: dict[int, NDArray[np.float32]]
    groups: list[PictureGroup]


def detect(
    frames: Sequence[Lease], turns: Sequence[bool], detector: Detector, max_people: int, device: torch.device
) -> BatchDetections:
    """Detect in those frames whose turn it is."""
    groups: list[PictureGroup] = []
    packed: list[Tensor] = []
    for indices, pictures in pictures_by_shape(frames, turns, device):
        maps, heads = detector(pictures)
        groups.append(PictureGroup(indices, pictures, maps))
        packed.append(detector.decode(heads, max_people).packed)
    people: dict[int, NDArray[np.float32]] = {}
    if packed:
        host = to_host(torch.cat([tensor.flatten() for tensor in packed]))
        start = 0
        for tensor, group in zip(packed, groups, strict=True):
            rows = host[start : start + tensor.numel()].reshape(tensor.shape)
            people.update(zip(group.frames, rows, strict=True))
            start += tensor.numel()
    return BatchDetections(people, groups)
