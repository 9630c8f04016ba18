"""Ease levels: what a model leaves out when the machine cannot keep up with live cameras.

Level 0 is full quality. Each further level costs less and is less accurate. The engine chooses the level
(`stream/inference/load_control.py`); settings limit it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

EARLY_US = 1000
"""How much too early a detection may be, because some containers round times to milliseconds."""


FULL_SIDE = 768
"""Longest side of a whole picture that no level limits, unless the camera's `detector_size` says otherwise."""

OBJECTS_COST = 0.4
"""Cost of a look for objects, with NanoDet in 416x416, in whole pictures of full size."""
SECOND_LOOK_COST = 0.25
"""The same of a second look: Thunder takes about 1.5 times as long as MultiPose for a picture of 256x256, which costs a
sixth."""
VIEW_COST = OBJECTS_COST + SECOND_LOOK_COST
"""The same of a view that is searched, with a second look at one person found there."""
SEARCH_VIEWS = 7
"""Views of a search, as of a picture of 16:9."""


class Detection(NamedTuple):
    """A detection in a camera's frame."""

    frame: int
    """The frame's number."""
    at_us: float
    """Media time at which it was due, µs: that of this frame, or earlier by up to the time between two frames."""


@dataclass(frozen=True, slots=True)
class EaseLevel:
    """The limits of one level. None: no limit beyond the settings."""

    detections_per_second: float | None = None
    """Detections per camera and second of media time, at most. Boxes between detections are extrapolated."""
    longest_side: int | None = None
    """Longest side of the detector's whole pictures, pixels, at most."""

    def next_detection(self, last: Detection, frame: int, media_us: int) -> Detection | None:
        """Return the detection in this frame, after `last` in the same epoch; None if it is too early for one.

        A detection on the first frame after its time does not delay the next one, so that the mean rate is the level's
        whatever the camera's.
        """
        apart_us = 1e6 / self.detections_per_second if self.detections_per_second else 0.0
        since_us = media_us - last.at_us
        late_us = since_us - apart_us
        if late_us < -EARLY_US:
            return None
        first_frame = late_us < since_us / (frame - last.frame)
        return Detection(frame, last.at_us + apart_us if apart_us and first_frame else media_us)

    def detection_rate(self, frame_rate: float) -> float:
        """Return the detections per second of a camera with `frame_rate` frames a second."""
        return min(frame_rate, self.detections_per_second or math.inf)

    @property
    def picture_cost(self) -> float:
        """Cost of a detection, in whole pictures of full size."""
        return min((self.longest_side or FULL_SIDE) / FULL_SIDE, 1.0) ** 2

    def cost(self, frame_rate: float) -> float:
        """Return the cost of a camera with `frame_rate` frames a second, in whole pictures of full size a second."""
        return self.detection_rate(frame_rate) * self.picture_cost


FULL_QUALITY = EaseLevel()


@dataclass(frozen=True, slots=True)
class FurtherLooks:
    """What full quality looks at beside detections, per camera and second at most. Other levels leave it out."""

    objects: float = 0.0
    second_looks: float = 0.0
    views: float = 0.0
    """Views that are searched."""

    def cost(self, detection_rate: float) -> float:
        """Return the cost of a camera with these detections a second, in whole pictures of full size a second.

        A frame with a detection has at most one look for objects, one view that is searched, and the second looks of a
        second.
        """
        second_looks = min(self.second_looks, detection_rate * max(self.second_looks, 1.0))
        return (
            OBJECTS_COST * min(self.objects, detection_rate)
            + SECOND_LOOK_COST * second_looks
            + VIEW_COST * min(self.views, detection_rate)
        )


STEPS = (
    EaseLevel(12.5),
    EaseLevel(8.0),
    EaseLevel(8.0, 640),
    EaseLevel(5.0, 640),
    EaseLevel(5.0, 512),
    EaseLevel(4.0, 512),
    EaseLevel(3.0, 384),
    EaseLevel(2.0, 384),
    EaseLevel(1.0, 384),
)
"""The levels from 1. 12.5 detections a second cost no step of the action model (`window.max_steps_per_second`); below,
fewer steps make actions less certain. Smaller pictures lose distant people."""


def ease_levels(
    min_detections_per_second: float, min_side: int | None, steps: Sequence[EaseLevel] = STEPS
) -> tuple[EaseLevel, ...]:
    """Return full quality and those of `steps` that stay within the limits.

    `min_side`: None if the detector's pictures can't be made smaller; then the levels limit the rate only.
    """
    if min_side is None:
        rates = dict.fromkeys(level.detections_per_second for level in steps)
        return ease_levels(min_detections_per_second, 1, [EaseLevel(rate) for rate in rates])
    within = [
        level
        for level in steps
        if (level.detections_per_second or math.inf) >= min_detections_per_second
        and (level.longest_side or math.inf) >= min_side
    ]
    return (FULL_QUALITY, *within)
