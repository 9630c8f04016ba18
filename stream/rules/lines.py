"""Which lines in a camera's picture people cross, and to which side.

A person is where their foot point is. They have crossed a line once the foot point is beyond it by a share of the
person's height, as for the borders of zones, and if it passed the line between the line's two points. A person who
walks around the end of a line, or whose box trembles on it, crosses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from stream.rules.bodies import Body, Point, TrackMemory
from stream.rules.zones import BORDER, longer_side
from stream.settings.zones import LineConfig

Side = Literal["left", "right"]
Crossing = tuple[str, Side]

ROOM = 0.5
"""The most of the distance beyond a line that a person must walk, in distances from the line to the picture's furthest
corner on that side: a line near the edge can be crossed, too."""


class _Line:
    """A line in pixels."""

    def __init__(self, name: str, points: Sequence[Point], size: tuple[int, int]) -> None:
        self.name = name
        (x1, y1), (x2, y2) = ((x * size[0], y * size[1]) for x, y in points)
        self._x, self._y = x1, y1
        self.length = math.hypot(x2 - x1, y2 - y1)
        self._along = ((x2 - x1) / self.length, (y2 - y1) / self.length)
        corners = [self.beside((x, y)) for x in (0, size[0]) for y in (0, size[1])]
        self.left_room, self.right_room = -ROOM * min(*corners, 0.0), ROOM * max(*corners, 0.0)

    def beside(self, point: Point) -> float:
        """Return the distance from the endless line: positive on its right, as seen from the first point."""
        return self._along[0] * (point[1] - self._y) - self._along[1] * (point[0] - self._x)

    def along(self, point: Point) -> float:
        """Return the distance from the first point, along the line."""
        return self._along[0] * (point[0] - self._x) + self._along[1] * (point[1] - self._y)


class _Track:
    """Of each line: the side that the person is on, and whether they passed the line between its points."""

    __slots__ = ("last", "passed", "sides")

    def __init__(self) -> None:
        self.last: Point | None = None
        self.sides: list[int] = []
        """1: right, -1: left, 0: not known, because the person has been on the line only."""
        self.passed: list[bool] = []


class Lines:
    """The lines of a camera in one epoch, and the people who cross them."""

    def __init__(self, lines: Mapping[str, LineConfig], size: tuple[int, int]) -> None:
        """`size`: width and height of the epoch's first picture, in whose pixels people are."""
        self._lines = [_Line(name, lines[name].points, size) for name in sorted(lines)]
        self._tracks = TrackMemory(_Track)

    def update(self, people: Iterable[Body], ended: Iterable[int] = ()) -> dict[int, tuple[Crossing, ...]]:
        """Return the lines that people crossed since their last frame, by track, in alphabetical order.

        Each has the side that the person is on now. People who crossed none are left out. `ended`: tracks that have
        ended, which are forgotten.
        """
        self._tracks.forget(ended)
        crossings: dict[int, tuple[Crossing, ...]] = {}
        for person in people:
            track = self._tracks.of(person.track)
            if track.last is None:
                track.sides = [_sign(line.beside(person.foot)) for line in self._lines]
                track.passed = [False] * len(self._lines)
            elif crossed := self._crossed(person, track, track.last):
                crossings[person.track] = tuple(crossed)
            track.last = person.foot
        return crossings

    def _crossed(self, person: Body, track: _Track, last: Point) -> list[Crossing]:
        crossed: list[Crossing] = []
        foot, border = person.foot, BORDER * longer_side(person.box)
        for index, line in enumerate(self._lines):
            beside, side = line.beside(foot), track.sides[index]
            if beside * side >= 0:  # on the same side as before
                track.passed[index] = False
                track.sides[index] = side or _sign(beside)
                continue
            before = line.beside(last)
            if before * side >= 0:  # the last frame was the last one on that side
                share = before / (before - beside)
                at = line.along(last) + share * (line.along(foot) - line.along(last))
                track.passed[index] = 0 <= at <= line.length
            if abs(beside) > min(border, line.right_room if beside > 0 else line.left_room):
                if track.passed[index]:
                    crossed.append((line.name, "right" if beside > 0 else "left"))
                track.sides[index], track.passed[index] = -side, False
        return crossed


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
