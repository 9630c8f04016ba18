"""A second look with MoveNet Thunder at people whom the first one shows badly or not at all, and the search for others.

Thunder finds one person's keypoints in a crop. They are more exact than those of the first look if the person is small,
overlaps another or lies, and are found in many cases where the first look does not find a tracked person. The crops
around the people who need it most are one batch over all cameras.

MoveNet finds less than half of the people who are 40 pixels tall. The search looks for them with NanoDet in one view of
a frame, which finds more of them, and also what is not a person; the second look decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.transfer import to_host
from stages.detection.detections import iou
from stages.detection.movenet.movenet import Thunder
from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet import NanoDet
from stages.detection.views.covering import Box, region_around
from stages.detection.views.slot_pictures import region_pictures
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.looks import REGION_SIDE, SEARCH_SIDE, Look, Region

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
            boxes = _boxes_in_epoch(_people(rows, view, frames[index].meta), view, frames[index].meta)
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


def _boxes_in_epoch(rows: NDArray[np.float32], view: Region, meta: FrameMeta) -> NDArray[np.float32]:
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


SMALL = 80.0
"""People whose box's longer side has fewer pixels in the source need a second look, the more the smaller they are."""
UNSURE = 0.3
"""People whose keypoints score less in the mean need one, the more the less sure they are; lying people still more."""
CLOSE = 0.3
"""People whose box overlaps another's with at least this IoU need one."""
SEEN = 0.1
"""Rows that score less are not people."""
SURE = 0.25
"""Rows that score less start no track: MoveNet's `activation_score`."""
PERSON = 0.3
"""Least mean score of keypoints that show a person whom the first look didn't find. In trials, crops without people
scored at most 0.20, and clear people at least 0.32."""
SAME = 0.3
"""Least IoU of the boxes of one person before and after a second look, or in two frames."""
_ROW = 5
"""Columns of a row before its keypoints: box and score."""


class Need(NamedTuple):
    """A person who needs a second look: `row` of the first look, None if it has none; box in its pixels."""

    row: int | None
    box: Box
    need: float


def needs(rows: NDArray[np.float32], expected: Sequence[Box], detail: float) -> list[Need]:
    """Return who needs a second look, most needy first: people who were expected and not found, then others.

    `rows`: the people of one frame, float32 `[n, 56]`. `expected`: where tracked people should be, in the same pixels.
    `detail`: pixels of the source per pixel of `rows`.
    """
    boxes = rows[:, :4]
    found = [
        Need(None, box, 2.0)
        for box in expected
        if overlap_with_people(np.array([box], np.float32), rows).max(initial=0) < SAME
    ]
    overlap = overlap_with_people(boxes, rows)
    np.fill_diagonal(overlap, 0)
    sizes = boxes[:, 2:] - boxes[:, :2]
    longer = sizes.max(1, initial=0) * detail
    scores = mean_scores(rows)
    need = np.maximum(1 - longer / SMALL, 0) + np.maximum(1 - scores / UNSURE, 0)
    need += 0.5 * (overlap.max(1, initial=0) >= CLOSE) + 0.5 * ((sizes[:, 0] > sizes[:, 1]) & (scores < UNSURE))
    for row in np.argsort(-need, kind="stable"):
        if need[row] > 0 and rows[row, 4] >= SEEN:
            x1, y1, x2, y2 = boxes[row].tolist()
            found.append(Need(int(row), (x1, y1, x2, y2), float(need[row])))
    return found


def with_second_look(
    rows: NDArray[np.float32], looked: Sequence[tuple[Need, NDArray[np.float32]]]
) -> NDArray[np.float32]:
    """Return the people `[m, 56]` after second looks at some of them: the keypoints `[17, 3]` found at each.

    They replace less certain keypoints of the same person, and add a person or raise a score where none was certain.
    """
    rows = rows.copy()
    for need, keypoints in looked:
        score, box = float(keypoints[:, 2].mean()), box_around(keypoints)
        overlap = overlap_with_people(box[None], rows)[0]
        if need.row is None:
            is_theirs = iou(box[None], np.array([need.box], np.float32))[0, 0] >= SAME
            if score < PERSON or not is_theirs or overlap[rows[:, 4] >= SURE].max(initial=0) >= SAME:
                continue
            if overlap.max(initial=0) < SAME:
                rows = np.concatenate([rows, np.concatenate([box, [score], keypoints.ravel()])[None]], dtype=np.float32)
                continue
            row = int(overlap.argmax())
            rows[row, 4] = max(rows[row, 4], score)
        elif overlap[need.row] >= max(SAME, overlap.max()):
            row = need.row
        else:
            continue
        if score > mean_scores(rows[row][None])[0]:
            rows[row, _ROW:] = keypoints.ravel()
    return rows


def overlap_with_people(boxes: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the IoU `[n, m]` of boxes `[n, 4]` with the people of rows `[m, 56]`; 0 with rows that are no people.

    Of those, some are duplicates of a person, others people whom the first look nearly missed.
    """
    return iou(boxes, rows[:, :4]) * (rows[:, 4] >= SEEN)


def box_around(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the box that MoveNet MultiPose gives people with these keypoints `[17, 3]`: float32 `[4]`.

    In 175 people of films with labels, its box was wider than the keypoints by 0.1 of the longer side along that side
    and by 0.06 across it (medians).
    """
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    size = high - low
    margin = size.max() * np.where(size >= size.max(), 0.1, 0.06)
    return np.concatenate([low - margin, high + margin]).astype(np.float32)


def mean_scores(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean scores `[n]` of the keypoints of rows `[n, 56]`."""
    return rows[:, _ROW:].reshape(len(rows), KEYPOINTS, 3)[..., 2].mean(-1)


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
