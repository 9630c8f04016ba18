"""Choice of the regions that show given boxes, at the least cost.

A region has the coarsest scale at which the detector sees its boxes in enough detail, and is no wider and no higher
than it must be. Boxes share a region if that costs less than regions of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stages.looks import EIGHTHS, REGION_SIDE, Region

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the frame's picture."""

SIDES = (160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 4096, 8192)
"""Sides of the squares of which regions are parts, multiples of 16. The first enlarges: people of 40 pixels are then
seen at 64."""
DETAIL = 180
"""Boxes are seen at this length in pixels, if they are not too small or too large for it. A box has a margin: a person
in it is about 128 pixels tall."""
SHARED_DETAIL = 128
"""Boxes that share a region are seen at least at this length, or as long as in the whole picture."""
FEWEST = 3
"""Least number of eighths of a region."""
FIXED_COST = 10
"""Cost of a region of any size, in eighths squared: decoding, and small pictures take longer for their size."""
_ROOM = 4
"""Pixels around boxes: rounding the corner to even pixels moves a region by up to two."""


def cover(boxes: Sequence[Box], size: tuple[int, int], whole_scale: float, squares: bool = False) -> list[Region]:
    """Return regions of a picture of `size` (width, height), each box inside one of them as far as the picture goes.

    `whole_scale`: pixels of the detector's whole picture per pixel of the frame's. `squares`: whether all regions are
    squares, as large as they must be.
    """
    groups: list[_Group] = []
    for box in sorted(boxes, key=lambda box: (-_extent(box), box)):
        alone = _Group.of(box, whole_scale, squares)
        joined = [(group.joined(alone), index) for index, group in enumerate(groups)]
        dearer = [
            (cost([group.region(size)]) - cost([groups[index].region(size)]), index, group)
            for group, index in joined
            if _extent(group.around) + _ROOM <= group.limit
        ]
        least = min(dearer, default=None)
        if least is not None and least[0] <= cost([alone.region(size)]):
            groups[least[1]] = least[2]
        else:
            groups.append(alone)
    return _needed([_Shown.of(group, group.region(size)) for group in groups])


def _needed(shown: list[_Shown]) -> list[Region]:
    """Return the regions without those whose boxes others show in enough detail, being larger than their own boxes."""
    for one in sorted(shown, key=lambda one: len(one.boxes)):
        others = [other for other in shown if other is not one and other.region.side <= one.largest]
        takers = [next((other for other in others if _shows(other.region, box)), None) for box in one.boxes]
        if None in takers:
            continue
        shown = [other for other in shown if other is not one]
        for taker, box in zip(takers, one.boxes, strict=True):
            if taker is not None:
                taker.boxes.append(box)
                taker.largest = min(taker.largest, one.largest)
    return [one.region for one in shown]


def cost(regions: Iterable[Region]) -> int:
    """Return what the detector takes for regions, as the number of pixels of a picture for which it takes as long."""
    return sum(region.columns * region.rows + FIXED_COST for region in regions) * (REGION_SIDE // EIGHTHS) ** 2


class _Group(NamedTuple):
    """Boxes that share a region: the box around them, and the sides of the square of which the region is part.

    `limit`: the largest side that shows each box in enough detail to share. `enough`: the side that gives all boxes
    `DETAIL`; 0 for squares, which cost the same at any scale. `fewest`: eighths of the region's width and height.
    """

    boxes: tuple[Box, ...]
    around: Box
    limit: float
    enough: float
    fewest: int

    @staticmethod
    def of(box: Box, whole_scale: float, squares: bool) -> _Group:
        extent = max(_extent(box), 1.0)
        limit = REGION_SIDE / max(min(whole_scale, SHARED_DETAIL / extent), 1e-6)
        limit = max(extent + _ROOM, limit)
        if squares:
            return _Group((box,), box, limit, 0.0, EIGHTHS)
        return _Group((box,), box, limit, extent * REGION_SIDE / DETAIL, FEWEST)

    def joined(self, other: _Group) -> _Group:
        first, second = self.around, other.around
        low = min(first[0], second[0]), min(first[1], second[1])
        high = max(first[2], second[2]), max(first[3], second[3])
        boxes = self.boxes + other.boxes
        return _Group(boxes, (*low, *high), min(self.limit, other.limit), min(self.enough, other.enough), self.fewest)

    def region(self, size: tuple[int, int]) -> Region:
        """Return the region, moved into a picture of `size`."""
        longest = _up(max(size), 16)
        least = min(_extent(self.around) + _ROOM, longest)
        side = next((side for side in SIDES if side >= least), SIDES[-1])
        side = min(max([side, *(one for one in SIDES if one <= self.enough)]), longest)
        x1, y1, x2, y2 = self.around
        columns, rows = (
            min(max(math.ceil((length + _ROOM) * EIGHTHS / side), self.fewest), EIGHTHS)
            for length in (x2 - x1, y2 - y1)
        )
        width, height = Region(0, 0, side, columns, rows).size
        return Region(_begin(x1, x2, width, size[0]), _begin(y1, y2, height, size[1]), side, columns, rows)


@dataclass(slots=True, eq=False)
class _Shown:
    """A region, the boxes for which it is needed, and the largest side that shows them in enough detail."""

    boxes: list[Box]
    largest: float
    region: Region

    @staticmethod
    def of(group: _Group, region: Region) -> _Shown:
        return _Shown(list(group.boxes), max(group.limit, region.side), region)


def _shows(region: Region, box: Box) -> bool:
    width, height = region.size
    return (
        region.left <= box[0]
        and region.top <= box[1]
        and box[2] <= region.left + width
        and box[3] <= region.top + height
    )


def _extent(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def region_around(box: Box, size: tuple[int, int], smaller: Sequence[int] = ()) -> Region:
    """Return the square region around a box, moved into a picture of `size` (width, height).

    `smaller`: sides below those of `SIDES`.
    """
    width, height = size
    # Not larger than the picture's longer side, which shows all of it.
    side = min(
        next((side for side in (*smaller, *SIDES) if side >= _extent(box) + _ROOM), SIDES[-1]), _up(max(size), 2)
    )
    return Region(_begin(box[0], box[2], side, width), _begin(box[1], box[3], side, height), side)


def _begin(low: float, high: float, side: int, length: int) -> int:
    """Return the even begin of a side that is centred on `low` to `high`, and inside the picture if it fits."""
    begin = int(((low + high) / 2 - side / 2) // 2) * 2
    return max(0, min(begin, (length - side + 1) // 2 * 2))


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
