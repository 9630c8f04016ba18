"""Settings of zones and lines: named parts of a camera's picture."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from stages.settings import Section

MOST_ZONES = 32
"""Zones of a camera."""
MOST_LINES = 32
"""Lines of a camera."""
MOST_POINTS = 32
"""Corners of a zone or mask."""
_LEAST_AREA = 1e-5
"""Of the picture. Smaller polygons are mistakes: a square of 3 pixels in 1280x720."""
_LEAST_LENGTH = 0.01
"""Of the picture's sides."""

Share = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Share, Share]


ZoneName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _simple_polygon(points: list[Point]) -> list[Point]:
    import shapely  # Most commands check no zones.

    if shapely.MultiPoint(points).convex_hull.area < _LEAST_AREA:
        raise ValueError("all corners are nearly on one line, so the outline has no area")
    polygon = shapely.Polygon(points)
    if not polygon.is_valid:
        place = re.search(r"\[(\S+) (\S+)\]", shapely.is_valid_reason(polygon))
        near = f" near [{float(place[1]):.3g}, {float(place[2]):.3g}]" if place else ""
        raise ValueError(f"the outline crosses or touches itself{near}: list the corners in order along it")
    if polygon.area < _LEAST_AREA:
        raise ValueError("the outline has almost no area")
    return points


Outline = Annotated[list[Point], Field(min_length=3, max_length=MOST_POINTS), AfterValidator(_simple_polygon)]
"""Corners of a simple polygon, in order."""


class ZoneConfig(Section):
    """A part of the picture (docs/zones.md)."""

    points: Outline = Field(
        description="Corners in order, as shares of the picture's width and height from the top left: "
        "`[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]` is the lower half.",
    )
    ignore: bool = Field(False, description="People whose foot point is in this zone are not reported.")


class LineConfig(Section):
    """A line across the picture, which people cross from one side to the other (docs/zones.md)."""

    points: tuple[Point, Point] = Field(
        description="Start and end, as shares of the picture's width and height from the top left. Left and right are "
        "the sides as seen when looking from the start to the end.",
    )

    @field_validator("points")
    @classmethod
    def _are_apart_and_inside(cls, value: tuple[Point, Point]) -> tuple[Point, Point]:
        (x1, y1), (x2, y2) = value
        if math.hypot(x2 - x1, y2 - y1) < _LEAST_LENGTH:
            raise ValueError("the two points are the same, or nearly: they must be at least 0.01 apart")
        if x1 == x2 in (0, 1) or y1 == y2 in (0, 1):
            raise ValueError("the line is the edge of the picture: no person can be seen to cross it")
        return value
