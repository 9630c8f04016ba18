"""One video's answers against its truth. Pure functions over plain values.

A person counts in a frame where at least half of them is seen. People are matched by their boxes, one to one; who
wasn't matched is missed, and to miss somebody is as wrong as to say the wrong thing of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.footage.scoring import MIN_IOU, Judged, match
from training.synthetic.scoring.answers import AnsweredFrame, AnsweredPerson, Effort, Pair, VideoAnswers
from training.synthetic.videos.truth import TrueFrame, TruePerson, Truth

Saying = tuple[str | None, float]
"""What is said of somebody: a label, None where there is no answer yet, and its score."""
COUNTED_FROM = 0.5
"""Share of a person that must be seen for them to count."""
CLOSE_IOU = 0.5
"""The benchmark takes a predicted person for the true one above this."""


@dataclass(frozen=True, slots=True, eq=False)
class StateRows:
    """Part states of n counted person-frames, [n, pairs]: what is true, where it is known (the part is seen), the
    scores in [0, 1], and what was published as in force. Somebody missed has scores 0 and nothing in force."""

    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    scores: NDArray[np.float32]
    called: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorRows:
    """What the detector made of `people` counted person-frames.

    `found` of them have a detection (IoU of at least `MIN_IOU`), `close` one of at least `CLOSE_IOU`. Of those found,
    [m, 17]: `errors` in shares of the true box's longer side, `scores`, and whether the joint is `seen`.
    """

    people: int
    found: int
    close: int
    errors: NDArray[np.float32]
    scores: NDArray[np.float32]
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class VideoJudgement:
    """One video: each counted person-frame whose action is known (of a length of 1: `seconds` counts frames), what is
    said of people where nobody is, part states, and the detector (None: it wasn't looked at)."""

    judged: list[Judged]
    extras: list[Saying]
    states: StateRows
    detector: DetectorRows | None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVideo:
    """One video under one checkpoint. `dropped`: person-frames of the pass in which frames were missing."""

    name: str
    action: str
    unseen_motion: bool
    answer: str
    judgement: VideoJudgement
    pairs: tuple[Pair, ...]
    dropped: list[Judged] | None = None
    fault: str | None = None
    effort: Effort = Effort()  # noqa: RUF009


def judge_video(
    name: str, fps: float, truth: Truth, answers: VideoAnswers, shown: Sequence[int] | None = None
) -> VideoJudgement:
    """Judge the frames `shown` to the model, by number from 0; None: all. What wasn't read of them is missed."""
    said = {frame.number: frame for frame in answers.frames}
    judged: list[Judged] = []
    people: list[tuple[TruePerson, AnsweredPerson | None]] = []
    seen: list[tuple[TrueFrame, NDArray[np.float32]]] = []
    extras: list[Saying] = []
    for number in range(len(truth.frames)) if shown is None else shown:
        true = truth.frames[number]
        frame = said.get(number, AnsweredFrame(number, ()))
        pairs = dict(match([one.box for one in true.people], [one.box for one in frame.people], MIN_IOU))
        taken = set(pairs.values())
        extras += [(one.label, one.score) for column, one in enumerate(frame.people) if column not in taken]
        if frame.found is not None:
            seen.append((true, frame.found))
        for row, one in enumerate(true.people):
            if one.visible < COUNTED_FROM:
                continue
            got = frame.people[pairs[row]] if row in pairs else None
            people.append((one, got))
            if one.action is None:
                continue
            label, score = (got.label, got.score) if got else (None, 0.0)
            judged.append(Judged(name, one.number, number / fps, 1.0, one.action, label, score, missed=got is None))
    return VideoJudgement(judged, extras, state_rows(people, answers.pairs), detector_rows(seen) if seen else None)


def state_rows(people: Sequence[tuple[TruePerson, AnsweredPerson | None]], pairs: Sequence[Pair]) -> StateRows:
    """Part states of people and of what was said of them, for the pairs that the model knows."""
    shape = (len(people), len(pairs))
    truth, known, called = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool)
    scores = np.zeros(shape, np.float32)
    for row, (true, got) in enumerate(people):
        truth[row] = [state in true.states.get(part, ()) for part, state in pairs]
        known[row] = [part in true.states for part, _ in pairs]
        if got is None:
            continue
        called[row] = [pair in got.in_force for pair in pairs]
        scores[row] = called[row] if got.state_scores is None else got.state_scores
    return StateRows(truth, known, scores, called)


def detector_rows(frames: Sequence[tuple[TrueFrame, NDArray[np.float32]]]) -> DetectorRows:
    """The detections [K, 56] of frames beside their truth."""
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
