"""Placing labels so that they can be read: near their object, away from other labels and other people.

A label with several candidate places gets the cheapest free one; the caller tries a shorter label if none is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Rect = tuple[float, float, float, float]
"""x1, y1, x2, y2."""

Size = tuple[float, float]

PLACE_COST = 0.04
"""Cost of each place relative to the one before it in the list; hiding the whole labelled object costs 1."""

MOVE_COST = 0.8
"""Cost by which another place must be better for a label to leave its place in the last picture."""


def overlap(one: Rect, other: Rect) -> float:
    """Return the area that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def grown(rect: Rect, by: float) -> Rect:
    """Return the rectangle with a margin on every side."""
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by


def around(target: Rect, size: Size, gap: float, *, rings: int = 1) -> list[Rect]:
    """Return places for a label of `size`: above, below and beside `target`, then in rings further away, and last
    inside it."""
    x1, y1, x2, y2 = target
    width, height = size
    places: list[Rect] = []
    for ring in range(rings):
        off = gap + ring * (height + gap)
        above, below, right, left = y1 - off - height, y2 + off, x2 + off, x1 - off - width
        for y in (above, below):
            places += [(x, y, x + width, y + height) for x in (x1, x2 - width, (x1 + x2 - width) / 2)]
        for x in (right, left):
            places += [(x, y, x + width, y + height) for y in (y1, (y1 + y2 - height) / 2, y2 - height)]
        places += [(x, y, x + width, y + height) for y in (above, below) for x in (right, left)]
    return [*places, (x1 + gap, y1 + gap, x1 + gap + width, y1 + gap + height)]


@dataclass(slots=True)
class Placement:
    """The labels of one picture. Labels must stay within `bounds`; the areas in `avoid` are kept clear if possible."""

    bounds: Rect
    avoid: Sequence[Rect] = ()
    taken: list[Rect] = field(default_factory=list[Rect])

    def find(
        self,
        places: Iterable[Rect],
        own: Rect,
        *,
        used_before: int | None = None,
        margin: float = 2.0,
        most_covered: float = 0.2,
    ) -> int | None:
        """Return the index of the best place that no other label overlaps, or None. `own` is the labelled object.

        At most the share `most_covered` of any other object may be hidden. `used_before`: the label's place in the last
        picture, which is kept unless another is clearly better, so that labels do not jump.
        """
        best: tuple[float, int] | None = None
        for index, place in enumerate(self._inside(places)):
            if any(overlap(grown(place, margin), other) > 0 for other in self.taken):
                continue
            covered = self._covered(place, own)
            if covered > most_covered:
                continue
            cost = 2 * covered + _hidden(place, own) + PLACE_COST * index - (MOVE_COST if index == used_before else 0.0)
            if best is None or cost < best[0]:
                best = cost, index
        return best[1] if best is not None else None

    def least_covering(self, places: Iterable[Rect], own: Rect) -> int:
        """Return the index of the place that hides the least of labels and objects, for a label that must be shown."""
        costs = [
            (2 * sum(_hidden(place, other) for other in self.taken) + self._covered(place, own), index)
            for index, place in enumerate(self._inside(places))
        ]
        return min(costs)[1]

    def take(self, place: Rect) -> Rect:
        """Put a label at a place, moved into the bounds, and return it. Later labels avoid it."""
        inside = self._moved(place)
        self.taken.append(inside)
        return inside

    def _inside(self, places: Iterable[Rect]) -> list[Rect]:
        return [self._moved(place) for place in places]

    def _moved(self, place: Rect) -> Rect:
        x1, y1, x2, y2 = place
        right = max(self.bounds[0] - x1, 0.0) or min(self.bounds[2] - x2, 0.0)
        down = max(self.bounds[1] - y1, 0.0) or min(self.bounds[3] - y2, 0.0)
        return x1 + right, y1 + down, x2 + right, y2 + down

    def _covered(self, place: Rect, own: Rect) -> float:
        """Return the largest share that the label would hide of any object except its own."""
        return max((_hidden(place, thing) for thing in self.avoid if thing != own), default=0.0)


def _hidden(place: Rect, thing: Rect) -> float:
    """Return the share of an object that a label would hide."""
    area = (thing[2] - thing[0]) * (thing[3] - thing[1])
    return overlap(place, thing) / area if area > 0 else 0.0
