"""State of tracked people on the host, from the confirmation of a track until its end.

It consists of the trailing window of keypoints (for geometry), the last analysis, and the smoothing of labels. Hidden
states are in the state bank on the device. The steps of a batch are the people that the learned stages process, at
which frame, and in which wave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ring_buffers.state_bank import TrackKey
from stages.detection.detections import PartBoxes
from stages.heads.action_states import WaveStep
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.keypoint_features.step_window import HISTORY_STEPS
from stages.people.smoothing import ActionSmoother, SmoothingConfig, StateHysteresis
from stages.people.tracking import TrackedPerson
from stages.types import ActionAnalysis
from stages.vocabulary import STILL, Vocabulary

TOP_ACTIONS = 3


class Step(NamedTuple):
    """One step of a person: their detection at one instant."""

    keypoints: NDArray[np.float32] | None
    """[17, 3]: x, y in pixels of the epoch's first picture, and score; None if the detector has no keypoints."""
    box: NDArray[np.float32]
    media_us: int


class StepHistory:
    """The last steps of one person, oldest first, in arrays of fixed size."""

    def __init__(self) -> None:
        self._keypoints = np.zeros((HISTORY_STEPS, KEYPOINTS, 3), np.float32)
        self._boxes = np.zeros((HISTORY_STEPS, 4), np.float32)
        self._times = np.zeros(HISTORY_STEPS, np.int64)
        self._valid = np.zeros(HISTORY_STEPS, bool)

    def append(self, step: Step) -> None:
        """Add a step and drop the oldest."""
        for array, value in zip(self._arrays(), (step.keypoints, step.box, step.media_us, True), strict=True):
            array[:-1] = array[1:]
            array[-1] = value

    def window(self, pending: list[Step]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return copies of keypoints, boxes, times and valid as they will be after the `pending` steps."""
        pending = pending[-HISTORY_STEPS:]
        copies = tuple(np.concatenate((array[len(pending) :], array[: len(pending)])) for array in self._arrays())
        for index, step in enumerate(pending, HISTORY_STEPS - len(pending)):
            for array, value in zip(copies, (step.keypoints, step.box, step.media_us, True), strict=True):
                array[index] = value
        return copies[0], copies[1], copies[2], copies[3]

    def _arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        return self._keypoints, self._boxes, self._times, self._valid


@dataclass(slots=True)
class StepAnalysis:
    """The results of a person's last step, valid until the next one."""

    action: ActionAnalysis
    relevance: NDArray[np.float32]
    """[parts]"""
    active_states: list[list[tuple[str, float]]]
    """The active states of each part, best first."""


class SeenPerson(NamedTuple):
    """A tracked person in one frame, with the part boxes of this frame."""

    person: Person
    tracked: TrackedPerson
    boxes: NDArray[np.float32]
    """[parts, 4] in pixels of the epoch's first picture."""
    scores: NDArray[np.float32]
    """[parts]"""
    present: NDArray[np.bool_]
    """[parts]"""
    step: int | None
    """Index among the batch's steps, or None if the person makes no step in this frame."""


class Person:
    """One tracked person."""

    def __init__(self, key: TrackKey, vocabulary: Vocabulary, smoothing: SmoothingConfig) -> None:
        self.key = key
        self.history = StepHistory()
        self.pending: list[Step] = []
        """Steps of the current batch that the action model has not processed yet."""
        self.last_step_us: int | None = None
        self.analysis: StepAnalysis | None = None
        self.last_shown: SeenPerson | None = None
        """The person at their last detection."""
        self._vocabulary = vocabulary
        self._action = ActionSmoother(smoothing, vocabulary.actions)
        self._states = StateHysteresis(smoothing)
        self._since_us = 0

    def may_step(self, media_us: int, min_gap_us: int) -> bool:
        """Return whether enough media time has passed since the person's last step."""
        last = self.pending[-1].media_us if self.pending else self.last_step_us
        return last is None or media_us - last >= min_gap_us

    def forget_steps(self) -> None:
        """Empty the trailing window."""
        self.history = StepHistory()

    def commit(self) -> None:
        """Mark the oldest pending step as processed by the action model."""
        step = self.pending.pop(0)
        if step.keypoints is not None:
            self.history.append(step)
        self.last_step_us = step.media_us

    def update(
        self,
        action: NDArray[np.float32],
        relevance: NDArray[np.float32],
        states: NDArray[np.float32],
        present: NDArray[np.bool_],
        media_us: int,
    ) -> StepAnalysis:
        """Store and return the results of a step.

        `action`: probabilities [actions]; `relevance` [parts]; `states`: scores [parts, states]; `present` [parts]:
        whether each part was detected.
        """
        vocabulary = self._vocabulary
        order = np.argsort(-action, kind="stable")[:TOP_ACTIONS]
        label = vocabulary.actions[order[0]]
        if self.analysis is None or self.analysis.action.label != label:
            self._since_us = media_us
        smoothed, smoothed_score = self._action.update(action, media_us)
        active, scores = self._states.update(states, present, media_us)
        top = [(vocabulary.actions[index], float(action[index])) for index in order]
        self.analysis = StepAnalysis(
            ActionAnalysis(label, top[0][1], self._since_us, top, vocabulary.actions[smoothed], smoothed_score),
            relevance.copy(),
            [self._named(active[row], scores[row]) for row in range(len(vocabulary.parts))],
        )
        return self.analysis

    def _named(self, active: NDArray[np.bool_], scores: NDArray[np.float32]) -> list[tuple[str, float]]:
        columns = np.flatnonzero(active)
        named = [(self._vocabulary.states[column].label, float(scores[column])) for column in columns]
        return sorted(((label, score) for label, score in named if label != STILL), key=lambda pair: -pair[1])


class BatchSteps:
    """The steps that people make in one batch. The lists hold one entry per step, in the order of the steps."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.steps: list[Step] = []
        self.frames: list[int] = []
        """Indices in the batch."""
        self.present: list[NDArray[np.bool_]] = []
        self.part_boxes: list[NDArray[np.float32]] = []
        self.objects: list[NDArray[np.float32] | None] = []
        """The box of the object that the person holds, or None."""
        self.waves: list[list[WaveStep]] = []
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
        held: NDArray[np.float32] | None,
        frame: int,
        wave: int,
    ) -> int:
        """Add a step and return its index.

        `place` is the person's index in `parts`; `held` is the box of the object that they hold; `frame` is the frame's
        index in the batch.
        """
        row = len(self.people)
        person.pending.append(step)
        self.people.append(person)
        self._by_key[person.key] = person
        self.steps.append(step)
        self.frames.append(frame)
        self.present.append(parts.present[place])
        self.part_boxes.append(parts.boxes[place])
        self.objects.append(held)
        if step.keypoints is not None:
            self._windows.append(person.history.window(person.pending))
        while len(self.waves) <= wave:
            self.waves.append([])
        self.waves[wave].append(WaveStep(person.key, step.media_us, row))
        return row

    def windows(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return the trailing windows of all steps: keypoints `[n, H, 17, 3]`, boxes `[n, H, 4]`, times `[n, H]`, valid
        `[n, H]`. The steps must have keypoints."""
        keypoints, boxes, times, valid = (np.stack(arrays) for arrays in zip(*self._windows, strict=True))
        return keypoints, boxes, times, valid

    def part(self, start: int, stop: int) -> BatchSteps:
        """Return the steps from `start` up to `stop` as a separate batch. These must be processed in order."""
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
        """Mark a person's oldest pending step as processed by the action model."""
        self._by_key[key].commit()

    def abandon(self) -> None:
        """Discard the steps that the action model has not processed."""
        for person in self.people:
            person.pending.clear()
