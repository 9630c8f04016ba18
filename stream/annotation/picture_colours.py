"""The colours of annotated pictures: a ramp for relevance, and colours for tracks that can't be taken for it. Pure.

Both are made in OKLCH (lightness, chroma, hue), where equal steps look equal: the ramp's lightness rises with
relevance, so that it is read right in grey and by the colour-blind. It runs from violet over red to yellow; tracks are
green, blue and what lies between.
"""

from __future__ import annotations

import math
from functools import lru_cache

Colour = tuple[int, int, int]
"""Red, green, blue, 0 … 255 each (sRGB)."""

INK: Colour = (16, 19, 24)
PAPER: Colour = (236, 239, 243)
MUTED: Colour = (152, 160, 170)
WARNING: Colour = (255, 176, 46)


def oklch(lightness: float, chroma: float, hue_degrees: float) -> Colour:
    """An OKLCH colour in sRGB, cut off at the edges of what sRGB can show."""
    a = chroma * math.cos(math.radians(hue_degrees))
    b = chroma * math.sin(math.radians(hue_degrees))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    red, green, blue = (_encode(value) for value in linear)
    return red, green, blue


@lru_cache(maxsize=512)
def relevance_colour(relevance: float) -> Colour:
    """The ramp at `relevance` (0 … 1; beyond is cut off)."""
    at = min(1.0, max(0.0, relevance))
    return oklch(0.44 + 0.48 * at, 0.19 - 0.03 * at, 295 + 170 * at)


@lru_cache(maxsize=512)
def track_colour(track: int) -> Colour:
    """A track's colour, as unlike those of the tracks with neighbouring numbers as the range of hues allows."""
    return oklch((0.72, 0.83)[track % 2], 0.13, 145 + 135 * ((track * 0.6180339887) % 1.0))


def _encode(linear: float) -> int:
    value = min(1.0, max(0.0, linear))
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)
