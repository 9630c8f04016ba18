"""Linking people over the annotated frames of a video, which have boxes but no identities.

From frame to frame people are assigned one-to-one with the greatest sum of IoU, because annotations are dense and
accurate. A missing person is remembered for `longest_gap` frames of the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from training.benchmark.box_overlap import inclusive_iou

LEAST_IOU = 0.2
"""Low, because frames are skipped and people are fast: a vault moves half a body's width in five frames."""
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

    `indices`: the F frames' numbers in the video, ascending. `boxes`: for each frame [people, 4], x1 y1 x2 y2. Returns
    for each frame [people] distinct identities. Two boxes belong to one person only if their IoU is at least
    `least_iou` (above 0) and their frames are at most `longest_gap` apart. Raises ValueError for other input.
    """
    if len(indices) != len(boxes):
        raise ValueError(f"{len(indices)} frame indices but boxes for {len(boxes)} frames")
    if any(later <= earlier for earlier, later in pairwise(indices)):
        raise ValueError("the frames' indices must ascend")
    if not least_iou > 0:
        raise ValueError("least_iou must be above 0: boxes of one person overlap")
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
        assigned = np.full(len(here), -1, np.int64)
        assigned[now] = identity[before]
        new = np.flatnonzero(assigned < 0)
        assigned[new] = people + np.arange(len(new))
        people += len(new)
        missing = np.setdiff1d(np.arange(len(identity)), before)
        last_box = np.concatenate([last_box[missing], here])
        last_index = np.concatenate([last_index[missing], np.full(len(here), index)])
        identity = np.concatenate([identity[missing], assigned])
        linked.append(assigned)
    return linked


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.floating]:
    """Return the IoU [N, M] of boxes [N, 4] and [M, 4] that include their last row and column, as the data set's."""
    return inclusive_iou(a[:, None], b[None]).clip(0)
