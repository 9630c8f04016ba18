"""Where the detector looks in a frame: at the whole picture, at regions, or at nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

REGION_SIDE = 256
"""Width and height in which the detector sees a square region, in pixels. People near the camera still have enough
detail, and a square region costs a sixth of a whole picture of 768x512."""
EIGHTHS = 8
"""Regions are as wide and as high as a number of eighths of a square, which are 32 pixels as the detector sees them."""


class Region(NamedTuple):
    """A rectangle of a frame's picture, in its pixels: a square of `side`, or its upper left part.

    All numbers are even, because chroma has half the resolution. It lies within the picture where that is large enough;
    elsewhere it reaches beyond the right or the lower edge.
    """

    left: int
    top: int
    side: int
    columns: int = EIGHTHS
    rows: int = EIGHTHS
    """Width and height in eighths of `side`, which is then a multiple of 16."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.side * self.columns // EIGHTHS, self.side * self.rows // EIGHTHS

    def seen(self, side: int = REGION_SIDE) -> tuple[int, int]:
        """Return width and height as a network sees them that sees the square in `side` pixels."""
        return side * self.columns // EIGHTHS, side * self.rows // EIGHTHS

    def shown(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return width and height of the part inside a picture of this size."""
        width, height = self.size
        return min(width, size[0] - self.left), min(height, size[1] - self.top)


LookKind = Literal["whole", "regions", "nothing", "skipped"]


@dataclass(frozen=True, slots=True)
class Look:
    """What the detector looks at in one frame.

    `regions`: the whole picture, or nothing, has none. `nothing`: nothing moves and nobody is tracked. `skipped`: the
    frame came too soon after the last one that was looked at; people's boxes are extrapolated. `objects`: where it
    looks for objects, too; None in most frames.
    """

    kind: LookKind
    regions: tuple[Region, ...] = ()
    objects: Region | None = None
    expected: tuple[tuple[float, float, float, float], ...] = ()
    """Where tracked people should be: x1, y1, x2, y2 in pixels of the epoch's first picture."""
    second_looks: int = 0
    """Maximum number of people who are looked at a second time."""
    search: Region | None = None
    """Which view of the picture is searched for people whom the first look misses; None in most frames. If nothing
    else is looked at, `kind` is `regions`, and `regions` is empty."""

    @property
    def whole(self) -> bool:
        """Whether the detector sees the whole picture."""
        return self.kind == "whole"

    @property
    def anything(self) -> bool:
        """Whether the detector runs on the frame at all."""
        return self.kind in ("whole", "regions")

    @property
    def published_regions(self) -> tuple[Region, ...]:
        """The regions and the view that is searched; nothing if the detector sees the whole picture anyway."""
        return self.regions if self.whole or self.search is None else (*self.regions, self.search)

    def with_search(self, view: Region) -> Look:
        """Return this look with a search of a view."""
        return replace(self, kind=self.kind if self.anything else "regions", search=view)


WHOLE = Look("whole")
NOTHING = Look("nothing")
SKIPPED = Look("skipped")


def look_at(regions: Iterable[Region]) -> Look:
    """Return a look at these regions, of which there must be one."""
    return Look("regions", tuple(regions))


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
