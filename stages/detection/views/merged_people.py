"""People found in regions of one picture, as people of the picture.

Regions overlap, so that somebody may be found twice, or in one of them only in part. A person cut by a region's edge is
left to a region that has them whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from stages.detection.box_overlap import share_inside
from stages.detection.movenet import keypoint_decoding as decoding
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.looks import REGION_SIDE, Region

EDGE = 4.0
"""A box that ends this near to a region's edge, in pixels as seen, is cut by it."""
CUT_INSIDE = 0.5
"""Share of a cut box inside another person's from which it is part of that person."""

_SIGMAS = torch.tensor(decoding.COCO_SIGMAS)


def merged_people(
    found: Sequence[NDArray[np.float32]], regions: Sequence[Region], size: tuple[int, int], most: int
) -> NDArray[np.float32]:
    """Return at most `most` people of a picture of `size` (width, height), best first: float32 `[n, 56]` in its pixels.

    `found`: the people of each region, `[k, 56]` in pixels as seen, with score 0 in rows without a person.
    """
    rows: list[NDArray[np.float32]] = []
    cut: list[NDArray[np.bool_]] = []
    for people, region in zip(found, regions, strict=True):
        people = people[people[:, 4] > 0]
        cut.append(_cut(people[:, :4], region, size))
        rows.append(in_picture(people, region))
    together, is_cut = np.concatenate(rows), np.concatenate(cut)
    # Whole people first, so that they suppress what is cut.
    order = np.lexsort((-together[:, 4], is_cut))
    together, is_cut = together[order], is_cut[order]
    kept = _kept(together, is_cut)
    together = together[kept]
    return together[np.argsort(-together[:, 4], kind="stable")][:most]


def in_picture(people: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """Return rows `[n, 56]` of a region in pixels of the picture."""
    scale = np.float32(region.side / REGION_SIDE)
    offset = np.array((region.left, region.top), np.float32)
    moved = people.copy()
    moved[:, :4] = moved[:, :4] * scale + np.tile(offset, 2)
    keypoints = moved[:, 5:].reshape(len(moved), KEYPOINTS, 3)
    keypoints[..., :2] = keypoints[..., :2] * scale + offset
    return moved


def _cut(boxes: NDArray[np.float32], region: Region, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which boxes `[n, 4]`, in pixels as seen, end at an edge of the region that is not one of the picture."""
    scale = REGION_SIDE / region.side
    width, height = (length * scale for length in region.shown(size))
    return (
        ((boxes[:, 0] <= EDGE) & (region.left > 0))
        | ((boxes[:, 1] <= EDGE) & (region.top > 0))
        | ((boxes[:, 2] >= width - EDGE) & (region.left + region.size[0] < size[0]))
        | ((boxes[:, 3] >= height - EDGE) & (region.top + region.size[1] < size[1]))
    )


def _kept(rows: NDArray[np.float32], cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows are nobody's that an earlier row has."""
    if len(rows) < 2:
        return np.ones(len(rows), np.bool_)
    found = torch.from_numpy(rows)[None]
    keypoints = found[..., 5:].unflatten(-1, (KEYPOINTS, 3))[..., :2]
    alike = decoding.overlaps(found[..., :4], keypoints, _SIGMAS)[0].numpy() > decoding.DUPLICATE_OVERLAP
    same = alike | ((share_inside(rows[:, :4], rows[:, :4]) > CUT_INSIDE) & cut[:, None])
    kept = np.ones(len(rows), np.bool_)
    for row in range(1, len(rows)):
        kept[row] = not (same[row, :row] & kept[:row]).any()
    return kept
