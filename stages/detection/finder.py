"""Finders: who and what is in each frame of a batch, whichever detector looks. Protocols and data, owns nothing.

Two kinds implement `Finder`: `keypoint_finder` (people and their joints, from which part boxes follow) and
`region_finder` (people, part boxes and objects). What comes after them is one pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection.part_boxes import PartBoxes
from stages.settings import ScoreThresholds


@dataclass(frozen=True, slots=True, eq=False)
class FoundObjects:
    """m objects of a frame that are no people, best first: boxes float32 `[m, 4]`, scores float32 `[m]`, labels."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]

    def at_least(self, score: float) -> FoundObjects:
        """Those that score as much."""
        good = np.flatnonzero(self.scores >= score)
        return FoundObjects(self.boxes[good], self.scores[good], tuple(self.labels[row] for row in good))


NO_OBJECTS = FoundObjects(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())


class FoundInFrame(Protocol):
    """n people of a frame and its objects; boxes and joints in pixels of the epoch's first picture."""

    @property
    def boxes(self) -> NDArray[np.float32]:
        """`[n, 4]`"""
        ...

    @property
    def scores(self) -> NDArray[np.float32]:
        """`[n]`"""
        ...

    @property
    def keypoints(self) -> NDArray[np.float32] | None:
        """`[n, 17, 3]`: x, y, score; None from a finder without keypoints."""
        ...

    @property
    def objects(self) -> FoundObjects: ...

    def parts_of(self, people: NDArray[np.int64], least_score: float) -> PartBoxes:
        """The parts of those people, by row, in their order; what scores less than `least_score` is absent."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PictureGroup:
    """Pictures of one shape: which frames of the batch they are, on the device their pixels, uint8 `[B, H, W, 3]` RGB
    as their slots hold them, and the detector's feature maps by stride."""

    frames: list[int]
    pixels: Tensor
    maps: dict[int, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class BatchFound:
    """What was found in a batch: frame index → its people and objects, on the host; and the pictures that were looked
    at, group by group."""

    frames: dict[int, FoundInFrame]
    groups: list[PictureGroup]


class Finder(Protocol):
    """Finds people in batches of frames. Owns its detector."""

    has_keypoints: bool

    @property
    def detector(self) -> object:
        """The network that finds, whose weights lie on the device."""
        ...

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """Thresholds that suit its scores, for those that the user has not set."""
        ...

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The picture that the detector wants. Pure."""
        ...

    def find(self, frames: Sequence[Lease], turns: Sequence[bool], max_people: int) -> BatchFound:
        """Look at those frames whose turn it is. One copy from the device to the host."""
        ...

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Made-up pictures uint8 [B, H, W, 3] on the device through the detector; `content` (width, height) of them is
        no padding. Waits for the device."""
        ...


def epoch_scale(meta: FrameMeta) -> NDArray[np.float32]:
    """Pixels of the epoch's first picture for one of the detector's, along x and y: float32 `[2]`."""
    content = meta.format.content
    return np.array([meta.size[0] / content[0], meta.size[1] / content[1]], np.float32)
