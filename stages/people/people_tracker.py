"""The people tracker, which makes tracked people and their steps from the detections of a batch.

The number of a person's steps per second of media time is limited. On other frames, the person's boxes are updated and
the last analysis stays valid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta
from ring_buffers.state_bank import TrackKey
from stages.detection.detections import NO_OBJECTS, FrameDetections, ObjectDetections, PartBoxes
from stages.detection.views.covering import Box
from stages.ease_levels import FULL_QUALITY, Detection, EaseLevel
from stages.looks import SKIPPED, WHOLE, Look
from stages.people.look_planner import LookPlanner, region_of_objects
from stages.people.objects import Hand, ObjectMemory, held_objects, plausible_objects
from stages.people.people import BatchSteps, Person, SeenPerson, Step
from stages.people.smoothing import SmoothingConfig
from stages.people.tracking import CameraTracker
from stages.settings import DetectionMode, PipelineSettings, ScoreThresholds
from stages.vocabulary import Vocabulary

_STEP_TOLERANCE_US = 1000
"""How much too early a step or a look for objects may be, because some containers round times to milliseconds."""
_OBJECTS_KEPT = 3
"""Time after which objects are forgotten without a look, in times between two looks."""


class LookedAt(NamedTuple):
    """A frame of a camera that was looked at."""

    epoch: int
    media_us: int
    detection: Detection
    """Its number, and the time at which the look was due."""
    objects_us: int | None = None
    """Media time of the epoch's last look for objects."""


@dataclass(slots=True)
class _Epoch:
    """One camera's epoch. Dropped when the camera's epoch changes or the camera is forgotten."""

    number: int
    tracker: CameraTracker
    planner: LookPlanner
    objects: ObjectMemory
    people: dict[int, Person] = field(default_factory=dict[int, Person])
    unreported: list[int] = field(default_factory=list[int])
    """Tracks that have ended and that no published result reports yet."""
    looked_at: LookedAt | None = None
    """The last frame that was looked at."""


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
    objects_found: bool
    """Whether the objects were found in this frame; otherwise they are those of an earlier one."""
    in_hands: Mapping[Hand, str]
    """What hands hold."""
    look: Look
    """What the detector looked at in this frame."""


class TrackedBatch:
    """The way of one batch through the tracker, wave by wave.

    What the detector looks at in a frame depends on where people were in the frame before. So the k-th frames of all
    cameras are detected together, in wave k, and results don't depend on how frames are distributed over batches. If
    the detector looks everywhere, all frames are in one wave.
    """

    def __init__(self, tracker: PeopleTracker, metas: Sequence[FrameMeta]) -> None:
        self._tracker, self._metas = tracker, metas
        self.steps = BatchSteps()
        """The steps of the frames tracked so far; those of a camera's k-th frame are in wave k of the action model."""
        self._people: list[FramePeople | None] = [None] * len(metas)
        self._numbers: list[int] = []
        seen: dict[str, int] = {}
        for meta in metas:
            number = seen[meta.camera] = seen.get(meta.camera, -1) + 1
            self._numbers.append(number)
        self._claimed: set[tuple[str, int, int]] = set()

    def waves(self) -> list[list[int]]:
        """Return the frames of each wave, as indices in the batch."""
        if self._tracker.looks_everywhere:
            return [list(range(len(self._metas)))]
        waves: list[list[int]] = [[] for _ in range(max(self._numbers, default=-1) + 1)]
        for index, number in enumerate(self._numbers):
            waves[number].append(index)
        return waves

    def looks(self, wave: Sequence[int]) -> list[Look]:
        """Return what to look at in each frame of a wave. The waves before it must have been tracked."""
        looks: list[Look] = []
        looked_at: dict[str, LookedAt | None] = {}
        for index in wave:
            meta = self._metas[index]
            last = looked_at.get(meta.camera) or self._tracker.last_look(meta.camera)
            looks.append(self._tracker.look_at(meta, last))
            if looks[-1].anything:
                looked_at[meta.camera] = self._tracker.looked_at(meta, looks[-1], last)
        return looks

    def track(self, wave: Sequence[int], looks: Sequence[Look], found: Mapping[int, FrameDetections]) -> None:
        """Track the people of a wave; `found`: detections by place in the wave, for all frames that were looked at."""
        for place, (index, look) in enumerate(zip(wave, looks, strict=True)):
            meta = self._metas[index]
            detections = found[place] if look.anything else None
            people = self._tracker.track(meta, look, detections, self.steps, index, self._numbers[index])
            # Frames of one batch report an end once.
            ended = [track for track in people.ended if (meta.camera, meta.epoch, track) not in self._claimed]
            self._claimed.update((meta.camera, meta.epoch, track) for track in ended)
            self._people[index] = replace(people, ended=ended)

    def people(self) -> list[FramePeople]:
        """Return the people of all frames, in their order. All waves must have been tracked."""
        return [people for people in self._people if people is not None]


class PeopleTracker:
    """Tracks the people of all cameras and decides which of them make a step."""

    def __init__(
        self,
        settings: PipelineSettings,
        thresholds: ScoreThresholds,
        vocabulary: Vocabulary,
        smoothing: SmoothingConfig,
        sees_regions: bool = False,
        looks_for_objects: bool = False,
        looks_again: bool = False,
        square_regions: bool = False,
    ) -> None:
        """`sees_regions`: whether the detector does; otherwise it gets whole pictures in their place.

        `looks_for_objects`, `looks_again`: whether the detector looks for objects, and makes second looks and searches,
        when it is asked to. `square_regions`: whether all regions are squares, which are faster in batches on CUDA.
        """
        self._tracking = settings.tracking
        self._thresholds = thresholds
        self._mode: DetectionMode = settings.model.detection
        self._sweep_s = settings.model.sweep_s
        self._sees_regions = sees_regions
        self._square_regions = square_regions
        self._looks_for_objects = looks_for_objects
        objects_s = settings.model.objects_s
        self._objects_us = round(objects_s * 1e6) if looks_for_objects and objects_s else None
        self._second_looks = settings.model.second_looks if looks_again else 0.0
        self._search_s = settings.model.search_s or None if looks_again else None
        self._detect_every = settings.model.detect_every
        self._vocabulary = vocabulary
        self._smoothing = smoothing
        self._min_gap_us = round(1e6 / settings.window.max_steps_per_second) - _STEP_TOLERANCE_US
        self._level = FULL_QUALITY
        self._spared: Collection[str] = ()
        self._epochs: dict[str, _Epoch] = {}
        self._ended: list[TrackKey] = []

    def begin(self, metas: Sequence[FrameMeta]) -> TrackedBatch:
        """Begin to track people through a batch. The frames of each camera must be in order."""
        return TrackedBatch(self, metas)

    @property
    def looks_everywhere(self) -> bool:
        """Whether every look is at a whole picture, so that it doesn't depend on the people of the frame before."""
        return self._mode == "full"

    def ease(self, level: EaseLevel, spared: Collection[str]) -> None:
        """Limit the rate of detections of all cameras but those `spared` to the level's."""
        self._level, self._spared = level, spared

    def last_look(self, camera: str) -> LookedAt | None:
        """Return the camera's last frame that was looked at and tracked."""
        epoch = self._epochs.get(camera)
        return None if epoch is None else epoch.looked_at

    def look_at(self, meta: FrameMeta, last: LookedAt | None, newest: bool = True) -> Look:
        """Return what the detector should look at in a frame; `last`: its camera's last frame that it looked at.

        If the frame is not the `newest` one of its camera, what can wait is left to the next one.
        """
        epoch = self._epochs.get(meta.camera)
        if epoch is not None and epoch.number != meta.epoch:
            epoch = None
        if self._next_detection(meta, last) is None:
            return SKIPPED
        look, people = WHOLE, list[tuple[Box, float]]()
        if epoch is not None and not self.looks_everywhere:
            people = epoch.tracker.places(meta.media_us)
            look = epoch.planner.plan(meta, people, newest)
            look = WHOLE if look.regions and not self._sees_regions else look
        if self._level_of(meta.camera) != FULL_QUALITY:
            return look
        if epoch is not None and not self.looks_everywhere:
            look = self._with_second_looks(meta, epoch, look, newest)
        if not look.anything or not self._objects_due(meta, last):
            return look
        if self.looks_everywhere:
            return replace(look, objects=region_of_objects(meta, None))
        if epoch is None or not epoch.tracker.alive:
            return look
        return replace(look, objects=region_of_objects(meta, [box for box, _ in people]))

    def _with_second_looks(self, meta: FrameMeta, epoch: _Epoch, look: Look, newest: bool) -> Look:
        """Return the look with the second looks and the search that are due."""
        view = epoch.planner.search_view(meta, newest or look.anything)
        # A person found by a second look is confirmed by further ones in the next frames, or the track ends.
        if look.anything and (second_looks := epoch.planner.second_looks(meta) + epoch.tracker.unconfirmed):
            look = replace(look, expected=tuple(epoch.tracker.expected(meta.media_us)), second_looks=second_looks)
        return look if view is None else look.with_search(view)

    def _objects_due(self, meta: FrameMeta, last: LookedAt | None) -> bool:
        if self._objects_us is None:
            return False
        if last is None or last.epoch != meta.epoch or last.objects_us is None:
            return True
        return meta.media_us - last.objects_us >= self._objects_us - _STEP_TOLERANCE_US

    def looked_at(self, meta: FrameMeta, look: Look, last: LookedAt | None) -> LookedAt:
        """Return the note of a look at this frame after the camera's `last` one."""
        detection = self._next_detection(meta, last) or Detection(meta.frame, meta.media_us)
        objects_us = last.objects_us if last is not None and last.epoch == meta.epoch else None
        return LookedAt(meta.epoch, meta.media_us, detection, objects_us if look.objects is None else meta.media_us)

    def _next_detection(self, meta: FrameMeta, last: LookedAt | None) -> Detection | None:
        """Return the detection in this frame after the camera's `last` one; None if it is too early for one."""
        if last is None or last.epoch != meta.epoch:
            return Detection(meta.frame, meta.media_us)
        if meta.frame // self._detect_every == last.detection.frame // self._detect_every:
            return None
        if not self.looks_everywhere and 0 < meta.media_us - last.media_us < self._min_gap_us:
            return None
        return self._level_of(meta.camera).next_detection(last.detection, meta.frame, meta.media_us)

    def _level_of(self, camera: str) -> EaseLevel:
        return FULL_QUALITY if camera in self._spared else self._level

    def track(
        self,
        meta: FrameMeta,
        look: Look,
        found: FrameDetections | None,
        steps: BatchSteps,
        frame: int,
        wave: int,
    ) -> FramePeople:
        """Track the people of a frame, and add their steps. `found`: its detections, if it was looked at.

        `frame`: its index in the batch; `wave`: the number of its camera's frames before it in the batch.
        """
        epoch = self._epoch_of(meta)
        if found is None:
            seen = list(self._interpolated(meta, epoch))
        else:
            epoch.looked_at = self.looked_at(meta, look, epoch.looked_at)
            epoch.planner.looked(meta, look)
            seen = list(self._detected(meta, epoch, found, steps, frame, wave))
        objects_found = found is not None and found.objects is not None
        memory = epoch.objects
        if found is not None and found.objects is not None:
            memory.see(self._published(found.objects, memory.objects, seen), seen, meta.media_us)
        else:
            memory.follow(seen, meta.media_us, meta.size)
        tracks = len(epoch.tracker.alive)
        return FramePeople(
            meta, seen, list(epoch.unreported), tracks, memory.objects, objects_found, memory.in_hands, look
        )

    def _published(
        self, found: ObjectDetections, before: ObjectDetections, seen: Sequence[SeenPerson]
    ) -> ObjectDetections:
        """Return which of the `found` objects are published. `before`: those of the look before."""
        min_score = self._thresholds.object_score
        if not self._looks_for_objects:
            return found.at_least(min_score)
        return plausible_objects(found, before, seen, self._vocabulary.parts, min_score)

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

    def _epoch_of(self, meta: FrameMeta) -> _Epoch:
        epoch = self._epochs.get(meta.camera)
        if epoch is None or epoch.number != meta.epoch:
            if epoch is not None:
                self._ended += [person.key for person in epoch.people.values()]
            tracker = CameraTracker(self._tracking, self._thresholds)
            # Films are analysed alike whatever their names.
            phase = 0.0 if meta.clock == "media" else crc32(meta.camera.encode()) / 2**32
            planner = LookPlanner(
                self._mode == "auto", self._sweep_s, phase, self._second_looks, self._search_s, self._square_regions
            )
            kept_us = None if self._objects_us is None else _OBJECTS_KEPT * self._objects_us
            memory = ObjectMemory(self._vocabulary.parts, kept_us)
            epoch = self._epochs[meta.camera] = _Epoch(meta.epoch, tracker, planner, memory)
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
        objects = NO_OBJECTS
        if found.objects is not None and not self._looks_for_objects:
            objects = found.objects.at_least(self._thresholds.object_score)
        held = held_objects(found.boxes[taken], parts, self._vocabulary.parts, objects)
        for place, tracked in enumerate(people):
            person = self._person_of(meta, epoch, tracked.track)
            row: int | None = None
            if person.may_step(meta.media_us, self._min_gap_us):
                keypoints = None if found.keypoints is None else found.keypoints[taken[place]]
                held_box = None if held[place] < 0 else objects.boxes[held[place]]
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
