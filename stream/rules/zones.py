"""Which zones of a camera's picture people are in.

A person is where their foot point is. At a border, the foot point must be beyond it by a share of the person's height
before the person enters or leaves, so that a trembling box does not change zones in every frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from stream.settings.zones import ZoneConfig

Box = tuple[float, float, float, float]
Point = tuple[float, float]

BORDER = 0.03
"""Distance from a border, in heights of the person's box, at which the person enters or leaves: 5 cm for an adult."""
_FEET = frozenset({"left_foot", "right_foot"})


class PlacedPart(Protocol):
    """A visible body part with its box, of an analysis or of a message."""

    @property
    def part(self) -> str:
        """The name of the part."""
        ...

    @property
    def box(self) -> Box:
        """x1, y1, x2, y2 in pixels."""
        ...


class Standing(NamedTuple):
    """A tracked person in one frame: foot point and height in pixels."""

    track: int
    foot: Point
    height: float


class Place(NamedTuple):
    """Where a person is: the foot point in pixels, and the names of the zones in their configured order."""

    foot: Point
    zones: tuple[str, ...]


def foot_point(box: Box, parts: Iterable[PlacedPart]) -> Point:
    """Return where a person stands: between both feet if they are visible, else the middle of the box's lower edge."""
    feet = [part.box for part in parts if part.part in _FEET]
    if len(feet) < len(_FEET):
        return ((box[0] + box[2]) / 2, box[3])
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = feet
    return ((ax1 + ax2 + bx1 + bx2) / 4, (ay1 + ay2 + by1 + by2) / 4)


class Zones:
    """The zones of a camera in one epoch, and the people in them."""

    def __init__(self, zones: Mapping[str, ZoneConfig], size: tuple[int, int]) -> None:
        """`size`: width and height of the epoch's first picture, in whose pixels people are."""
        self._names = list(zones)
        self._ignored = np.array([zone.ignore for zone in zones.values()], bool)
        scale = np.array(size, float)
        self._polygons = np.array([shapely.Polygon(np.array(zone.points) * scale) for zone in zones.values()], object)
        shapely.prepare(self._polygons)
        self._borders = shapely.boundary(self._polygons)
        self._inside: dict[int, NDArray[np.bool_]] = {}
        """Of each track, the zones that it is in."""

    def update(self, people: Sequence[Standing], ended: Iterable[int] = ()) -> dict[int, Place]:
        """Return the places, by track, of those people of the next frame who are not in a zone that is ignored.

        `ended`: tracks that have ended, which are forgotten.
        """
        for track in ended:
            self._inside.pop(track, None)
        if not people:
            return {}
        feet = shapely.points([person.foot for person in people])
        within = shapely.contains(self._polygons, feet[:, None])  # [people, zones]
        distance = shapely.distance(self._borders, feet[:, None])
        places: dict[int, Place] = {}
        for person, inside, far in zip(people, within, distance, strict=True):
            before = self._inside.get(person.track, inside)
            self._inside[person.track] = now = np.where(far > BORDER * person.height, inside, before)
            if not (now & self._ignored).any():
                names = tuple(self._names[index] for index in np.flatnonzero(now))
                places[person.track] = Place(person.foot, names)
        return places
