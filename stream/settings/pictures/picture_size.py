"""The form of picture sizes in the configuration: `1920x1080`, or a number of pixels."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from stream.settings.source_address import quoted

MOST_PIXELS = 1 << 28
"""Above what FFmpeg can decode with 16 bytes per pixel."""
LEAST_PIXELS = 64 * 64
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_NUMBER = re.compile(r"\d{1,9}")


def pixels_of(size: str | int) -> int:
    """Return the number of pixels. Raises `ValueError` for other forms."""
    if isinstance(size, int):
        return size
    found = _SIZE.fullmatch(size)
    if found is not None:
        return int(found[1]) * int(found[2])
    if _NUMBER.fullmatch(size):
        return int(size)
    raise ValueError(f"{quoted(size)} is not a picture size: write WIDTHxHEIGHT, or a number of pixels")


def _within_bounds(size: str | int) -> str | int:
    pixels = pixels_of(size)
    if not LEAST_PIXELS <= pixels <= MOST_PIXELS:
        raise ValueError(f"{size} is not from {LEAST_PIXELS} to {MOST_PIXELS} pixels")
    return size


MaxPicture = Annotated[Annotated[int, Field(ge=LEAST_PIXELS, le=MOST_PIXELS)] | str, AfterValidator(_within_bounds)]
