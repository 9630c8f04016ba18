"""Scenes: who is in front of each camera, from detections, frame by frame; and who makes a step of the learned stages.

A scene is one camera's epoch: its tracker and its people. It dies when the camera's epoch changes or the camera is
forgotten. A person steps at most so often a second of media time; on other frames their boxes are fresh and their last
reading stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta
from ring_buffers.state_bank import TrackKey
from stages.detection.finder import NO_OBJECTS, FoundInFrame, FoundObjects
from stages.detection.part_boxes import PartBoxes
from stages.heads.action_states import WaveStep
from stages.people.held_objects import held_objects
from stages.people.people import Person, SeenPerson, Step
from stages.people.smoothing import SmoothingConfig
from stages.people.tracking import CameraTracker
from stages.settings import PipelineSettings, ScoreThresholds
from stages.vocabulary import Vocabulary

_STEP_TOLERANCE_US = 1000
"""A person may step this much early: some containers round times to milliseconds."""


@dataclass(slots=True)
class Scene:
    """One camera's epoch."""

    epoch: int
    tracker: CameraTracker
    people: dict[int, Person] = field(default_factory=dict[int, Person])
    ended: list[int] = field(default_factory=list[int])
    """Tracks that have ended and weren't reported yet."""
    objects: FoundObjects = NO_OBJECTS
    """Of the last frame with detection."""
    detected_group: int | None = None
    """`frame // detect_every` of the last frame with detection."""


@dataclass(frozen=True, slots=True)
class FramePeople:
    """The people of one frame."""

    meta: FrameMeta
    scene: Scene
    seen: list[SeenPerson]
    ended: list[int]
    """Tracks that ended at this frame or, unreported, before it."""
    tracks: int
    """Confirmed tracks after this frame."""
    objects: FoundObjects
    """As the last detection found them; they aren't followed."""
    detected: bool
    """Whether this frame was detected in."""


class BatchSteps:
    """The steps that people make in one batch, and in which wave each goes."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.steps: list[Step] = []
        self.frames: list[int] = []
        self.present: list[NDArray[np.bool_]] = []
        self.part_boxes: list[NDArray[np.float32]] = []
        self.objects: list[NDArray[np.float32] | None] = []
        """The box of what each person acts on, if anything was found."""
        self.waves: list[list[WaveStep]] = []
        self.begun = False
        """Whether any of them may have changed a state: from then on they can't be made anew."""
        self._by_key: dict[TrackKey, Person] = {}
        self._windows: list[tuple[NDArray, NDArray, NDArray, NDArray]] = []

    def __len__(self) -> int:
        return len(self.people)

    def add(
        self,
        person: Person,
        step: Step,
        parts: PartBoxes,
        place: int,
        thing: NDArray[np.float32] | None,
        frame: int,
        wave: int,
    ) -> int:
        """Returns the step's index. `parts` at `place` are the person's, `thing` is their object's box, `frame` is the
        frame's index in the batch."""
        row = len(self.people)
        person.pending.append(step)
        self.people.append(person)
        self._by_key[person.key] = person
        self.steps.append(step)
        self.frames.append(frame)
        self.present.append(parts.present[place])
        self.part_boxes.append(parts.boxes[place])
        self.objects.append(thing)
        if step.keypoints is not None:
            self._windows.append(person.history.window(person.pending))
        while len(self.waves) <= wave:
            self.waves.append([])
        self.waves[wave].append(WaveStep(person.key, step.media_us, row))
        return row

    def windows(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Trailing windows of all steps: keypoints [n, H, 17, 3], boxes [n, H, 4], times [n, H], valid [n, H]. Only
        where steps have keypoints."""
        keypoints, boxes, times, valid = (np.stack(arrays) for arrays in zip(*self._windows, strict=True))
        return keypoints, boxes, times, valid

    def part(self, start: int, stop: int) -> BatchSteps:
        """The steps `start` … `stop`, as a batch of their own. Parts are to be made in order: a person's steps are."""
        part = BatchSteps()
        part.people = self.people[start:stop]
        part.steps = self.steps[start:stop]
        part.frames = self.frames[start:stop]
        part.present = self.present[start:stop]
        part.part_boxes = self.part_boxes[start:stop]
        part.objects = self.objects[start:stop]
        part._windows = self._windows[start:stop]
        part._by_key = {person.key: person for person in part.people}
        waves = [
            [step._replace(row=step.row - start) for step in wave if start <= step.row < stop] for wave in self.waves
        ]
        part.waves = [wave for wave in waves if wave]
        return part

    def commit(self, key: TrackKey) -> None:
        """This person's oldest step has gone through the action model."""
        self._by_key[key].commit()

    def abandon(self) -> None:
        """Steps that haven't gone through the action model never happened."""
        for person in self.people:
            person.pending.clear()


class Scenes:
    """The scenes of all cameras."""

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
        self._least_gap_us = round(1e6 / settings.window.max_steps_per_second) - _STEP_TOLERANCE_US
        self._scenes: dict[str, Scene] = {}

    def turns(self, metas: Sequence[FrameMeta]) -> list[bool]:
        """Whether each frame of a batch is to be detected in: the first one seen of every `detect_every`."""
        last = {camera: (scene.epoch, scene.detected_group) for camera, scene in self._scenes.items()}
        found: list[bool] = []
        for meta in metas:
            turn = (meta.epoch, meta.frame // self._detect_every)
            found.append(last.get(meta.camera) != turn)
            last[meta.camera] = turn
        return found

    def observe(
        self, metas: Sequence[FrameMeta], found: Mapping[int, FoundInFrame], gone: list[TrackKey]
    ) -> tuple[list[FramePeople], BatchSteps]:
        """Follow people through a batch. `found`: frame index → who and what was found there.

        Frames of a camera come in order; its k-th makes wave k. People whose track or epoch has ended are added to
        `gone`, also if an exception ends the call.
        """
        steps = BatchSteps()
        try:
            return self._follow(metas, found, steps, gone), steps
        except BaseException:
            steps.abandon()
            raise

    def forget(self, camera: str) -> None:
        """The camera is gone."""
        self._scenes.pop(camera, None)

    def _follow(
        self,
        metas: Sequence[FrameMeta],
        found: Mapping[int, FoundInFrame],
        steps: BatchSteps,
        gone: list[TrackKey],
    ) -> list[FramePeople]:
        work: list[FramePeople] = []
        nth: dict[str, int] = {}
        claimed: set[tuple[str, int, int]] = set()
        for index, meta in enumerate(metas):
            scene = self._scene_of(meta, gone)
            wave = nth[meta.camera] = nth.get(meta.camera, -1) + 1
            if index in found:
                scene.detected_group = meta.frame // self._detect_every
                scene.objects = found[index].objects.at_least(self._thresholds.object_score)
                seen = list(self._detected(meta, scene, found[index], steps, index, wave, gone))
            else:
                seen = list(self._between(meta, scene))
            ended = [track for track in scene.ended if (meta.camera, meta.epoch, track) not in claimed]
            claimed.update((meta.camera, meta.epoch, track) for track in ended)
            tracks = len(scene.tracker.alive)
            work.append(FramePeople(meta, scene, seen, ended, tracks, scene.objects, index in found))
        return work

    def _scene_of(self, meta: FrameMeta, gone: list[TrackKey]) -> Scene:
        scene = self._scenes.get(meta.camera)
        if scene is None or scene.epoch != meta.epoch:
            if scene is not None:
                gone += [person.key for person in scene.people.values()]
            scene = self._scenes[meta.camera] = Scene(meta.epoch, CameraTracker(self._tracking, self._thresholds))
        return scene

    def _detected(
        self,
        meta: FrameMeta,
        scene: Scene,
        found: FoundInFrame,
        steps: BatchSteps,
        frame: int,
        wave: int,
        gone: list[TrackKey],
    ) -> Iterator[SeenPerson]:
        good = np.flatnonzero(found.scores >= self._thresholds.person_score)
        people, ended = scene.tracker.update(found.boxes[good], found.scores[good], meta.media_us)
        for track in ended:
            scene.ended.append(track)
            person = scene.people.pop(track, None)
            if person is not None:
                gone.append(person.key)
        taken = good[np.array([tracked.detection for tracked in people], np.int64)]
        parts = found.parts_of(taken, self._thresholds.keypoint_score)
        things = held_objects(found.boxes[taken], parts, self._vocabulary.parts, scene.objects)
        for place, tracked in enumerate(people):
            person = self._person_of(meta, scene, tracked.track)
            step: int | None = None
            if person.may_step(meta.media_us, self._least_gap_us):
                keypoints = None if found.keypoints is None else found.keypoints[taken[place]]
                thing = None if things[place] < 0 else scene.objects.boxes[things[place]]
                seen = Step(keypoints, tracked.box, meta.media_us)
                step = steps.add(person, seen, parts, place, thing, frame, wave)
            shown = SeenPerson(person, tracked, parts.boxes[place], parts.scores[place], parts.present[place], step)
            person.last_shown = shown
            yield shown

    def _between(self, meta: FrameMeta, scene: Scene) -> Iterator[SeenPerson]:
        """A frame without detection: boxes move on, and the part boxes with them."""
        for tracked in scene.tracker.between(meta.media_us):
            person = self._person_of(meta, scene, tracked.track)
            last = person.last_shown
            if last is None:
                continue
            parts = _carried(last, tracked.box, meta.size)
            yield SeenPerson(person, tracked, parts.boxes, parts.scores, parts.present, None)

    def _person_of(self, meta: FrameMeta, scene: Scene, track: int) -> Person:
        person = scene.people.get(track)
        if person is None:
            key = TrackKey(meta.camera, meta.epoch, track)
            person = scene.people[track] = Person(key, self._vocabulary, self._smoothing)
        return person


def _carried(last: SeenPerson, box: NDArray[np.float32], size: tuple[int, int]) -> PartBoxes:
    """The part boxes of a person's last detection, moved and scaled as their box was, cut to the picture."""
    before = last.tracked.box
    scale = (box[2:] - box[:2]) / np.maximum(before[2:] - before[:2], np.float32(1))
    moved = (last.boxes.reshape(-1, 2, 2) - before[:2]) * scale + box[:2]
    cut = np.clip(moved, 0, np.array(size, np.float32)).astype(np.float32)
    present = last.present & (cut[:, 1] - cut[:, 0] >= 1).all(-1)
    return PartBoxes(cut.reshape(-1, 4), last.scores, present)
