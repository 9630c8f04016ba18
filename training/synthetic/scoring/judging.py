"""Comparing one video's answers with its truth.

A person counts in a frame if at least half of them is visible. People are matched one-to-one by their boxes; a missed
person, without a match, counts as a wrong answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.footage.judging import MIN_IOU, Judged, match
from training.synthetic.scoring.answers import AnsweredFrame, AnsweredPerson, Effort, Pair, VideoAnswers
from training.synthetic.videos.truth import TrueFrame, TruePerson, Truth

Answer = tuple[str | None, float]
"""A person's label (None: no answer yet) and its score."""
COUNTED_FROM = 0.5
"""Share of a person that must be visible for them to count."""
CLOSE_IOU = 0.5
"""IoU above which the benchmark matches a predicted person to a true one."""


@dataclass(frozen=True, slots=True, eq=False)
class StateRows:
    """Part states of n counted person-frames, [n, pairs]: the truth, whether it is known (the part is visible), scores
    in [0, 1], and the published states. A missed person has scores 0 and no states."""

    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    scores: NDArray[np.float32]
    called: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorRows:
    """Detections for `people` counted person-frames.

    `found` of them have a detection with an IoU of at least `MIN_IOU`, `close` of at least `CLOSE_IOU`. For those
    found, [m, 17]: `errors` as shares of the true box's longer side, `scores`, and whether the joint is `seen`.
    """

    people: int
    found: int
    close: int
    errors: NDArray[np.float32]
    scores: NDArray[np.float32]
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class VideoJudgement:
    """One video: each counted person-frame with a known action (`seconds` counts frames, so each is 1), the answers
    without a true person (`extras`), part states, and detections (None: unknown)."""

    judged: list[Judged]
    extras: list[Answer]
    states: StateRows
    detector: DetectorRows | None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVideo:
    """One video under one checkpoint. `dropped`: person-frames of the pass with missing frames."""

    name: str
    action: str
    unseen_motion: bool
    answer: str
    judgement: VideoJudgement
    pairs: tuple[Pair, ...]
    dropped: list[Judged] | None = None
    error: str | None = None
    effort: Effort = Effort()  # noqa: RUF009


def judge_video(
    name: str, fps: float, truth: Truth, answers: VideoAnswers, shown: Sequence[int] | None = None
) -> VideoJudgement:
    """Compare the frames `shown` to the model, by number from 0; None: all. People in unread frames are missed."""
    answered = {frame.number: frame for frame in answers.frames}
    judged: list[Judged] = []
    people: list[tuple[TruePerson, AnsweredPerson | None]] = []
    seen: list[tuple[TrueFrame, NDArray[np.float32]]] = []
    extras: list[Answer] = []
    for number in range(len(truth.frames)) if shown is None else shown:
        true = truth.frames[number]
        frame = answered.get(number, AnsweredFrame(number, ()))
        pairs = dict(match([one.box for one in true.people], [one.box for one in frame.people], MIN_IOU))
        taken = set(pairs.values())
        extras += [(one.label, one.score) for column, one in enumerate(frame.people) if column not in taken]
        if frame.found is not None:
            seen.append((true, frame.found))
        for row, one in enumerate(true.people):
            if one.visible < COUNTED_FROM:
                continue
            answer = frame.people[pairs[row]] if row in pairs else None
            people.append((one, answer))
            if one.action is None:
                continue
            label, score = (answer.label, answer.score) if answer else (None, 0.0)
            judged.append(Judged(name, one.number, number / fps, 1.0, one.action, label, score, missed=answer is None))
    return VideoJudgement(judged, extras, state_rows(people, answers.pairs), detector_rows(seen) if seen else None)


def state_rows(people: Sequence[tuple[TruePerson, AnsweredPerson | None]], pairs: Sequence[Pair]) -> StateRows:
    """Return true and answered part states of people, for the pairs that the model knows."""
    shape = (len(people), len(pairs))
    truth, known, called = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool)
    scores = np.zeros(shape, np.float32)
    for row, (true, answer) in enumerate(people):
        truth[row] = [state in true.states.get(part, ()) for part, state in pairs]
        known[row] = [part in true.states for part, _ in pairs]
        if answer is None:
            continue
        called[row] = [pair in answer.states for pair in pairs]
        scores[row] = called[row] if answer.state_scores is None else answer.state_scores
    return StateRows(truth, known, scores, called)


def detector_rows(frames: Sequence[tuple[TrueFrame, NDArray[np.float32]]]) -> DetectorRows:
    """Return the comparison of frames' detections [K, 56] with their truth."""
    people = found = close = 0
    errors: list[NDArray[np.floating]] = []
    scores: list[NDArray[np.float32]] = []
    seen: list[list[bool]] = []
    for true, rows in frames:
        boxes = [person.box for person in true.people]
        counted = [person.visible >= COUNTED_FROM for person in true.people]
        guesses = [tuple(row[:4]) for row in rows.tolist()]
        people += sum(counted)
        close += sum(counted[row] for row, _ in match(boxes, guesses, CLOSE_IOU))
        for row, column in match(boxes, guesses, MIN_IOU):
            if not counted[row]:
                continue
            found += 1
            joints = np.array(true.people[row].keypoints, np.float64)
            guess = rows[column, 5:].reshape(-1, 3)
            x1, y1, x2, y2 = boxes[row]
            longer = max(x2 - x1, y2 - y1, 1.0)
            errors.append(np.hypot(*(guess[:, :2] - joints[:, :2]).T) / longer)
            scores.append(guess[:, 2])
            seen.append((joints[:, 2] > 0).tolist())
    joints = (found, 17)
    return DetectorRows(
        people,
        found,
        close,
        np.array(errors, np.float32).reshape(joints),
        np.array(scores, np.float32).reshape(joints),
        np.array(seen, bool).reshape(joints),
    )
