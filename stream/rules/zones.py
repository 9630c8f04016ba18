"""Which zones of a camera's picture people are in.

A person is where their foot point is. At a border, the foot point must be beyond it by a share of the person's height
before the person enters or leaves, so that a trembling box does not change zones in every frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from stream.settings.zones import ZoneConfig

Box = tuple[float, float, float, float]
Point = tuple[float, float]

BORDER = 0.03
"""Distance from a border, in lengths of the longer side of the person's box, at which the person enters or leaves: 5 cm
for an adult."""
BORDER_OF_ZONE = 0.5
"""The most of it, in radii of the largest circle inside the zone: narrow zones can be entered, too."""
FEET_KEPT_US = 1_000_000
"""For so long, feet that are hidden are expected where they were in the box."""


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


class Located(NamedTuple):
    """A tracked person in one frame: the box, and the point between both feet if they are visible, in pixels."""

    track: int
    box: Box
    feet: Point | None


class Place(NamedTuple):
    """Where a person is: the foot point in pixels, inside the picture, and the names of the zones in order."""

    foot: Point
    zones: tuple[str, ...]


def between_feet(parts: Iterable[PlacedPart]) -> Point | None:
    """Return the point between both feet, or None if one is not visible."""
    boxes = {part.part: part.box for part in parts}
    left, right = boxes.get("left_foot"), boxes.get("right_foot")
    if left is None or right is None:
        return None
    return ((left[0] + left[2] + right[0] + right[2]) / 4, (left[1] + left[3] + right[1] + right[3]) / 4)


@dataclass(slots=True)
class _Track:
    inside: NDArray[np.bool_] | None = None
    """Of each zone, after the last frame; None before the first."""
    offset: Point = (0.0, 0.0)
    """From the middle of the box's lower edge to the feet, in sizes of the box."""
    seen_us: int = -FEET_KEPT_US
    """When the feet were last visible."""


class Zones:
    """The zones of a camera in one epoch, and the people in them."""

    def __init__(self, zones: Mapping[str, ZoneConfig], size: tuple[int, int]) -> None:
        """`size`: width and height of the epoch's first picture, in whose pixels people are."""
        self._names = sorted(zones)
        self._size = size
        self._ignored = np.array([zones[name].ignore for name in self._names], bool)
        scale = np.array(size, float)
        polygons = [shapely.Polygon(np.array(zones[name].points) * scale) for name in self._names]
        # Where a zone ends with the picture there is no border to cross.
        frame = shapely.box(0, 0, *size).boundary
        self._borders = np.array([polygon.boundary.difference(frame) for polygon in polygons], object)
        self._most = BORDER_OF_ZONE * np.array([shapely.maximum_inscribed_circle(one).length for one in polygons])
        self._polygons = np.array(polygons, object)
        shapely.prepare(self._polygons)
        self._tracks: dict[int, _Track] = {}

    def update(self, people: Sequence[Located], media_us: int, ended: Iterable[int] = ()) -> dict[int, Place]:
        """Return the places, by track, of those people of the next frame who are not in a zone that is ignored.

        `ended`: tracks that have ended, which are forgotten.
        """
        for track in ended:
            self._tracks.pop(track, None)
        if not people:
            return {}
        tracks = [self._tracks.setdefault(person.track, _Track()) for person in people]
        feet = [self._foot(person, track, media_us) for person, track in zip(people, tracks, strict=True)]
        points = shapely.points(feet)[:, None]
        within = shapely.intersects(self._polygons, points)  # [people, zones]
        distance = np.nan_to_num(shapely.distance(self._borders, points), nan=np.inf)
        sizes = np.array([max(box[2] - box[0], box[3] - box[1]) for _, box, _ in people])
        beyond = distance > np.minimum(BORDER * sizes[:, None], self._most)
        before = np.array(
            [row if track.inside is None else track.inside for row, track in zip(within, tracks, strict=True)]
        )
        now = np.where(beyond, within, before)
        reported = np.logical_not((now & self._ignored).any(axis=1)).tolist()
        places: dict[int, Place] = {}
        for index, (person, track) in enumerate(zip(people, tracks, strict=True)):
            track.inside = now[index]
            if reported[index]:
                names = tuple(name for name, inside in zip(self._names, now[index].tolist(), strict=True) if inside)
                places[person.track] = Place(feet[index], names)
        return places

    def _foot(self, person: Located, track: _Track, media_us: int) -> Point:
        """Return the foot point: at the feet if they were visible lately, else the middle of the box's lower edge."""
        x1, y1, x2, y2 = person.box
        x, y, width, height = (x1 + x2) / 2, y2, max(x2 - x1, 1.0), max(y2 - y1, 1.0)
        if person.feet is not None:
            track.offset, track.seen_us = ((person.feet[0] - x) / width, (person.feet[1] - y) / height), media_us
        if media_us - track.seen_us < FEET_KEPT_US:
            x, y = x + track.offset[0] * width, y + track.offset[1] * height
        return (min(max(x, 0.0), self._size[0]), min(max(y, 0.0), self._size[1]))
