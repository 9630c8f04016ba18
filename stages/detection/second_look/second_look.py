"""The second look: crops around the people who need it most, in one batch over all cameras."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.transfer import to_host
from stages.detection.movenet.thunder import Thunder
from stages.detection.second_look.needs import Need, needs, with_second_look
from stages.detection.second_look.search import Search
from stages.detection.views.covering import Box, region_around
from stages.detection.views.slot_pictures import region_pictures
from stages.looks import REGION_SIDE, Look, Region

ROOM = 1.3
"""Side of a crop, in lengths of the longer side of the person's box."""
SIDES = (48, 64, 80, 96, 112, 128, 144)
"""Sides of crops below those of regions, in the source's pixels."""


class _Crop(NamedTuple):
    frame: int
    region: Region
    need: Need


class SecondLook:
    """Looks again at people, as many in a frame as its look says."""

    def __init__(self, network: Thunder, search: Search | None = None, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`; `search` finds people whom the first look misses."""
        self._network, self._search, self._device = network, search, torch.device(device)

    @property
    def networks(self) -> tuple[object, ...]:
        """Those for keypoints and for the search."""
        return (self._network,) if self._search is None else (self._network, self._search.network)

    def warm_up(self) -> None:
        """Run the networks on blank pictures."""
        blank = torch.zeros(1, REGION_SIDE, REGION_SIDE, 3, dtype=torch.uint8, device=self._device)
        to_host(self._network.decode(self._network(blank)))
        if self._search is not None:
            self._search.warm_up()

    def refine(
        self, frames: Sequence[Lease], looks: Sequence[Look], people: Mapping[int, NDArray[np.float32]]
    ) -> dict[int, NDArray[np.float32]]:
        """Return the people of the frames after second looks: float32 `[n, 56]` by frame, in the epoch's pixels.

        Frames with second looks must have slots of planes.
        """
        crops: list[_Crop] = []
        candidates = self._search.candidates(frames, looks, people) if self._search is not None else {}
        for index, rows in people.items():
            look, meta = looks[index], frames[index].meta
            if look.second_looks:
                detail = meta.format.size[0] / meta.size[0]
                needy = needs(rows, look.expected, detail)[: look.second_looks]
                crops += [_Crop(index, _crop(need.box, meta), need) for need in needy]
            for x1, y1, x2, y2 in candidates.get(index, np.zeros((0, 4), np.float32)).tolist():
                need = Need(None, (x1, y1, x2, y2), 1.0)
                crops.append(_Crop(index, _crop(need.box, meta), need))
        if not crops:
            return dict(people)
        pictures = region_pictures(frames, [(crop.frame, crop.region) for crop in crops], self._device)
        keypoints = to_host(self._network.decode(self._network(pictures)))
        looked: dict[int, list[tuple[Need, NDArray[np.float32]]]] = defaultdict(list)
        for crop, found in zip(crops, keypoints, strict=True):
            looked[crop.frame].append((crop.need, _in_epoch(found, crop.region, frames[crop.frame].meta)))
        return {
            index: with_second_look(rows, looked[index]) if index in looked else rows for index, rows in people.items()
        }


def _crop(box: Box, meta: FrameMeta) -> Region:
    """Return the square around a box of the epoch's first picture, in the frame's."""
    x, y = meta.format.size[0] / meta.size[0], meta.format.size[1] / meta.size[1]
    x1, y1, x2, y2 = box[0] * x, box[1] * y, box[2] * x, box[3] * y
    x_mid, y_mid, half = (x1 + x2) / 2, (y1 + y2) / 2, ROOM / 2 * max(x2 - x1, y2 - y1)
    return region_around((x_mid - half, y_mid - half, x_mid + half, y_mid + half), meta.format.size, SIDES)


def _in_epoch(keypoints: NDArray[np.float32], region: Region, meta: FrameMeta) -> NDArray[np.float32]:
    """Return keypoints `[17, 3]` of a crop in pixels of the epoch's first picture."""
    scale = np.float32(region.side / REGION_SIDE)
    x, y = meta.size[0] / meta.format.size[0], meta.size[1] / meta.format.size[1]
    moved = keypoints.copy()
    moved[:, 0] = (moved[:, 0] * scale + region.left) * x
    moved[:, 1] = (moved[:, 1] * scale + region.top) * y
    return moved
