"""Settings of privacy masks: parts of a camera's picture that are black for everything and everyone."""

from __future__ import annotations

from pydantic import Field, field_validator

from stages.settings import Section
from stream.settings.zones import MOST_POINTS, Point, checked_outline

MOST_MASKS = 32
"""Masks of a camera."""


class MaskConfig(Section):
    """A part of the picture that is blackened before anything can read it (docs/privacy.md)."""

    points: list[Point] = Field(
        min_length=3,
        max_length=MOST_POINTS,
        description="Corners in order, as shares of the picture's width and height from the top left, as for zones.",
    )

    @field_validator("points")
    @classmethod
    def _are_a_simple_polygon(cls, value: list[Point]) -> list[Point]:
        return checked_outline(value, "mask")
