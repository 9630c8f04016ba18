"""The protocol of a detector.

Three classes implement it: `KeypointDetector` (people and keypoints, from which part boxes follow, and now and then
objects), `RegionDetector` (people, part boxes and objects) and `PairedDetector` (people, objects and keypoints, from
two networks). All stages after detection are the same for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ring_buffers.frames import Lease, SlotFormat
from stages.detection.detections import BatchDetections
from stages.looks import Look
from stages.settings import ScoreThresholds


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
