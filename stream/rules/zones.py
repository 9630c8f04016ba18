"""Which zones of a camera's picture people are in.

A person is where their foot point is (`stream.rules.bodies`). At a border, the foot point must be beyond it by a share
of the person's height before the person enters or leaves, so that a trembling box does not change zones in every frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from stream.results import Box
from stream.rules.bodies import Body, TrackMemory
from stream.settings.zones import ZoneConfig

BORDER = 0.05
"""Distance from a border, in lengths of the longer side of the person's box, at which the person enters or leaves: 9 cm
for an adult. People who stand on a border, in the development half of `vtest`, change zones 11 times a minute; with
0.03 it would be 20 times, with 0.08 5 times, and without it 101 times. A person who walks takes under 0.1 s for it."""
BORDER_OF_ZONE = 0.5
"""The most of it, in radii of the largest circle inside the zone: narrow zones can be entered, too."""


class _Inside:
    """Whether a track was inside each polygon after its last frame; None before the first."""

    __slots__ = ("polygons",)

    def __init__(self) -> None:
        self.polygons: NDArray[np.bool_] | None = None


class _Polygons:
    """Some zones of a camera, and the people in them."""

    def __init__(self, zones: Mapping[str, ZoneConfig], size: tuple[int, int]) -> None:
        self.names = sorted(zones)
        scale = np.array(size, float)
        polygons = [shapely.Polygon(np.array(zones[name].points) * scale) for name in self.names]
        # Where a zone ends with the picture there is no border to cross.
        frame = shapely.box(0, 0, *size).boundary
        self._borders = np.array([polygon.boundary.difference(frame) for polygon in polygons], object)
        self._most = BORDER_OF_ZONE * np.array([shapely.maximum_inscribed_circle(one).length for one in polygons])
        self._polygons = np.array(polygons, object)
        shapely.prepare(self._polygons)
        self.tracks = TrackMemory(_Inside)

    def update(self, people: Sequence[Body]) -> NDArray[np.bool_]:
        """Return who is in which polygon: bool [people, zones]."""
        tracks = [self.tracks.of(person.track) for person in people]
        points = shapely.points([person.foot for person in people])[:, None]
        within = shapely.intersects(self._polygons, points)
        distance = np.nan_to_num(shapely.distance(self._borders, points), nan=np.inf)
        sizes = np.array([longer_side(person.box) for person in people])
        beyond = distance > np.minimum(BORDER * sizes[:, None], self._most)
        before = np.array(
            [row if track.polygons is None else track.polygons for row, track in zip(within, tracks, strict=True)]
        )
        now = np.where(beyond, within, before)
        for track, row in zip(tracks, now, strict=True):
            track.polygons = row
        return now


class Zones:
    """The zones of a camera in one epoch, and the people in them.

    Of people in ignored zones, the other zones are not followed: readers of published results, which do not contain
    these people, can compute the same zones.
    """

    def __init__(self, zones: Mapping[str, ZoneConfig], size: tuple[int, int]) -> None:
        """`size`: width and height of the epoch's first picture, in whose pixels people are."""
        ignored = {name: zone for name, zone in zones.items() if zone.ignore}
        reported = {name: zone for name, zone in zones.items() if not zone.ignore}
        self._ignored = _Polygons(ignored, size) if ignored else None
        self._reported = _Polygons(reported, size) if reported else None

    def update(self, people: Sequence[Body], ended: Collection[int] = ()) -> dict[int, tuple[str, ...]]:
        """Return the zones, by track, of those people of the next frame who are not in a zone that is ignored.

        The names are in alphabetical order. `ended`: tracks that have ended, which are forgotten.
        """
        for polygons in (self._ignored, self._reported):
            if polygons is not None:
                polygons.tracks.forget(ended)
        if people and self._ignored is not None:
            hidden: list[bool] = np.any(self._ignored.update(people), axis=1).tolist()
            people = [person for person, one in zip(people, hidden, strict=True) if not one]
        if not people or self._reported is None:
            return {person.track: () for person in people}
        names, inside = self._reported.names, self._reported.update(people).tolist()
        return {
            person.track: tuple(name for name, within in zip(names, row, strict=True) if within)
            for person, row in zip(people, inside, strict=True)
        }


def longer_side(box: Box) -> float:
    """Return the length of the longer side of a box."""
    return max(box[2] - box[0], box[3] - box[1])
