"""Colours and text of annotated pictures: a ramp for relevance, and track colours that cannot be confused with it.

The colours are defined in OKLCH (lightness, chroma, hue), where equal steps look equal. The ramp's lightness rises with
relevance, so that it can be read in grey and by colour-blind people. It runs from violet over red to yellow; tracks are
green to blue.
"""

from __future__ import annotations

import math
from functools import lru_cache

from PIL import ImageFont

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255 each (sRGB)."""

INK: Colour = (16, 19, 24)
PAPER: Colour = (236, 239, 243)
MUTED: Colour = (152, 160, 170)
WARNING: Colour = (255, 176, 46)


def oklch(lightness: float, chroma: float, hue_degrees: float) -> Colour:
    """Return an OKLCH colour in sRGB, clipped to its gamut."""
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
    """Return the ramp's colour at `relevance`, clipped to 0 to 1."""
    at = min(1.0, max(0.0, relevance))
    return oklch(0.44 + 0.48 * at, 0.19 - 0.03 * at, 295 + 170 * at)


@lru_cache(maxsize=512)
def track_colour(track: int) -> Colour:
    """Return a track's colour, which differs from those of neighbouring track numbers as much as the range of hues
    allows."""
    return oklch((0.72, 0.83)[track % 2], 0.13, 145 + 135 * ((track * 0.6180339887) % 1.0))


def _encode(linear: float) -> int:
    value = min(1.0, max(0.0, linear))
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)


LONGEST_TEXT = 60
"""Most characters that a picture shows of a text from a message."""


def shortened(text: str, most: int = LONGEST_TEXT) -> str:
    """Return a text from a message as one line of at most `most` characters, which can be drawn."""
    line = "".join(one if one.isprintable() else "\ufffd" for one in text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's default font at a size in pixels."""
    made = ImageFont.load_default(size)
    if not isinstance(made, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType and can't draw readable text: install the wheel")
    return made


@lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> float:
    """Return the width of a line of text in pixels."""
    return font(size).getlength(text)
