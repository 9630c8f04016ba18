"""The search for people whom the first look misses, because they are small: NanoDet in tiles of the whole picture.

MoveNet finds less than half of the people who are 40 pixels tall. NanoDet finds more of them, and also
what is not a person; the second look decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.transfer import to_host
from stages.detection.box_overlap import iou
from stages.detection.nanodet.nanodet import CLASS_NAMES, TRAINED_SIDE, NanoDet
from stages.detection.second_look.needs import SAME, SURE
from stages.detection.views.slot_pictures import region_pictures
from stages.looks import Look, Region

SCORE = 0.25
"""Boxes that score less are not looked at."""
MOST = 6
"""Most people who are searched for in a frame."""
TILES = 3
"""Tiles along the longer side of a picture that is larger than the network's."""
OVERLAP = 48
"""Least overlap of tiles, in the source's pixels, so that somebody small is whole in one of them."""
_PERSON = CLASS_NAMES.index("person")
_BOXES = 32
_EDGE = 3.0
"""A box that ends this near to a tile's edge, in pixels as seen, is cut by it."""


class Search:
    """Finds boxes of people with NanoDet."""

    def __init__(self, network: NanoDet, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`."""
        self.network, self._device = network, torch.device(device)

    def warm_up(self) -> None:
        """Run the network on a blank picture."""
        blank = torch.zeros(1, TRAINED_SIDE, TRAINED_SIDE, 3, dtype=torch.uint8, device=self._device)
        to_host(self.network.decode(self.network(blank), _BOXES).packed)

    def candidates(
        self, frames: Sequence[Lease], looks: Sequence[Look], people: Mapping[int, NDArray[np.float32]]
    ) -> dict[int, NDArray[np.float32]]:
        """Return boxes of people, float32 `[n, 4]` in the epoch's pixels, best first, where `people`
        `[m, 56]` are not sure of anybody.

        Only frames whose look says so are searched; they must have slots of planes.
        """
        views = [
            (index, tile)
            for index, look in enumerate(looks)
            if look.search
            for tile in tiles(frames[index].meta.format.size)
        ]
        if not views:
            return {}
        # One by one, because pictures of a whole batch of tiles take memory.
        packed = [
            self.network.decode(
                self.network(region_pictures(frames, [view], self._device, TRAINED_SIDE)), _BOXES
            ).packed
            for view in views
        ]
        found: dict[int, list[NDArray[np.float32]]] = {index: [] for index, _ in views}
        for (index, tile), rows in zip(views, to_host(torch.cat(packed)), strict=True):
            found[index].append(_in_epoch(_people(rows, tile, frames[index].meta), tile, frames[index].meta))
        return {
            index: _new(np.concatenate(boxes), people[index][people[index][:, 4] >= SURE, :4])
            for index, boxes in found.items()
        }


def tiles(size: tuple[int, int]) -> list[Region]:
    """Return the squares that cover a picture of `size` (width, height), and one around all of it if it is large."""
    longer = max(size)
    whole = Region(0, 0, _even(longer))
    side = _even(max(TRAINED_SIDE, (longer + (TILES - 1) * OVERLAP) / TILES))
    if side >= longer:
        return [whole]
    lefts, tops = (_begins(length, side) for length in size)
    return [whole, *(Region(left, top, side) for top in tops for left in lefts)]


def _begins(length: int, side: int) -> list[int]:
    count = 1 if length <= side else -(-(length - OVERLAP) // (side - OVERLAP))
    last = max(length - side, 0)
    return [round(last * number / max(count - 1, 1) / 2) * 2 for number in range(count)]


def _even(length: float) -> int:
    return int(-(-length // 2) * 2)


def _people(rows: NDArray[np.float32], tile: Region, meta: FrameMeta) -> NDArray[np.float32]:
    """Return box and score `[n, 5]` of a tile's people who are not cut by an edge inside the picture."""
    x1, y1, x2, y2 = rows[:, :4].T
    width, height = (length * TRAINED_SIDE / tile.side for length in tile.shown(meta.format.size))
    cut = ((x1 < _EDGE) & (tile.left > 0)) | ((y1 < _EDGE) & (tile.top > 0))
    cut |= (x2 > width - _EDGE) & (tile.left + tile.side < meta.format.size[0])
    cut |= (y2 > height - _EDGE) & (tile.top + tile.side < meta.format.size[1])
    return rows[(rows[:, 4] >= SCORE) & (rows[:, 5] == _PERSON) & ~cut, :5]


def _in_epoch(rows: NDArray[np.float32], tile: Region, meta: FrameMeta) -> NDArray[np.float32]:
    scale = np.float32(tile.side / TRAINED_SIDE)
    epoch = np.array(meta.size, np.float32) / np.array(meta.format.size, np.float32)
    moved = rows.copy()
    moved[:, :4] = (moved[:, :4] * scale + np.tile((tile.left, tile.top), 2).astype(np.float32)) * np.tile(epoch, 2)
    return moved


def _new(rows: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the boxes of at most `MOST` people, best first, without those of one another's and of `known` people."""
    kept: list[NDArray[np.float32]] = []
    rows = rows[iou(rows[:, :4], known).max(1, initial=0) < SAME]
    for row in rows[np.argsort(-rows[:, 4], kind="stable")]:
        if len(kept) < MOST and (not kept or iou(row[None, :4], np.stack(kept)).max() < SAME):
            kept.append(row[:4])
    return np.array(kept, np.float32).reshape(-1, 4)
