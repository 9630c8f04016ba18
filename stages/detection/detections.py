"""The people, parts and objects that a detector finds in a batch of frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.looks import Look
from stages.settings import ScoreThresholds

Computation = Callable[[Sequence[Tensor]], list[tuple[Tensor, ...]]]
"""From batches of pictures, each uint8 `[B, H, W, 3]` RGB on the CPU, to the network's maps of each batch, float32 in
the order that it defines. Batches may be computed side by side; what is computed of one does not depend on others."""


@dataclass(frozen=True, slots=True, eq=False)
class PartBoxes:
    """The parts of people, in the vocabulary's order; the leading shape `…` is that of the people.

    `boxes` float32 `[…, parts, 4]` in pixels, zeros where absent; `scores` float32 `[…, parts]`; `present` bool
    `[…, parts]`.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    present: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectDetections:
    """m detected objects of a frame, people excluded, best first: boxes float32 `[m, 4]`, scores float32 `[m]`."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]

    def at_least(self, score: float) -> ObjectDetections:
        """Return the objects that score at least `score`."""
        return self.rows(np.flatnonzero(self.scores >= score))

    def rows(self, rows: NDArray[np.int64]) -> ObjectDetections:
        """Return the objects of these rows."""
        return ObjectDetections(self.boxes[rows], self.scores[rows], tuple(self.labels[row] for row in rows))


NO_OBJECTS = ObjectDetections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())


class FrameDetections(Protocol):
    """The n people and the objects of a frame; boxes and keypoints in pixels of the epoch's first picture."""

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
        """`[n, 17, 3]`: x, y, score; None from a detector without keypoints."""
        ...

    @property
    def objects(self) -> ObjectDetections | None:
        """None if objects were not looked for in the frame."""
        ...

    def parts_of(self, people: NDArray[np.int64], min_score: float) -> PartBoxes:
        """Return the parts of the people in the rows `people`; a part that scores less than `min_score` is absent."""
        ...


class Area(NamedTuple):
    """The part of a frame that a picture of the detector shows, in its top left."""

    offset: tuple[float, float]
    """x, y of the part's top left corner, in pixels of the epoch's first picture."""
    scale: tuple[float, float]
    """Pixels of the detector's picture per pixel of the epoch's first picture, along x and y."""
    content: tuple[int, int]
    """Width and height without padding, in pixels of the detector's picture."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureGroup:
    """Pictures of one shape, with the detector's feature maps.

    `frames`: their indices in the batch; several pictures may be regions of one frame. `pixels`: uint8 `[B, H, W, 3]`
    RGB, padding included, on the device. `maps`: feature maps by stride. `areas`: what each picture shows.
    """

    frames: list[int]
    pixels: Tensor
    maps: dict[int, Tensor]
    areas: list[Area]


@dataclass(frozen=True, slots=True, eq=False)
class BatchDetections:
    """The detections of a batch by frame index, on the host, and the pictures that the detector ran on."""

    frames: dict[int, FrameDetections]
    groups: list[PictureGroup]

    def of_frames(self, indices: Sequence[int]) -> BatchDetections:
        """Return the same detections with `indices[n]` in place of frame n."""
        groups = [replace(group, frames=[indices[frame] for frame in group.frames]) for group in self.groups]
        return BatchDetections({indices[frame]: found for frame, found in self.frames.items()}, groups)


def whole_area(meta: FrameMeta) -> Area:
    """Return the area of a whole picture."""
    (width, height), content = meta.size, meta.format.content
    return Area((0.0, 0.0), (content[0] / width, content[1] / height), content)


def epoch_scale(meta: FrameMeta) -> NDArray[np.float32]:
    """Return pixels of the epoch's first picture per pixel of the detector's, along x and y: float32 `[2]`."""
    content = meta.format.content
    return np.array([meta.size[0] / content[0], meta.size[1] / content[1]], np.float32)


class DetectorError(RuntimeError):
    """A detector can't be built or loaded; the message names the file or field and says what to do."""


class Detector(Protocol):
    """Detects people in batches of frames with one or two networks."""

    has_keypoints: bool
    sees_regions: bool
    """Whether looks may have regions; otherwise it sees whole pictures only."""

    @property
    def looks_again(self) -> bool:
        """Whether looks may ask for second looks and searches."""
        ...

    @property
    def looks_for_objects(self) -> bool:
        """Whether it finds objects only where looks ask for them (`Look.objects`).

        Such objects are for results only: the networks learned without them.
        """
        ...

    @property
    def networks(self) -> tuple[object, ...]:
        """The detector's networks, with the weights on the device."""
        ...

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """Thresholds that suit the network's scores; used where the user has set none."""
        ...

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        ...

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Run on what the `looks` ask for, with one copy from the device to the host per network that runs.

        A frame that is not looked at has no detections. Frames with regions must have slots of planes.
        """
        ...

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Run the network on dummy pictures, uint8 `[B, H, W, 3]` on the device, and wait for the device.

        `content`: width and height of the pictures without their padding.
        """
        ...


def iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the IoU `[n, m]` of boxes `[n, 4]` and `[m, 4]`."""
    shared = _shared(first, second)
    return np.divide(shared, np.maximum(_areas(first)[:, None] + _areas(second) - shared, 1e-6), dtype=np.float32)


def share_inside(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share `[n, m]` of each box `[n, 4]` that is inside each box `[m, 4]`."""
    return np.divide(_shared(first, second), np.maximum(_areas(first), 1e-6)[:, None], dtype=np.float32)


def _shared(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    return np.maximum(sides, np.float32(0)).prod(-1, dtype=np.float32)


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return (boxes[:, 2:] - boxes[:, :2]).prod(-1, dtype=np.float32)
