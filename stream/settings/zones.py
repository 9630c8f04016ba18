"""Settings of zones: named parts of a camera's picture."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from stages.settings import Section

MOST_ZONES = 32
"""Zones of a camera."""
_MOST_POINTS = 32
_LEAST_AREA = 1e-5
"""Of the picture. Smaller polygons are mistakes: a square of 3 pixels in 1280x720."""

Share = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Share, Share]


ZoneName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class ZoneConfig(Section):
    """A part of the picture (docs/zones.md)."""

    points: list[Point] = Field(
        min_length=3,
        max_length=_MOST_POINTS,
        description="Corners in order, as shares of the picture's width and height from the top left: "
        "`[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]` is the lower half.",
    )
    ignore: bool = Field(False, description="People whose foot point is in this zone are not reported.")

    @field_validator("points")
    @classmethod
    def _are_a_simple_polygon(cls, value: list[Point]) -> list[Point]:
        import shapely  # Most commands check no zones.

        if shapely.MultiPoint(value).convex_hull.area < _LEAST_AREA:
            raise ValueError("all corners are nearly on one line: the zone has no area")
        polygon = shapely.Polygon(value)
        if not polygon.is_valid:
            place = re.search(r"\[(\S+) (\S+)\]", shapely.is_valid_reason(polygon))
            near = f" near [{float(place[1]):.3g}, {float(place[2]):.3g}]" if place else ""
            raise ValueError(f"the outline crosses or touches itself{near}: list the corners in order along it")
        if polygon.area < _LEAST_AREA:
            raise ValueError("the zone has almost no area")
        return value
