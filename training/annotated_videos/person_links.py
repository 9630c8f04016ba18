"""Links people over the annotated frames of a video, which have boxes and no identities. Pure.

From frame to frame people are assigned one-to-one so that the sum of IoU is greatest, as annotations are dense and
their boxes good; a person who is missing for a while keeps their place for `longest_gap` frames of the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

LEAST_IOU = 0.2
"""Low, as frames are skipped and people are fast: a vault moves half a body's width in five frames."""
LONGEST_GAP = 30
"""Frames of the video: about a second."""


def link_people(
    indices: Sequence[int],
    boxes: Sequence[NDArray[np.floating]],
    *,
    least_iou: float = LEAST_IOU,
    longest_gap: int = LONGEST_GAP,
) -> list[NDArray[np.int64]]:
    """Give each person of each frame an identity, from 0 in the order of appearance.

    `indices`: the F frames' places in the video, ascending. `boxes`: for each of them [people, 4], x1 y1 x2 y2. Returns
    for each frame [people] identities, no two of them equal. Two boxes are one person's only if their IoU is at least
    `least_iou` (above 0) and their frames lie at most `longest_gap` apart. Raises ValueError for other input.
    """
    if len(indices) != len(boxes):
        raise ValueError(f"{len(indices)} indices of frames, and boxes of {len(boxes)}")
    if any(later <= earlier for earlier, later in pairwise(indices)):
        raise ValueError("the frames' indices must ascend")
    if not least_iou > 0:
        raise ValueError("least_iou must be above 0: boxes that don't touch aren't one person's")
    linked: list[NDArray[np.int64]] = []
    last_box = np.zeros((0, 4))
    last_index, identity = np.zeros(0, np.int64), np.zeros(0, np.int64)
    people = 0
    for index, given in zip(indices, boxes):
        here = np.asarray(given, np.float64).reshape(-1, 4)
        known = index - last_index <= longest_gap
        last_box, last_index, identity = last_box[known], last_index[known], identity[known]
        overlap = box_iou(last_box, here)
        overlap[overlap < least_iou] = 0.0
        before, now = linear_sum_assignment(overlap, maximize=True)
        same = overlap[before, now] > 0
        before, now = before[same], now[same]
        mine = np.full(len(here), -1, np.int64)
        mine[now] = identity[before]
        new = np.flatnonzero(mine < 0)
        mine[new] = people + np.arange(len(new))
        people += len(new)
        gone = np.setdiff1d(np.arange(len(identity)), before)
        last_box = np.concatenate([last_box[gone], here])
        last_index = np.concatenate([last_index[gone], np.full(len(here), index)])
        identity = np.concatenate([identity[gone], mine])
        linked.append(mine)
    return linked


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU [N, M] of boxes [N, 4] and [M, 4] that include their last row and column, as the data set's do; 0 apart."""
    least = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(least - np.maximum(a[:, None, :2], b[None, :, :2]) + 1, 0, None).prod(-1)
    return shared / (_extent(a)[:, None] + _extent(b)[None, :] - shared)


def _extent(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return (box[:, 2] - box[:, 0] + 1) * (box[:, 3] - box[:, 1] + 1)
