"""Assignment of parts and held objects to people, as plain loops over lists.

The rules are those of `stages.detection.regions.part_assignment` and `stages.people.held_objects`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy.optimize import linear_sum_assignment

from stages.detection.regions.part_assignment import MIN_CONTAINED
from stages.people.held_objects import HAND_REACH

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2."""
HANDS = ("left_hand", "right_hand")


class Region(NamedTuple):
    """A detected box."""

    box: Box
    score: float
    label: str


def assign_regions(people: Sequence[Region], found: Mapping[str, Sequence[Region]]) -> list[dict[str, Region]]:
    """Return each person's parts by name, with the greatest sum of (share within the person x score)."""
    parts: list[dict[str, Region]] = [{} for _ in people]
    for name, boxes in found.items():
        if not people or not boxes:
            continue
        worth = [[_worth(person.box, part) for part in boxes] for person in people]
        rows, columns = linear_sum_assignment(worth, maximize=True)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if worth[row][column] > 0:
                parts[row][name] = boxes[column]
    return parts


def held_object(person: Region, parts: Mapping[str, Region], things: Sequence[Region]) -> Region | None:
    """Return the object nearest to a hand and within reach; of equally near ones, that with the best score."""
    middles = [_middle(parts[hand].box) for hand in HANDS if hand in parts]
    x1, y1, x2, y2 = person.box
    reach = HAND_REACH * max(x2 - x1, y2 - y1)
    best, nearest = None, math.inf
    for thing in sorted(things, key=lambda thing: -thing.score):
        far = min((_distance(middle, thing.box) for middle in middles), default=math.inf)
        if far <= reach and far < nearest:
            best, nearest = thing, far
    return best


def _worth(person: Box, part: Region) -> float:
    x1, y1, x2, y2 = part.box
    width = max(0.0, min(person[2], x2) - max(person[0], x1))
    height = max(0.0, min(person[3], y2) - max(person[1], y1))
    area = (x2 - x1) * (y2 - y1)
    contained = width * height / area if area > 0 else 0.0
    return contained * part.score if contained >= MIN_CONTAINED else 0.0


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _distance(point: tuple[float, float], box: Box) -> float:
    """Return the distance from a point to a box, 0 inside it."""
    x, y = point
    return math.hypot(max(box[0] - x, 0.0, x - box[2]), max(box[1] - y, 0.0, y - box[3]))
