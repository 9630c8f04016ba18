"""Tracking of people from frame to frame, with one tracker per camera and epoch, driven by media time.

ByteTrack (package `trackers`) matches detections. Track ids count from 1 and are never reused within an epoch. A track
ends when `lost_after_s` of media time have passed since its last detection, whatever the number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import ByteTrackTracker

from stages.detection.views.covering import Box
from stages.settings import ScoreThresholds, TrackingSettings

_MOTION_FPS = 7.0
"""Frame rate to which ByteTrack's Kalman filter scales its noise, which limits how far predicted edges of a box move
between sparse frames. At the default of 30, waving arms made predictions diverge, and tracks were lost if frames were
80 ms or more apart. Number of tracks in 40 s of a street at 10 frames a second, using every frame, every second and
every third one: 22, 60, 55 at 30; 15, 16, 17 at 7."""
_BUFFER_FPS = 30.0
"""ByteTrack counts its buffer in frames of 1/30 s."""

_MAX_EXTRAPOLATION_S = 0.5
"""Limit of the time for which a box moves on at its last velocity without a detection."""
_EXPECTED_US = 1_000_000
"""Time after their last detection for which people are expected where they were going."""


class TrackedPerson(NamedTuple):
    """A confirmed track in one frame. `detection` is its row in the detections, −1 on a frame without detection."""

    track: int
    box: NDArray[np.float32]
    """[4]: x1, y1, x2, y2 in the pixels of the detections."""
    score: float
    detection: int


@dataclass(slots=True)
class _LastSeen:
    box: NDArray[np.float32]
    score: float
    media_us: int
    velocity: NDArray[np.float32]
    """[4] pixels a second."""


class CameraTracker:
    """The tracks of one epoch of a camera."""

    def __init__(self, settings: TrackingSettings, thresholds: ScoreThresholds) -> None:
        self._tracker = ByteTrackTracker(
            lost_track_buffer=max(1, round(settings.lost_after_s * _BUFFER_FPS)),
            frame_rate=_MOTION_FPS,
            track_activation_threshold=thresholds.activation_score,
            minimum_consecutive_frames=settings.confirm_frames,
            minimum_iou_threshold=settings.min_iou,
            high_conf_det_threshold=thresholds.high_score,
        )
        self._tracker.maximum_time_without_update = settings.lost_after_s
        self._last_seconds: float | None = None
        self._alive: set[int] = set()
        self._seen: dict[int, _LastSeen] = {}
        self._detected_us = 0

    @property
    def alive(self) -> frozenset[int]:
        """Confirmed tracks that have not ended."""
        return frozenset(self._alive)

    @property
    def unconfirmed(self) -> int:
        """Number of tracks that are not confirmed yet."""
        return sum(track.tracker_id < 0 for track in self._tracker.tracks)

    def places(self, media_us: int) -> list[tuple[Box, float]]:
        """Return where everyone is who is tracked, confirmed or not: box, and seconds since the last detection."""
        found: list[tuple[Box, float]] = []
        for track in self._tracker.tracks:
            last = self._seen.get(int(track.tracker_id) + 1)
            box = last.box if last is not None else track.get_state_bbox()
            since_us = last.media_us if last is not None else self._detected_us
            x1, y1, x2, y2 = (float(value) for value in box)
            found.append(((x1, y1, x2, y2), max(media_us - since_us, 0) * 1e-6))
        return found

    def expected(self, media_us: int) -> list[Box]:
        """Return the expected boxes of tracked people who were found recently, unconfirmed tracks first.

        An unconfirmed track must be detected in every frame until it is confirmed.
        """
        found: list[Box] = []
        for track in sorted(self._tracker.tracks, key=lambda track: track.tracker_id >= 0):
            last = self._seen.get(int(track.tracker_id) + 1)
            since_us = last.media_us if last is not None else self._detected_us
            if media_us - since_us <= _EXPECTED_US:
                box = track.get_state_bbox()
                if last is not None:
                    # Moved on as a whole: extrapolated edges would soon meet.
                    speed = (last.velocity[:2] + last.velocity[2:]) / 2
                    box = last.box + np.tile(speed, 2) * np.float32(_ahead_s(last, media_us))
                x1, y1, x2, y2 = (float(side) for side in box)
                found.append((x1, y1, x2, y2))
        return found

    def update(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], media_us: int
    ) -> tuple[list[TrackedPerson], list[int]]:
        """Add a frame's detections, `boxes` [n, 4] and `scores` [n].

        Returns the confirmed tracks that were detected, ordered by track, and the ids of tracks that have ended.
        """
        detections = sv.Detections(
            xyxy=np.asarray(boxes, np.float32).reshape(-1, 4),
            confidence=np.asarray(scores, np.float32),
            data={"row": np.arange(len(boxes))},
        )
        match = self._confirmed_at_once if self._last_seconds is None else self._matched
        matched = match(detections, media_us)
        people: list[TrackedPerson] = []
        identities = matched.tracker_id if matched.tracker_id is not None else np.empty(0, np.int64)
        rows = np.asarray(matched.data.get("row", np.empty(0, np.int64)))
        for identity, row in zip(identities.tolist(), rows.tolist(), strict=True):
            if identity >= 0:
                people.append(TrackedPerson(identity + 1, boxes[row], float(scores[row]), row))
        people.sort()
        alive = {int(track.tracker_id) + 1 for track in self._tracker.tracks if track.tracker_id >= 0}
        ended = sorted(self._alive - alive)
        self._alive = alive
        self._remember(people, media_us)
        for track in ended:
            self._seen.pop(track, None)
        return people, ended

    def _matched(self, detections: sv.Detections, media_us: int) -> sv.Detections:
        seconds = media_us * 1e-6
        if self._last_seconds is not None and seconds <= self._last_seconds:
            # Two frames may have the same time, but ByteTrack needs increasing times.
            seconds = self._last_seconds + 1e-6
        self._last_seconds = seconds
        return self._tracker.update(detections, timestamp=seconds)

    def _confirmed_at_once(self, detections: sv.Detections, media_us: int) -> sv.Detections:
        """Start and confirm the tracks of the first frame, as ByteTrack's authors do.

        The package confirms no track at its first detection, and is therefore given the detections twice.
        """
        confirm_frames = self._tracker.minimum_consecutive_frames
        self._tracker.minimum_consecutive_frames = 1
        self._matched(detections, media_us)
        matched = self._matched(detections, media_us)
        self._tracker.minimum_consecutive_frames = confirm_frames
        return matched

    def between(self, media_us: int) -> list[TrackedPerson]:
        """Extrapolate the boxes of the tracks detected last, for a frame without detection. Changes no state."""
        found: list[TrackedPerson] = []
        for track in sorted(self._alive):
            last = self._seen.get(track)
            if last is None or last.media_us != self._detected_us:
                continue
            box = (last.box + last.velocity * np.float32(_ahead_s(last, media_us))).astype(np.float32)
            box[2:] = np.maximum(box[2:], box[:2] + 1)
            found.append(TrackedPerson(track, box, last.score, -1))
        return found

    def _remember(self, people: list[TrackedPerson], media_us: int) -> None:
        self._detected_us = media_us
        for person in people:
            before = self._seen.get(person.track)
            elapsed = (media_us - before.media_us) * 1e-6 if before is not None else 0.0
            if before is None or elapsed <= 0:
                velocity = np.zeros(4, np.float32)
            else:
                velocity = ((person.box - before.box) / np.float32(elapsed)).astype(np.float32)
            self._seen[person.track] = _LastSeen(np.array(person.box), person.score, media_us, velocity)


def _ahead_s(last: _LastSeen, media_us: int) -> float:
    """Return for how long a person's box moves on at its last velocity."""
    return min(max(media_us - last.media_us, 0) * 1e-6, _MAX_EXTRAPOLATION_S)
