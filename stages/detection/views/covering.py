"""Choice of the regions that show given boxes, few and small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stages.looks import REGION_SIDE, Region

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the frame's picture."""

SIDES = (160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 4096, 8192)
"""Sides of regions. They are few, because the scaling of each is prepared separately. The first enlarges: people of 40
pixels are then seen at 64."""
DETAIL = 128
"""Boxes that share a region are seen at least at this length in pixels, or as long as in the whole picture."""


def cover(boxes: Sequence[Box], size: tuple[int, int], whole_scale: float) -> list[Region]:
    """Return regions of a picture of `size` (width, height), each box inside one of them as far as the picture goes.

    `whole_scale`: pixels of the detector's whole picture per pixel of the frame's.
    """
    groups: list[_Group] = []
    for box in sorted(boxes, key=lambda box: (-_extent(box), box)):
        alone = _Group.of(box, whole_scale)
        joined = [(group.joined(alone), index) for index, group in enumerate(groups)]
        fitting = [(group, index) for group, index in joined if _extent(group.around) <= group.limit]
        if fitting:
            # The group that grows least.
            group, index = min(fitting, key=lambda pair: _extent(pair[0].around) - _extent(groups[pair[1]].around))
            groups[index] = group
        else:
            groups.append(alone)
    shown = [(group, region_around(group.around, size)) for group in groups]
    # A region is often larger than its group, and may show all boxes of another in enough detail.
    for pair in sorted(shown, key=lambda pair: len(pair[0].boxes)):
        largest = max(pair[0].limit, pair[1].side)
        others = [region for group, region in shown if group is not pair[0] and region.side <= largest]
        if all(any(_shows(region, box) for region in others) for box in pair[0].boxes):
            shown.remove(pair)
    return [region for _, region in shown]


class _Group(NamedTuple):
    """Boxes that share a region: the box around them, and the largest region that shows each in enough detail."""

    boxes: tuple[Box, ...]
    around: Box
    limit: float

    @staticmethod
    def of(box: Box, whole_scale: float) -> _Group:
        extent = max(_extent(box), 1.0)
        return _Group((box,), box, max(extent, REGION_SIDE / max(min(whole_scale, DETAIL / extent), 1e-6)))

    def joined(self, other: _Group) -> _Group:
        first, second = self.around, other.around
        low = min(first[0], second[0]), min(first[1], second[1])
        high = max(first[2], second[2]), max(first[3], second[3])
        return _Group(self.boxes + other.boxes, (*low, *high), min(self.limit, other.limit))


def _shows(region: Region, box: Box) -> bool:
    return (
        region.left <= box[0]
        and region.top <= box[1]
        and box[2] <= region.left + region.side
        and box[3] <= region.top + region.side
    )


def _extent(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def region_around(box: Box, size: tuple[int, int], smaller: Sequence[int] = ()) -> Region:
    """Return the region around a box, moved into a picture of `size` (width, height).

    `smaller`: sides below those of `SIDES`.
    """
    width, height = size
    # Not larger than the picture's longer side, which shows all of it.
    longest = -(-max(width, height) // 2) * 2
    # Rounding the corner to even pixels moves it by up to two.
    side = min(next((side for side in (*smaller, *SIDES) if side >= _extent(box) + 4), SIDES[-1]), longest)
    return Region(_begin(box[0], box[2], side, width), _begin(box[1], box[3], side, height), side)


def _begin(low: float, high: float, side: int, length: int) -> int:
    """Return the even begin of a side that is centred on `low` to `high`, and inside the picture if it fits."""
    begin = int(((low + high) / 2 - side / 2) // 2) * 2
    return max(0, min(begin, (length - side + 1) // 2 * 2))
