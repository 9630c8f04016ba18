"""The views of a picture that are searched for small people, one after the other."""

from __future__ import annotations

from functools import lru_cache

from stages.looks import Region

SEARCH_SIDE = 416
"""Width and height in which a view is seen, in pixels: NanoDet's input."""
TILES = 3
"""Tiles along the longer side of a picture that is larger than that."""
OVERLAP = 48
"""Least overlap of tiles, in the source's pixels, so that one tile contains all of a small person."""


@lru_cache
def search_views(size: tuple[int, int]) -> tuple[Region, ...]:
    """Return the square around a picture of `size` (width, height) and, if it is large, tiles that cover it."""
    longer = max(size)
    whole = Region(0, 0, _even(longer))
    side = _even(max(SEARCH_SIDE, (longer + (TILES - 1) * OVERLAP) / TILES))
    if side >= longer:
        return (whole,)
    lefts, tops = (_begins(length, side) for length in size)
    return (whole, *(Region(left, top, side) for top in tops for left in lefts))


def _begins(length: int, side: int) -> list[int]:
    count = 1 if length <= side else -(-(length - OVERLAP) // (side - OVERLAP))
    last = max(length - side, 0)
    return [round(last * number / max(count - 1, 1) / 2) * 2 for number in range(count)]


def _even(length: float) -> int:
    return int(-(-length // 2) * 2)
