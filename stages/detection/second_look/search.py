"""The search for people whom the first look misses, because they are small: NanoDet in one view of a frame.

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
from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet import NanoDet
from stages.detection.second_look.needs import SAME, SURE
from stages.detection.views.search_views import SEARCH_SIDE
from stages.detection.views.slot_pictures import region_pictures
from stages.looks import Look, Region

SCORE = 0.25
"""Boxes that score less are not looked at."""
MOST = 6
"""Most people who are searched for in a frame."""
_PERSON = CLASS_NAMES.index("person")
_BOXES = 32
_EDGE = 3.0
"""A box that ends this near to a view's edge, in pixels as seen, is cut by it."""


class Search:
    """Finds boxes of people with NanoDet."""

    def __init__(self, network: NanoDet, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`."""
        self.network, self._device = network, torch.device(device)

    def warm_up(self) -> None:
        """Run the network on a blank picture."""
        blank = torch.zeros(1, SEARCH_SIDE, SEARCH_SIDE, 3, dtype=torch.uint8, device=self._device)
        to_host(self.network.decode(self.network(blank), _BOXES).packed)

    def candidates(
        self, frames: Sequence[Lease], looks: Sequence[Look], people: Mapping[int, NDArray[np.float32]]
    ) -> dict[int, NDArray[np.float32]]:
        """Return boxes of people, float32 `[n, 4]` in the epoch's pixels, best first, where `people`
        `[m, 56]` are not sure of anybody.

        Each frame is searched in the view that its look names, if any; it must have a slot of planes.
        """
        views = [(index, look.search) for index, look in enumerate(looks) if look.search is not None]
        if not views:
            return {}
        # One by one, because pictures of views in many frames take memory.
        packed = [
            self.network.decode(self.network(region_pictures(frames, [view], self._device, SEARCH_SIDE)), _BOXES).packed
            for view in views
        ]
        found: dict[int, NDArray[np.float32]] = {}
        for (index, view), rows in zip(views, to_host(torch.cat(packed)), strict=True):
            boxes = _in_epoch(_people(rows, view, frames[index].meta), view, frames[index].meta)
            found[index] = _new(boxes, people[index][people[index][:, 4] >= SURE, :4])
        return found


def _people(rows: NDArray[np.float32], view: Region, meta: FrameMeta) -> NDArray[np.float32]:
    """Return box and score `[n, 5]` of a view's people who are not cut by an edge inside the picture."""
    x1, y1, x2, y2 = rows[:, :4].T
    width, height = (length * SEARCH_SIDE / view.side for length in view.shown(meta.format.size))
    cut = ((x1 < _EDGE) & (view.left > 0)) | ((y1 < _EDGE) & (view.top > 0))
    cut |= (x2 > width - _EDGE) & (view.left + view.side < meta.format.size[0])
    cut |= (y2 > height - _EDGE) & (view.top + view.side < meta.format.size[1])
    return rows[(rows[:, 4] >= SCORE) & (rows[:, 5] == _PERSON) & ~cut, :5]


def _in_epoch(rows: NDArray[np.float32], view: Region, meta: FrameMeta) -> NDArray[np.float32]:
    scale = np.float32(view.side / SEARCH_SIDE)
    epoch = np.array(meta.size, np.float32) / np.array(meta.format.size, np.float32)
    moved = rows.copy()
    moved[:, :4] = (moved[:, :4] * scale + np.tile((view.left, view.top), 2).astype(np.float32)) * np.tile(epoch, 2)
    return moved


def _new(rows: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the boxes of at most `MOST` people, best first, without those of one another's and of `known` people."""
    kept: list[NDArray[np.float32]] = []
    rows = rows[iou(rows[:, :4], known).max(1, initial=0) < SAME]
    for row in rows[np.argsort(-rows[:, 4], kind="stable")]:
        if len(kept) < MOST and (not kept or iou(row[None, :4], np.stack(kept)).max() < SAME):
            kept.append(row[:4])
    return np.array(kept, np.float32).reshape(-1, 4)
