"""The people tracker, which makes tracked people and their steps from the detections of a batch.

The number of a person's steps per second of media time is limited. On other frames, the person's boxes are updated and
the last analysis stays valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta
from ring_buffers.state_bank import TrackKey
from stages.detection.detections import NO_OBJECTS, FrameDetections, ObjectDetections, PartBoxes
from stages.people.batch_steps import BatchSteps
from stages.people.held_objects import held_objects
from stages.people.people import Person, SeenPerson, Step
from stages.people.smoothing import SmoothingConfig
from stages.people.tracking import CameraTracker
from stages.settings import PipelineSettings, ScoreThresholds
from stages.vocabulary import Vocabulary

_STEP_TOLERANCE_US = 1000
"""How much too early a step may be, because some containers round times to milliseconds."""


@dataclass(slots=True)
class _Epoch:
    """One camera's epoch. Dropped when the camera's epoch changes or the camera is forgotten."""

    number: int
    tracker: CameraTracker
    people: dict[int, Person] = field(default_factory=dict[int, Person])
    unreported: list[int] = field(default_factory=list[int])
    """Tracks that have ended and that no published result reports yet."""
    objects: ObjectDetections = NO_OBJECTS
    """The objects of the last frame with detection."""
    detected_group: int | None = None
    """`frame // detect_every` of the last frame with detection."""


@dataclass(frozen=True, slots=True)
class FramePeople:
    """The people and objects of one frame."""

    meta: FrameMeta
    seen: list[SeenPerson]
    ended: list[int]
    """Tracks that ended at this frame or, unreported, before it."""
    tracks: int
    """Confirmed tracks after this frame."""
    objects: ObjectDetections
    """The objects of the last frame with detection; objects are not tracked."""
    detected: bool
    """Whether the detector ran on this frame."""


class PeopleTracker:
    """Tracks the people of all cameras and decides which of them make a step."""

    def __init__(
        self,
        settings: PipelineSettings,
        thresholds: ScoreThresholds,
        vocabulary: Vocabulary,
        smoothing: SmoothingConfig,
    ) -> None:
        self._tracking = settings.tracking
        self._thresholds = thresholds
        self._detect_every = settings.model.detect_every
        self._vocabulary = vocabulary
        self._smoothing = smoothing
        self._min_gap_us = round(1e6 / settings.window.max_steps_per_second) - _STEP_TOLERANCE_US
        self._epochs: dict[str, _Epoch] = {}
        self._ended: list[TrackKey] = []

    def due(self, metas: Sequence[FrameMeta]) -> list[bool]:
        """Return for each frame of a batch whether to run the detector on it.

        It runs on the first frame seen of every `detect_every` frames.
        """
        last = {camera: (epoch.number, epoch.detected_group) for camera, epoch in self._epochs.items()}
        found: list[bool] = []
        for meta in metas:
            group = (meta.epoch, meta.frame // self._detect_every)
            found.append(last.get(meta.camera) != group)
            last[meta.camera] = group
        return found

    def track(
        self, metas: Sequence[FrameMeta], detections: Mapping[int, FrameDetections]
    ) -> tuple[list[FramePeople], BatchSteps]:
        """Track people through a batch; `detections` by frame index, for the frames that were `due`.

        The frames of each camera must be in order; steps of a camera's k-th frame are in wave k. After an exception no
        steps are pending.
        """
        steps = BatchSteps()
        try:
            return self._track(metas, detections, steps), steps
        except BaseException:
            steps.abandon()
            raise

    def mark_reported(self, frames: Sequence[FramePeople]) -> None:
        """Mark the tracks that ended as reported. Until then the following frames report them again."""
        for frame in frames:
            epoch = self._epochs.get(frame.meta.camera)
            if epoch is not None and epoch.number == frame.meta.epoch:
                epoch.unreported = [track for track in epoch.unreported if track not in frame.ended]

    def take_ended(self) -> list[TrackKey]:
        """Return the people whose track or epoch has ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def forget(self, camera: str) -> None:
        """Drop a camera's tracker and people."""
        self._epochs.pop(camera, None)

    def _track(
        self, metas: Sequence[FrameMeta], detections: Mapping[int, FrameDetections], steps: BatchSteps
    ) -> list[FramePeople]:
        frames: list[FramePeople] = []
        nth: dict[str, int] = {}
        claimed: set[tuple[str, int, int]] = set()
        for index, meta in enumerate(metas):
            epoch = self._epoch_of(meta)
            wave = nth[meta.camera] = nth.get(meta.camera, -1) + 1
            if index in detections:
                epoch.detected_group = meta.frame // self._detect_every
                epoch.objects = detections[index].objects.at_least(self._thresholds.object_score)
                seen = list(self._detected(meta, epoch, detections[index], steps, index, wave))
            else:
                seen = list(self._interpolated(meta, epoch))
            ended = [track for track in epoch.unreported if (meta.camera, meta.epoch, track) not in claimed]
            claimed.update((meta.camera, meta.epoch, track) for track in ended)
            frames.append(FramePeople(meta, seen, ended, len(epoch.tracker.alive), epoch.objects, index in detections))
        return frames

    def _epoch_of(self, meta: FrameMeta) -> _Epoch:
        epoch = self._epochs.get(meta.camera)
        if epoch is None or epoch.number != meta.epoch:
            if epoch is not None:
                self._ended += [person.key for person in epoch.people.values()]
            epoch = self._epochs[meta.camera] = _Epoch(meta.epoch, CameraTracker(self._tracking, self._thresholds))
        return epoch

    def _detected(
        self,
        meta: FrameMeta,
        epoch: _Epoch,
        found: FrameDetections,
        steps: BatchSteps,
        frame: int,
        wave: int,
    ) -> Iterator[SeenPerson]:
        """Update the tracker with a frame's detections; add steps for people whose last step is long enough ago."""
        good = np.flatnonzero(found.scores >= self._thresholds.person_score)
        people, ended = epoch.tracker.update(found.boxes[good], found.scores[good], meta.media_us)
        for track in ended:
            epoch.unreported.append(track)
            person = epoch.people.pop(track, None)
            if person is not None:
                self._ended.append(person.key)
        taken = good[np.array([tracked.detection for tracked in people], np.int64)]
        parts = found.parts_of(taken, self._thresholds.keypoint_score)
        held = held_objects(found.boxes[taken], parts, self._vocabulary.parts, epoch.objects)
        for place, tracked in enumerate(people):
            person = self._person_of(meta, epoch, tracked.track)
            row: int | None = None
            if person.may_step(meta.media_us, self._min_gap_us):
                keypoints = None if found.keypoints is None else found.keypoints[taken[place]]
                held_box = None if held[place] < 0 else epoch.objects.boxes[held[place]]
                step = Step(keypoints, tracked.box, meta.media_us)
                row = steps.add(person, step, parts, place, held_box, frame, wave)
            shown = SeenPerson(person, tracked, parts.boxes[place], parts.scores[place], parts.present[place], row)
            person.last_shown = shown
            yield shown

    def _interpolated(self, meta: FrameMeta, epoch: _Epoch) -> Iterator[SeenPerson]:
        """Extrapolate the boxes of people and their parts on a frame without detection."""
        for tracked in epoch.tracker.between(meta.media_us):
            person = self._person_of(meta, epoch, tracked.track)
            last = person.last_shown
            if last is None:
                continue
            parts = _moved_parts(last, tracked.box, meta.size)
            yield SeenPerson(person, tracked, parts.boxes, parts.scores, parts.present, None)

    def _person_of(self, meta: FrameMeta, epoch: _Epoch, track: int) -> Person:
        person = epoch.people.get(track)
        if person is None:
            key = TrackKey(meta.camera, meta.epoch, track)
            person = epoch.people[track] = Person(key, self._vocabulary, self._smoothing)
        return person


def _moved_parts(last: SeenPerson, box: NDArray[np.float32], size: tuple[int, int]) -> PartBoxes:
    """Return the part boxes of a person's last detection, moved and scaled as the person's box was, and clipped."""
    before = last.tracked.box
    scale = (box[2:] - box[:2]) / np.maximum(before[2:] - before[:2], np.float32(1))
    moved = (last.boxes.reshape(-1, 2, 2) - before[:2]) * scale + box[:2]
    clipped = np.clip(moved, 0, np.array(size, np.float32)).astype(np.float32)
    present = last.present & (clipped[:, 1] - clipped[:, 0] >= 1).all(-1)
    return PartBoxes(clipped.reshape(-1, 4), last.scores, present)
