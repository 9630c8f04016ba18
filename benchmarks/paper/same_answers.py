"""Whether two contenders said the same of the same frames: boxes matched with boxes, people's actions compared.

Pure, owns nothing. A ratio of times means something only if they did, so a comparison says why it doesn't allow one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SCORE = 0.3
"""Boxes below aren't compared."""
LEAST_IOU = 0.9
LEAST_BOXES = 500
LEAST_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Boxes:
    """n boxes of one frame: float32 [n, 4] x1, y1, x2, y2, float32 [n], and a label each."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class ActingPerson:
    """Somebody in a frame: their box and the label of what they do, None before their first step."""

    box: Sequence[float]
    action: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a contender said of one frame."""

    found: Boxes
    people: Sequence[ActingPerson]


@dataclass(slots=True)
class Comparison:
    """One contender's answers beside another's, over so many frames. `boxes` and `their_boxes` score `LEAST_SCORE` or
    more; of each so many have a partner among all of the other's boxes."""

    frames: int = 0
    boxes: int = 0
    matched: int = 0
    their_boxes: int = 0
    their_matched: int = 0
    people: int = 0
    same_people: int = 0
    same_actions: int = 0

    def add(self, ours: Said, theirs: Said, least_iou: float = LEAST_IOU) -> None:
        """One more frame."""
        self.frames += 1
        boxes, matched = partnered(ours.found, theirs.found, least_iou)
        their_boxes, their_matched = partnered(theirs.found, ours.found, least_iou)
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
        """Of our boxes and of theirs, whichever is less, those that the other has too; 0 where there are none."""
        of_ours = self.matched / self.boxes if self.boxes else 0.0
        return min(of_ours, self.their_matched / self.their_boxes if self.their_boxes else 0.0)

    @property
    def kept(self) -> float:
        """The share of their boxes that we have too."""
        return self.their_matched / self.their_boxes if self.their_boxes else 0.0

    @property
    def action_share(self) -> float:
        """Of our people, those whom the other sees too, doing the same."""
        return self.same_actions / self.people if self.people else 0.0

    @property
    def incomparable(self) -> str | None:
        """Why no ratio may be claimed; None where one may."""
        if self.boxes < LEAST_BOXES:
            return f"{self.boxes} boxes score {LEAST_SCORE} or more, {LEAST_BOXES} are needed"
        if self.share < LEAST_SHARE:
            return f"{self.share:.2%} of the boxes are the same, {LEAST_SHARE:.0%} are needed"
        return None

    def as_json(self) -> dict[str, Any]:
        """Counts and shares."""
        shares = {"share": self.share, "action_share": self.action_share, "incomparable": self.incomparable}
        return asdict(self) | shares


def partnered(boxes: Boxes, others: Boxes, least_iou: float) -> tuple[int, int]:
    """How many boxes score `LEAST_SCORE` or more, and how many of those have a box of their own among the others, with
    the same label: the best scoring chooses first. The others' scores don't matter, else one just below would count as
    missing."""
    free: dict[str, list[int]] = {label: [] for label in boxes.labels}
    for other, label in enumerate(others.labels):
        free.setdefault(label, []).append(other)
    order: list[int] = np.argsort(-boxes.scores, kind="stable").tolist()
    good = [row for row in order if boxes.scores[row] >= LEAST_SCORE]
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
