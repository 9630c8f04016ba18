"""People: what the host remembers of each tracked person, from their track's confirmation until it ends.

A person's trailing window of keypoints (for geometry), their last reading and what steadies its labels. Recurrent state
is not here: it lives in the state bank on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ring_buffers.state_bank import TrackKey
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.keypoint_features.step_window import HISTORY_STEPS
from stages.people.smoothing import ActionSmoother, SmoothingConfig, StateHysteresis
from stages.people.tracking import TrackedPerson
from stages.types import ActionAnalysis
from stages.vocabulary import STILL, Vocabulary

TOP_ACTIONS = 3


class Step(NamedTuple):
    """One person's step: what was seen of them at one instant."""

    keypoints: NDArray[np.float32] | None
    """[17, 3] in pixels of the epoch's first picture, and score; None where the detector finds none."""
    box: NDArray[np.float32]
    media_us: int


class StepHistory:
    """The last steps of one person, oldest first, in fixed memory."""

    def __init__(self) -> None:
        self._keypoints = np.zeros((HISTORY_STEPS, KEYPOINTS, 3), np.float32)
        self._boxes = np.zeros((HISTORY_STEPS, 4), np.float32)
        self._times = np.zeros(HISTORY_STEPS, np.int64)
        self._valid = np.zeros(HISTORY_STEPS, bool)

    def append(self, step: Step) -> None:
        """Add one step; the oldest goes."""
        for array, value in zip(self._arrays(), (step.keypoints, step.box, step.media_us, True), strict=True):
            array[:-1] = array[1:]
            array[-1] = value

    def window(self, pending: list[Step]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Copies of keypoints, boxes, times and valid as they will be once the `pending` steps are appended."""
        pending = pending[-HISTORY_STEPS:]
        copies = tuple(np.concatenate((array[len(pending) :], array[: len(pending)])) for array in self._arrays())
        for at, step in enumerate(pending, HISTORY_STEPS - len(pending)):
            for array, value in zip(copies, (step.keypoints, step.box, step.media_us, True), strict=True):
                array[at] = value
        return copies[0], copies[1], copies[2], copies[3]

    def _arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        return self._keypoints, self._boxes, self._times, self._valid


@dataclass(slots=True)
class Reading:
    """What a person's last step said. It stands until their next one."""

    action: ActionAnalysis
    relevance: NDArray[np.float32]
    """[parts]"""
    in_force: list[list[tuple[str, float]]]
    """For each part its states in force, best first."""


class SeenPerson(NamedTuple):
    """A tracked person in one frame: the part boxes are those of this frame."""

    person: Person
    tracked: TrackedPerson
    boxes: NDArray[np.float32]
    """[parts, 4] in pixels of the epoch's first picture."""
    scores: NDArray[np.float32]
    """[parts]"""
    present: NDArray[np.bool_]
    """[parts]"""
    step: int | None
    """Index among the batch's steps, if the person makes one in this frame."""


class Person:
    """One tracked person."""

    def __init__(self, key: TrackKey, vocabulary: Vocabulary, smoothing: SmoothingConfig) -> None:
        self.key = key
        self.history = StepHistory()
        self.pending: list[Step] = []
        """Steps of the batch in hand that haven't gone through the action model yet."""
        self.last_step_us: int | None = None
        self.reading: Reading | None = None
        self.last_shown: SeenPerson | None = None
        """At their last detection."""
        self._vocabulary = vocabulary
        self._action = ActionSmoother(smoothing, vocabulary.actions)
        self._states = StateHysteresis(smoothing)
        self._since_us = 0

    def may_step(self, media_us: int, least_gap_us: int) -> bool:
        """Whether enough media time has passed since the person's last step."""
        last = self.pending[-1].media_us if self.pending else self.last_step_us
        return last is None or media_us - last >= least_gap_us

    def commit(self) -> None:
        """The oldest pending step has gone through the action model."""
        step = self.pending.pop(0)
        if step.keypoints is not None:
            self.history.append(step)
        self.last_step_us = step.media_us

    def read(
        self,
        action: NDArray[np.float32],
        relevance: NDArray[np.float32],
        states: NDArray[np.float32],
        present: NDArray[np.bool_],
        media_us: int,
    ) -> Reading:
        """Take a step's probabilities [actions], relevance [parts], state scores [parts, states] and which parts were
        seen [parts]; returns and keeps the reading.
        """
        vocabulary = self._vocabulary
        order = np.argsort(-action, kind="stable")[:TOP_ACTIONS]
        label = vocabulary.actions[order[0]]
        if self.reading is None or self.reading.action.label != label:
            self._since_us = media_us
        smoothed, smoothed_score = self._action.update(action, media_us)
        on, scores = self._states.update(states, present, media_us)
        top = [(vocabulary.actions[index], float(action[index])) for index in order]
        self.reading = Reading(
            ActionAnalysis(label, top[0][1], self._since_us, top, vocabulary.actions[smoothed], smoothed_score),
            relevance.copy(),
            [self._named(on[row], scores[row]) for row in range(len(vocabulary.parts))],
        )
        return self.reading

    def _named(self, on: NDArray[np.bool_], scores: NDArray[np.float32]) -> list[tuple[str, float]]:
        columns = np.flatnonzero(on)
        named = [(self._vocabulary.states[column].label, float(scores[column])) for column in columns]
        return sorted(((label, score) for label, score in named if label != STILL), key=lambda pair: -pair[1])
