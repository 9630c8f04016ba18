"""Comparison of two contenders' answers for the same frames: matched boxes, and actions of people.

A ratio of times is meaningful only if the answers agree; otherwise `incomparable` gives the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_SCORE = 0.3
"""Boxes with lower scores are not compared."""
MIN_IOU = 0.9
MIN_BOXES = 500
MIN_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Boxes:
    """n boxes of a frame: float32 [n, 4] x1, y1, x2, y2; scores float32 [n]; n labels."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class ActingPerson:
    """Box and action of a person in a frame; the action is None before the first step."""

    box: Sequence[float]
    action: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A contender's answer for a frame."""

    found: Boxes
    people: Sequence[ActingPerson]


@dataclass(slots=True)
class Comparison:
    """Counts of the comparison of our answers with theirs.

    `boxes` and `their_boxes` have scores of at least `MIN_SCORE`; `matched` and `their_matched` of them have a match
    among all boxes of the other contender.
    """

    frames: int = 0
    boxes: int = 0
    matched: int = 0
    their_boxes: int = 0
    their_matched: int = 0
    people: int = 0
    same_people: int = 0
    same_actions: int = 0

    def add(self, ours: Answer, theirs: Answer, least_iou: float = MIN_IOU) -> None:
        """Add a frame."""
        self.frames += 1
        boxes, matched = matched_boxes(ours.found, theirs.found, least_iou)
        their_boxes, their_matched = matched_boxes(theirs.found, ours.found, least_iou)
        self.boxes, self.matched = self.boxes + boxes, self.matched + matched
        self.their_boxes, self.their_matched = self.their_boxes + their_boxes, self.their_matched + their_matched
        self.people += len(ours.people)
        left = list(theirs.people)
        for person in ours.people:
            ious = [_iou(np.array(person.box), np.array(other.box)) for other in left]
            if ious and max(ious) >= least_iou:
                other = left.pop(int(np.argmax(ious)))
                self.same_people += 1
                self.same_actions += person.action == other.action

    @property
    def share(self) -> float:
        """Share of matched boxes, of ours or of theirs, whichever is lower; 0 without boxes."""
        of_ours = self.matched / self.boxes if self.boxes else 0.0
        return min(of_ours, self.their_matched / self.their_boxes if self.their_boxes else 0.0)

    @property
    def incomparable(self) -> str | None:
        """Why a ratio of times would be meaningless; None if the times can be compared."""
        if self.boxes < MIN_BOXES:
            return f"{self.boxes} boxes have scores of {MIN_SCORE} or more, {MIN_BOXES} are needed"
        if self.share < MIN_SHARE:
            return f"{self.share:.2%} of the boxes match, {MIN_SHARE:.0%} are needed"
        return None

    def as_json(self) -> dict[str, Any]:
        """Return counts and shares."""
        return asdict(self) | {"share": self.share, "incomparable": self.incomparable}


def matched_boxes(boxes: Boxes, others: Boxes, least_iou: float) -> tuple[int, int]:
    """Return the number of boxes with scores of at least `MIN_SCORE`, and the number of those with a match.

    Boxes are matched one to one with others of the same label, those with the best scores first. The other boxes may
    have lower scores, because one just below the limit would otherwise count as missing.
    """
    free: dict[str, list[int]] = {label: [] for label in boxes.labels}
    for other, label in enumerate(others.labels):
        free.setdefault(label, []).append(other)
    order: list[int] = np.argsort(-boxes.scores, kind="stable").tolist()
    good = [row for row in order if boxes.scores[row] >= MIN_SCORE]
    matched = 0
    for row in good:
        candidates = free[boxes.labels[row]]
        ious = [_iou(boxes.boxes[row], others.boxes[other]) for other in candidates]
        if ious and max(ious) >= least_iou:
            candidates.pop(int(np.argmax(ious)))
            matched += 1
    return len(good), matched


def _iou(one: NDArray[Any], other: NDArray[Any]) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(np.maximum(sides, 0).prod())
    union = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - both
    return both / union if union > 0 else 0.0
